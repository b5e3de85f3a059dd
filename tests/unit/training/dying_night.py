"""Run a night and die by SIGKILL at a line of its log; exits 0 if it lives."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from recsvc.artifacts.journal import Note
from recsvc.artifacts.registry import Registry
from tests.quick import QUICK, quick_fit
from training.nightly import nightly
from training.purchases import FitInput


class Deadly:
    """A reporter that kills its process at one line."""

    def __init__(self, fatal: str) -> None:
        self._fatal = fatal

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        del name, total
        yield lambda: None

    def log(self, message: str) -> None:
        if message == self._fatal:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    root, events, fatal = sys.argv[1:]
    source = FitInput(events=[Path(events)])
    nightly(source, QUICK, Registry(root), Deadly(fatal), note=Note(), fit=quick_fit)
