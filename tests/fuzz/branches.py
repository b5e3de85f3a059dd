"""Which steps of our own code a call has taken, so that a file that takes a new one is kept."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[2]
_OURS: Final = (f"{_ROOT}/recsvc/", f"{_ROOT}/training/")


class Branches:
    """Collects pairs of lines that followed each other in one function.

    By ``sys.settrace``, which every supported Python has; ``sys.monitoring`` came with 3.12. Where
    somebody else traces already (a run that measures coverage), nothing is collected.

    Attributes:
        n_seen: different pairs so far.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[str, int, int]] = set()

    @property
    def n_seen(self) -> int:
        return len(self._seen)

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Collect what runs inside."""
        if sys.gettrace() is not None:
            yield
            return
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(None)

    def _enter(self, frame: FrameType, _event: str, _arg: object) -> Any:  # noqa: ANN401  # as settrace wants it
        name = frame.f_code.co_filename
        if not name.startswith(_OURS):
            return None
        last = frame.f_lineno

        def step(frame: FrameType, event: str, _arg: object) -> Any:  # noqa: ANN401  # as above
            nonlocal last
            if event == "line":
                self._seen.add((name, last, frame.f_lineno))
                last = frame.f_lineno
            return step

        return step
