"""What runs of a service: its workers and its Valkey, found below the supervisor; their memory."""

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.serving import Service

READY_SECONDS = 120.0
READY, ROLLED = "worker_ready", "roll_ended"
"""What the log calls a worker that serves, and the end of a roll."""


class Processes:
    """The processes of a service, as the system knows them now.

    Args:
        service: whose supervisor they belong to.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._log_read = 0
        self._n_logged: Counter[str] = Counter()

    @property
    def supervisor(self) -> int:
        """Its process id."""
        return self._service.process.pid

    def workers(self) -> dict[int, int]:
        """Of each place the worker that runs there."""
        found = {}
        for pid in _children(self.supervisor):
            index = _environment(pid).get(b"RECSVC_WORKER_INDEX")
            if index is not None:
                found[int(index)] = pid
        return found

    def valkey(self) -> int | None:
        """Its process id; None while it is gone."""
        named = (pid for pid in _children(self.supervisor) if "valkey" in _name(pid))
        return next(named, None)

    def kill_worker(self, index: int) -> None:
        """End a worker as the kernel does for want of memory."""
        with suppress(ProcessLookupError):
            os.kill(self.workers()[index], signal.SIGKILL)

    def wait_until_ready(self, n_started: int) -> None:
        """Wait until so many workers have said that they serve, since the start.

        Raises:
            TimeoutError: they have not.
        """
        self._wait_for(READY, n_started)

    def wait_until_rolled(self, n_rolls: int) -> None:
        """Wait until all workers have been replaced so many times, since the start.

        Raises:
            TimeoutError: they have not.
        """
        self._wait_for(ROLLED, n_rolls)

    def n_ready(self) -> int:
        """How many workers have said that they serve, since the start."""
        return self._count(READY)

    def n_rolled(self) -> int:
        """How many times all workers have been replaced, since the start."""
        return self._count(ROLLED)

    def _wait_for(self, event: str, number: int) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while self._count(event) < number:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{event} was logged {self._count(event)} times, not {number}")
            time.sleep(0.1)  # they load a model meanwhile

    def _count(self, event: str) -> int:
        with self._service.log_path.open("rb") as log:  # a line a call: only what is new
            log.seek(self._log_read)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._log_read += len(whole)
        for each in (READY, ROLLED):
            self._n_logged[each] += whole.count(f'"{each}"'.encode())
        return self._n_logged[event]

    def memory_mib(self) -> dict[str, float]:
        """Proportional set size of each process: what would be free without it."""
        found = {"supervisor": _pss_mib(self.supervisor)}
        found |= {f"worker {index}": _pss_mib(pid) for index, pid in self.workers().items()}
        valkey = self.valkey()
        return found | ({"valkey": _pss_mib(valkey)} if valkey else {})


def _children(pid: int) -> list[int]:
    try:
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:  # it has ended meanwhile
        return []


def _environment(pid: int) -> dict[bytes, bytes]:
    try:
        pairs = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return {}
    return {name: value for name, _, value in (pair.partition(b"=") for pair in pairs)}


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except OSError:
        return ""


def _pss_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)
