"""Which steps of our own code have been taken, so that what takes a new one is kept.

By ``sys.settrace``, which every supported Python has; ``sys.monitoring`` came with 3.12. Where
somebody else traces already (a run that measures coverage), nothing is collected.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[2]
_OURS: Final = (f"{_ROOT}/recsvc/", f"{_ROOT}/training/")

FOLDER: Final = "FUZZ_STEPS"
"""Environment variable: a folder where each process of a service writes how many it has taken."""

_N_PATIENT: Final = 200
_N_RESTS: Final = 32
"""Calls of a function without a new step, after which one of so many is looked at: a run takes 1.6
times what it takes untraced, and 2.4 where all are looked at."""


@dataclass(slots=True)
class _Function:
    code: CodeType  # kept, so that its id is nobody else's
    is_ours: bool
    n_idle: int = 0


class Branches:
    """Collects pairs of lines that followed each other in one function.

    Args:
        rests: whether functions that take no new steps are looked at less often.
        taken: told of each new step how many there are.
    """

    def __init__(
        self, *, rests: bool = False, taken: Callable[[int], object] = lambda _: None
    ) -> None:
        self._rests = rests
        self._taken = taken
        self._seen: set[tuple[int, int, int]] = set()
        self._functions: dict[int, _Function] = {}

    @property
    def n_seen(self) -> int:
        """Different pairs so far."""
        return len(self._seen)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Collect what this thread runs inside."""
        if sys.gettrace() is not None:
            yield
            return
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(None)

    def collect_all(self) -> None:
        """Collect what this process runs from now on."""
        if sys.gettrace() is None:
            threading.settrace(self._enter)
            sys.settrace(self._enter)

    def _enter(self, frame: FrameType, _event: str, _arg: object) -> Any:  # noqa: ANN401  # as settrace wants it
        code = frame.f_code
        number = id(code)
        function = self._functions.get(number)
        if function is None:
            is_ours = code.co_filename.startswith(_OURS)
            function = self._functions[number] = _Function(code, is_ours)
        if not function.is_ours:
            return None
        function.n_idle += 1
        if self._rests and function.n_idle > _N_PATIENT and function.n_idle % _N_RESTS:
            return None
        seen, last = self._seen, frame.f_lineno

        def step(frame: FrameType, event: str, _arg: object) -> Any:  # noqa: ANN401  # as above
            nonlocal last
            if event == "line":
                if (taken := (number, last, frame.f_lineno)) not in seen:
                    seen.add(taken)
                    function.n_idle = 0
                    self._taken(len(seen))
                last = frame.f_lineno
            return step

        return step


def tell_steps(folder: Path) -> None:
    """Collect what this process runs from now on, and write how many steps it has taken."""
    descriptor = os.open(folder / str(os.getpid()), os.O_WRONLY | os.O_CREAT, 0o600)
    Branches(rests=True, taken=lambda n: os.pwrite(descriptor, b"%20d" % n, 0)).collect_all()


def steps_told(folder: Path) -> int:
    """How many steps the processes of a service have taken; 0 where none is traced."""
    return sum(int(path.read_bytes() or b"0") for path in folder.iterdir())
