"""A clock that all processes of a service read, and that can be stepped under them."""

import mmap
import os
import struct
from pathlib import Path

FOLDER = Path(__file__).parent / "stepped_clock"
_STEP = struct.Struct("d")


class SteppedClock:
    """The wall clock of processes that were started with :meth:`environment`.

    Args:
        path: of the file that they read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_bytes(_STEP.pack(0.0))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _STEP.size)

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment."""
        found = [str(FOLDER), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"STEPPED_CLOCK": str(self._path), "PYTHONPATH": os.pathsep.join(found)}

    def step(self, seconds: float) -> None:
        """Let it be so far from the true time, at once."""
        self._shared[:] = _STEP.pack(seconds)
