"""Writers that are interrupted at each step, in every way; see ``faulty_disk``."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import count, product
from pathlib import Path

from tests.unit.artifacts.dying_writer import End, Job
from tests.unit.artifacts.faulty_disk import Fault

ROOT = Path(__file__).parents[3]
NEEDS_ROOM = {"open", "write", "mkdir", "fsync"}
IS_TOLD = {Fault.FULL, Fault.UNFLUSHED}
"""The process lives, and says what has failed."""


class Writers:
    """Writers that all are forks of one process, since that has imported everything.

    Args:
        process: which reads jobs and writes their ends.
        folder: where each has a disk of its own.
    """

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._numbers = count()

    def interrupted(
        self,
        before: Path,
        fault: Fault,
        fatal_step: int,
        *,
        task: str,
        word: str = "new",
    ) -> tuple[End, Path]:
        """Do a task on a copy of a disk; return how it ended, and the disk after that."""
        disk = self._folder / f"{fault.name}-{fatal_step}-{next(self._numbers)}"
        shutil.copytree(before, disk)
        survivors, known = disk.with_suffix(".survivors"), known_of(disk)
        root = str(disk / "registry")
        job = Job(task, root, word, fault, fatal_step, str(survivors), str(known))
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        end = End(**json.loads(self._process.stdout.readline()))
        return end, survivors if survivors.exists() else disk


def known_of(disk: Path) -> Path:
    """The file of what of a disk would outlive a loss of power; not there where all would."""
    return disk.with_suffix(".known")


@contextmanager
def running_writers(folder: Path, *modules: str) -> Iterator[Writers]:
    """Writers of the tasks of some modules."""
    command = [sys.executable, "-m", "tests.unit.artifacts.dying_writer", *modules]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Writers(process, folder)


def cases(steps: tuple[str, ...]) -> Iterator[tuple[Fault, int]]:
    """Every fault at every step that can have it; a loss of power also after the last one."""
    for (number, step), fault in product(enumerate(steps, 1), Fault):
        if fault is Fault.TORN and step != "write":
            continue
        if fault is Fault.FULL and step not in NEEDS_ROOM:
            continue
        if fault is Fault.UNFLUSHED and step != "fsync":
            continue
        if step == "end" and fault not in {Fault.POWER_LOST, Fault.NAMES_ALONE}:
            continue
        yield fault, number
