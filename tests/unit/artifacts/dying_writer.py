"""Publishes, promotes and prunes on a disk that fails, each time in a process of its own.

This one has imported everything and forks for every line of its standard input: a JSON object of a
:class:`Job`. It answers each with a line, a JSON object of an :class:`End`.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from recsvc.artifacts.registry import Registry
from recsvc.artifacts.retention import prune
from recsvc.errors import RegistryError
from tests.unit.artifacts.faulty_disk import Fault, FaultyDisk
from tests.unit.artifacts.samples import NOW, publish_sample


@dataclass(frozen=True, slots=True)
class Job:
    """What to do, and what is to happen meanwhile.

    Attributes:
        root: of the registry.
        version_id: to publish and to promote; one of its arrays says so.
        fault: see ``Fault``.
        fatal_step: when, counted from 1; 0 for never.
        survivors: where to write what a loss of power leaves of the registry.
    """

    root: str
    version_id: str
    fault: Fault
    fatal_step: int
    survivors: str


@dataclass(frozen=True, slots=True)
class End:
    """How it ended.

    Attributes:
        signal: that ended the process; 0 if none did.
        error: what the registry said; empty if all went well.
        steps: the names of the steps that were begun; empty where a signal ended it.
    """

    signal: int
    error: str
    steps: tuple[str, ...]


def bring_in(job: Job) -> tuple[str, tuple[str, ...]]:
    """Publish, promote and prune; return what the registry said, and the steps."""
    root = Path(job.root)
    registry = Registry(root)
    name, said = job.version_id, ""
    with FaultyDisk(root.parent, job.fault, job.fatal_step, Path(job.survivors)) as disk:
        try:
            registry.promote(publish_sample(registry, version_id=name, name=name), NOW)
            prune(registry, keep=1)
        except RegistryError as error:
            said = str(error)
        disk.end()
    return said, tuple(disk.steps)


def in_a_fork(job: Job) -> End:
    """Do it in another process, and wait for that."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, json.dumps(bring_in(job)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return End(os.WTERMSIG(status), "", ())
    error, steps = json.loads(answer)
    return End(0, error, tuple(steps))


if __name__ == "__main__":
    for line in sys.stdin:
        given = json.loads(line)
        end = in_a_fork(Job(**given | {"fault": Fault(given["fault"])}))
        sys.stdout.write(json.dumps(asdict(end)) + "\n")
        sys.stdout.flush()
