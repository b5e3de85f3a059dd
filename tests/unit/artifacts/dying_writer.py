"""Writes on a disk that fails, each time in a process of its own.

This one has imported the modules that its command line names, and forks for every line of its
standard input: a JSON object of a :class:`Job`. It answers each with a line, a JSON object of an
:class:`End`.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name

from recsvc.errors import RecsvcError
from tests.unit.artifacts.faulty_disk import Fault, FaultyDisk


@dataclass(frozen=True, slots=True)
class Job:
    """What to do, and what is to happen meanwhile.

    Attributes:
        task: ``module:function`` that writes, given the root and the word.
        root: of a registry, or of what else is written.
        word: what is written says so.
        fault: see ``Fault``.
        fatal_step: when, counted from 1; 0 for never.
        survivors: where to write what a loss of power leaves of the root's parent.
        known: a file of what is on the disk; see ``FaultyDisk``.
    """

    task: str
    root: str
    word: str
    fault: Fault = Fault.KILLED
    fatal_step: int = 0
    survivors: str = ""
    known: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """How it ended.

    Attributes:
        signal: that ended the process; 0 if none did.
        error: what was said of the disk; empty if all went well.
        steps: the names of the steps that were begun; empty where a signal ended it.
    """

    signal: int
    error: str
    steps: tuple[str, ...]


def bring_in(job: Job) -> tuple[str, tuple[str, ...]]:
    """Do it; return what was said of the disk, and the steps."""
    root, said = Path(job.root), ""
    task = resolve_name(job.task)
    known = Path(job.known) if job.known else None
    with FaultyDisk(root.parent, job.fault, job.fatal_step, Path(job.survivors), known) as disk:
        try:
            task(root, job.word)
        except (RecsvcError, OSError) as error:
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
    for name in sys.argv[1:]:
        import_module(name)
    for line in sys.stdin:
        given = json.loads(line)
        end = in_a_fork(Job(**given | {"fault": Fault(given["fault"])}))
        sys.stdout.write(json.dumps(asdict(end)) + "\n")
        sys.stdout.flush()
