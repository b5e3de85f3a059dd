"""A disk that fails at a chosen step, as one process sees it.

It stands where Python calls the system, in ``io.open``, ``os`` and ``fcntl``. A step is a call that
changes something: a file opened to be written, the bytes that one write hands over, a flush, a
name made, moved or removed, a lock. What only reads is no step, since nothing differs after it.
"""

import errno
import fcntl
import io
import json
import os
import shutil
import signal
import stat
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Self

from typing_extensions import Buffer


class Fault(StrEnum):
    """What happens at the step."""

    KILLED = "killed"
    """The process dies before it, by SIGKILL."""
    TORN = "torn"
    """Half of the bytes of that write arrive, then it dies."""
    FULL = "full"
    """Half of the bytes of that write arrive, and from then on nothing has room."""
    UNFLUSHED = "unflushed"
    """That one flush fails; what was to be flushed is seen by whoever reads."""
    POWER_LOST = "power lost"
    """What was not flushed is lost: bytes of files, and names in directories."""
    NAMES_ALONE = "names alone"
    """Likewise, but every name has reached the disk, be it before the bytes of its file."""


class FaultyDisk:
    """Counts the steps of this process while it is entered, and lets the fatal one fail.

    What other languages do in the process is not seen; their files are known once they are flushed.

    Args:
        root: what a loss of power is about, with all that lies below.
        fault: what happens.
        fatal_step: when, counted from 1; 0 for never.
        survivors: where to write what a loss of power leaves of ``root``.
        known: a file of what is on the disk, for who writes to the same one next: read if it is
            there, else all is; written when this ends, or dies of anything but a loss of power.
    """

    def __init__(
        self,
        root: Path,
        fault: Fault,
        fatal_step: int,
        survivors: Path,
        known: Path | None = None,
    ) -> None:
        self.steps: list[str] = []
        self._fault = fault
        self._fatal_step = fatal_step
        self._survivors = survivors
        self._known = known
        self._flushed = _Flushed(root, known)
        self._is_full = False
        self._real: dict[tuple[ModuleType, str], object] = {}

    def __enter__(self) -> Self:
        """Stand between the process and its disk."""
        for name in ("mkdir", "rename", "replace", "unlink", "rmdir", "chmod", "fsync"):
            self._stand_before(os, name, partial(self._call, name, getattr(os, name)))
        self._stand_before(fcntl, "flock", partial(self._call, "flock", fcntl.flock))
        self._stand_before(io, "open", partial(self._open, io.open))
        return self

    def __exit__(self, *_: object) -> None:
        """Let the process see its disk as it is."""
        self._leave()
        self._keep()
        self._flushed.close()

    def lose_power(self) -> None:
        """Write what is left if nothing more is flushed; it ends here."""
        self._leave()
        self._flushed.write_to(self._survivors, all_names=False)

    def end(self) -> None:
        """Let a fault come that is due after the last step."""
        self._step("end")

    def write(self, raw: io.FileIO, content: Buffer, write: Callable[[Buffer], int]) -> int:
        """Write, or write half of it."""
        view = memoryview(content).cast("B")

        def write_half() -> None:
            write(view[: len(view) // 2])

        self._step("write", write_half)
        if self._is_full:
            raise _no_room(str(raw.name))
        return write(view)

    def _stand_before(self, module: ModuleType, name: str, instead: Callable[..., Any]) -> None:
        self._real[module, name] = getattr(module, name)
        setattr(module, name, instead)

    def _leave(self) -> None:
        for (module, name), real in self._real.items():
            setattr(module, name, real)

    def _step(self, name: str, write_half: Callable[[], None] = lambda: None) -> None:
        self.steps.append(name)
        if len(self.steps) != self._fatal_step:
            return
        if self._fault in {Fault.TORN, Fault.FULL}:
            write_half()
        if self._fault is Fault.FULL:
            self._is_full = True
            return
        if self._fault is Fault.UNFLUSHED:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self._fault in {Fault.POWER_LOST, Fault.NAMES_ALONE}:
            self._leave()
            self._flushed.write_to(self._survivors, all_names=self._fault is Fault.NAMES_ALONE)
        else:
            self._keep()
        os.kill(os.getpid(), signal.SIGKILL)

    def _keep(self) -> None:
        if self._known is not None:
            self._leave()
            self._flushed.keep(self._known)

    def _call(self, name: str, real: Callable[..., object], *args: Any, **kwargs: Any) -> object:
        self._step(name)
        if self._is_full and name in {"mkdir", "fsync"}:
            raise _no_room(str(args[0]))
        if name == "fsync":  # and no further: the disk of a test need not turn for each of them
            self._flushed.flush(args[0])
            return None
        result = real(*args, **kwargs)
        if name == "mkdir":
            self._flushed.begin(Path(args[0]))
        return result

    def _open(
        self,
        real: Callable[..., IO[Any]],
        file: Path,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> IO[Any]:
        if not set(mode) & set("wxa+"):
            return real(file, mode, buffering, encoding, *args, **kwargs)
        self._step("open")
        is_new = not file.exists()
        if self._is_full and is_new:
            raise _no_room(str(file))
        raw = _File(self, file, mode.translate({ord("b"): None, ord("+"): None}) + "+")
        if is_new:
            self._flushed.begin(file)
        if buffering == 0:
            return raw  # as io.open does
        # No plain writer, which numpy would pass by to write with C's own functions.
        buffered = io.BufferedRandom(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding)


class _File(io.FileIO):
    """A file whose writes are steps."""

    def __init__(self, disk: FaultyDisk, path: Path, mode: str) -> None:
        super().__init__(path, mode)
        self._disk = disk

    def write(self, content: Buffer, /) -> int:
        return self._disk.write(self, content, super().write)


class _Flushed:
    """What is known to be on the disk: the bytes of each file, and the names of each directory.

    Both by the number of the inode, as a name is the directory's and not the file's. What is known
    is held open, so that no number is given again.
    """

    def __init__(self, root: Path, known: Path | None) -> None:
        self._root = root
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, Mapping[str, int]] = {}
        self._held: list[int] = []
        if known is not None and known.exists():
            content, names = json.loads(known.read_text())
            self._bytes = {int(number): bytes.fromhex(each) for number, each in content.items()}
            self._names = {int(number): each for number, each in names.items()}
            return
        for path in (root, *root.rglob("*")):
            self.flush(self._hold(path))

    def close(self) -> None:
        """Let go of all files; nothing is known any more."""
        for descriptor in self._held:
            os.close(descriptor)

    def keep(self, known: Path) -> None:
        """Write down what is known."""
        content = {number: each.hex() for number, each in self._bytes.items()}
        known.write_text(json.dumps([content, self._names]))

    def begin(self, path: Path) -> None:
        """Know of a new file or directory, of which nothing is on the disk yet."""
        number = os.fstat(self._hold(path)).st_ino
        if path.is_dir():
            self._names[number] = {}
        else:
            self._bytes[number] = b""

    def flush(self, descriptor: int) -> None:
        """Know that all of a file or directory is on the disk."""
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(descriptor) as entries:
                self._names[status.st_ino] = {entry.name: entry.inode() for entry in entries}
        else:
            self._bytes[status.st_ino] = os.pread(descriptor, status.st_size, 0)

    def _hold(self, path: Path) -> int:
        self._held.append(os.open(path, os.O_RDONLY))
        return self._held[-1]

    def write_to(self, target: Path, *, all_names: bool) -> None:
        """Write what a loss of power leaves; with ``all_names``, all names as they are now."""
        if all_names:
            shutil.copytree(self._root, target, copy_function=self._copy)
        else:
            self._write(self._root.stat().st_ino, target)

    def _copy(self, source: str, target: str) -> None:
        Path(target).write_bytes(self._bytes.get(Path(source).stat().st_ino, b""))

    def _write(self, number: int, target: Path) -> None:
        if number not in self._names:
            target.write_bytes(self._bytes.get(number, b""))
            return
        target.mkdir()
        for name, below in self._names[number].items():
            self._write(below, target / name)


def _no_room(where: str) -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), where)
