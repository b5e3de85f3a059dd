"""What became of all calls: how many, how long, what was wrong."""

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

ASKED = frozenset({"recommend", "batch"})
"""What is asked once; all else is a write, and done again."""

N_SHOWN = 20
"""Failures that are told one by one."""


@dataclass
class Tallies:
    """Counts calls of several kinds; safe to share between threads.

    Attributes:
        answered: by kind; of batches each list.
        failed: by kind, calls without an answer; of writes each attempt.
        seconds: by kind, how long each answer took.
        served: lists by how they were made, those of batches too.
        failures: the first questions without an answer, and when, monotonic seconds.
        failed_at: when all of them were.
        wrong: the first answers that break a promise, likewise.
        n_wrong: how many do.
        n_late_starts: calls that began a quarter of a second after they were due: the harness, or
            its machine, was too slow.
    """

    answered: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    served: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[float, str]] = field(default_factory=list)
    failed_at: list[float] = field(default_factory=list)
    wrong: list[tuple[float, str]] = field(default_factory=list)
    n_wrong: int = 0
    n_late_starts: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, kind: str, seconds: float, served: str = "") -> None:
        """Count a call that was answered."""
        with self._lock:
            self.answered[kind] += 1
            self.seconds[kind].append(seconds)
            if served:
                self.served[served] += 1

    def fail(self, kind: str, at: float, what: str) -> None:
        """Count a call that was not."""
        with self._lock:
            self.failed[kind] += 1
            if kind in ASKED:
                self.failed_at.append(at)
                if len(self.failures) < N_SHOWN:
                    self.failures.append((at, what))

    def blame(self, at: float, what: str) -> None:
        """Count what breaks a promise."""
        with self._lock:
            self.n_wrong += 1
            if len(self.wrong) < N_SHOWN:
                self.wrong.append((at, what))

    def start_late(self) -> None:
        """Count a call that began too late."""
        with self._lock:
            self.n_late_starts += 1

    def to_json(self) -> dict[str, Any]:
        """All of it, times as percentiles."""
        with self._lock:
            return {
                "answered": dict(self.answered),
                "failed": dict(self.failed),
                "milliseconds": {kind: _percentiles(all_) for kind, all_ in self.seconds.items()},
                "served": dict(self.served),
                "failures": self.failures,
                "failed_at": self.failed_at,
                "wrong": self.wrong,
                "n_wrong": self.n_wrong,
                "n_late_starts": self.n_late_starts,
            }


def _percentiles(seconds: list[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    last = len(ordered) - 1
    shares = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return {name: round(1_000 * ordered[int(share * last)], 1) for name, share in shares.items()}
