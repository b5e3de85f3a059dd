"""Publish and promote a version, and die by SIGKILL at a chosen step.

A step is a call to the file system as Python's audit hooks see it, so that a test can
kill a writer between any two of them without guessing at times. Exits 0 if it lives.
"""

import os
import signal
import sys
from pathlib import Path

from recsvc.artifacts.registry import Registry
from tests.unit.artifacts.samples import NOW, publish_sample

STEPS = {"fcntl.flock", "open", "os.chmod", "os.mkdir", "os.remove", "os.rename", "os.scandir"}


def die_at(fatal_step: int) -> None:
    """Count this process's steps from now on, and let none past the fatal one."""
    step = 0

    def count(event: str, _: tuple[object, ...]) -> None:
        nonlocal step
        if event in STEPS:
            step += 1
            if step == fatal_step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


if __name__ == "__main__":
    registry = Registry(Path(sys.argv[1]))
    die_at(int(sys.argv[2]))
    registry.promote(publish_sample(registry), NOW)
