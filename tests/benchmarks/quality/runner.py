"""Run one contestant on one data set in a process of its own, within limits."""

import json
import os
import select
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from resource import struct_rusage

from tests.benchmarks.quality.contestants import Contestant
from tests.benchmarks.quality.datasets import DataSet

OK = "ok"
CPU_LIMIT_MINUTES = 30.0
"""15 minutes of two cores; by the CPU's clock, since the machine may have other work."""
PATIENCE = 3.0
"""Minutes by the wall's clock for each that the CPU may take."""
MEMORY_LIMIT_BYTES = 12 * 2**30
MESSAGE_LENGTH = 160
CHILD = "tests.benchmarks.quality.peers.child"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may take."""

    cpu_minutes: float = CPU_LIMIT_MINUTES
    memory_bytes: int = MEMORY_LIMIT_BYTES


@dataclass(frozen=True, slots=True)
class Run:
    """How a run ended and what it took.

    Attributes:
        status: OK, or why there are no lists, in one line.
        fit_seconds: of reading the history and learning; None unless OK.
        fit_cpu_seconds: the same, of all cores; comparable when the machine has other work.
        recommend_seconds: of both kinds of lists; None unless OK.
        cpu_seconds: of the process and its children; None if it never started.
        peak_mib: largest resident set of any one process of the run; None likewise.
    """

    status: str
    fit_seconds: float | None = None
    fit_cpu_seconds: float | None = None
    recommend_seconds: float | None = None
    cpu_seconds: float | None = None
    peak_mib: float | None = None


def run(contestant: Contestant, python: Path, data: DataSet, folder: Path, limits: Limits) -> Run:
    """Start the contestant, wait, and read what it noted.

    Its lists are then ``all.parquet`` and ``new.parquet`` in ``folder``, its output
    ``log.txt``.

    Args:
        contestant: who.
        python: interpreter of its environment.
        data: on what.
        folder: its own; emptied first.
        limits: what it may take.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    job = {
        "module": contestant.module,
        "model": contestant.model,
        "history": str(data.history.resolve()),
        "products": str(data.products.resolve()) if data.products else None,
        "customers": str(data.customers.resolve()),
        "memory_bytes": limits.memory_bytes,
        "cpu_seconds": limits.cpu_minutes * 60,
    }
    path = folder.resolve() / "job.json"
    path.write_text(json.dumps(job))
    log = folder / "log.txt"
    with log.open("w") as output:
        process = subprocess.Popen(
            # Not resolved: a link of an environment knows its packages, what it links to does not.
            [str(python.absolute()), "-m", CHILD, str(path)],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(root())},
            start_new_session=True,  # so that a kill reaches its children too
        )
        in_time, usage = _wait(process, limits.cpu_minutes * PATIENCE * 60)
    status = OK
    if not in_time:
        # Not its CPU time: the machine may have been busy with other work.
        status = f"not done after {limits.cpu_minutes * PATIENCE:.0f} minutes by the clock"
    elif process.returncode == -signal.SIGXCPU:
        status = f"over the limit of {limits.cpu_minutes:.0f} CPU minutes"
    elif process.returncode:
        status = _reason(process.returncode, log.read_text(errors="replace"))
    timing = json.loads((folder / "timing.json").read_text()) if status == OK else {}
    return Run(
        status,
        timing.get("fit_seconds"),
        timing.get("fit_cpu_seconds"),
        timing.get("recommend_seconds"),
        usage.ru_utime + usage.ru_stime,
        usage.ru_maxrss / 1024,
    )


def root() -> Path:
    """The checkout that this benchmark is in."""
    return Path(__file__).resolve().parents[3]


def _wait(process: subprocess.Popen[bytes], seconds: float) -> tuple[bool, struct_rusage]:
    """Whether it ended by itself in time, and what it used; it has ended in any case."""
    descriptor = os.pidfd_open(process.pid)
    try:
        in_time = bool(select.select([descriptor], [], [], seconds)[0])
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        os.close(descriptor)
    if not in_time:
        os.killpg(process.pid, signal.SIGKILL)
    _, status, usage = os.wait4(process.pid, 0)
    # Popen did not do the waiting, so it has to be told.
    process.returncode = os.waitstatus_to_exitcode(status)
    return in_time, usage


def _reason(code: int, log: str) -> str:
    """The last line of a stack trace, or the signal."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    text = lines[-1] if lines else f"exit code {code}"
    return text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + "…"
