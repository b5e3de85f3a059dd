"""Memory of a service over time."""

import statistics
import threading
import time
from dataclasses import dataclass

from tests.chaos.processes import Processes

SAMPLE_SECONDS = 2.0
WINDOW_SECONDS = 20.0
REFERENCE_SECONDS = 120.0
"""What memory is compared with: what was used then, when all that is kept is warm."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory at one moment.

    Attributes:
        at: seconds since the start.
        mib: of each process.
    """

    at: float
    mib: dict[str, float]


class MemoryWatch:
    """Samples the memory of a service in a thread of its own.

    Args:
        processes: of the service.
    """

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._started = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.samples: list[Sample] = []

    def start(self) -> None:
        """Begin."""
        self._started = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._ending.wait(SAMPLE_SECONDS):
            at = time.monotonic() - self._started
            self.samples.append(Sample(at, self._processes.memory_mib()))


def around(samples: list[Sample], at: float, name: str) -> float:
    """Median memory of a process, MiB, within some seconds of a moment; 0 where it was not."""
    near = [s.mib[name] for s in samples if abs(s.at - at) <= WINDOW_SECONDS and name in s.mib]
    return statistics.median(near) if near else 0.0


def growth(samples: list[Sample]) -> dict[str, dict[str, float]]:
    """Of each process its memory at the reference and at the end, MiB, and the ratio of the two."""
    if not samples:
        return {}
    found = {}
    for name in sorted({name for sample in samples for name in sample.mib}):
        before = around(samples, REFERENCE_SECONDS, name)
        after = around(samples, samples[-1].at, name)
        found[name] = {
            "minute_two_mib": round(before, 1),
            "end_mib": round(after, 1),
            "ratio": round(after / before, 3) if before else 0.0,
        }
    return found
