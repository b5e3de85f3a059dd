"""Numbers of the workers, in files that one page adds up, and that end no worker.

prometheus_client maps its files into memory: where the disk has no room for what was put there,
the kernel ends the process (SIGBUS). Here a process keeps its numbers to itself and writes them
now and then, as any file is written, so that a full disk is an error like others: the files are
behind until there is room again. Their format is prometheus_client's, which reads them for the
page. This is the one module that knows its inside, and looks at it before it is used.
"""

import errno
import inspect
import os
import struct
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock

from prometheus_client import mmap_dict, values
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

_NAMED = ("metric_name", "name", "labelnames", "labelvalues", "help_text")
_KNOWN = (
    (values, "ValueClass", ("typ", *_NAMED, "kwargs")),
    (mmap_dict, "mmap_key", _NAMED),
    (mmap_dict.MmapedDict, "read_all_values_from_file", ("filename",)),
    (MultiProcessCollector, "merge", ("files", "accumulate")),
)
"""What is used, and its parameters, as of prometheus_client 0.26."""

# A file: an int, how many of its bytes are used, and four bytes more. Then entries: an int, the
# length of a key; the key, filled up so that what follows lies at a multiple of eight; two doubles,
# the amount and, for gauges of which the latest counts, unix seconds.
_INTEGER = struct.Struct("i")
_PAIR = struct.Struct("dd")
_HEADER_BYTES = 8
_EMPTY = _INTEGER.pack(_HEADER_BYTES)


class NumbersFile:
    """What a process has in one file; safe to share between threads.

    Args:
        path: of the file; it need not be there.
        goes_on: whether this process adds to what one before it has left there.
    """

    def __init__(self, path: Path, *, goes_on: bool) -> None:
        self._path = path
        self._goes_on = goes_on
        self._descriptor: int | None = None
        self._lock = Lock()
        self._image = bytearray(_HEADER_BYTES)
        self._positions: dict[str, int] = {}
        self._changed_from = _HEADER_BYTES  # bytes before it are written
        self._n_claimed = 0  # bytes that the file says are used

    def add(self, key: str, amount: float) -> None:
        """Add to a number; it is written by the next :meth:`sync`."""
        with self._lock:
            position = self._position(key)
            before, _ = _PAIR.unpack_from(self._image, position)
            _PAIR.pack_into(self._image, position, before + amount, 0.0)

    def put(self, key: str, amount: float, timestamp: float) -> None:
        """Replace a number, likewise."""
        with self._lock:
            _PAIR.pack_into(self._image, self._position(key), amount, timestamp)

    def get(self, key: str) -> float:
        """A number as it will be written."""
        with self._lock:
            amount, _ = _PAIR.unpack_from(self._image, self._positions[key])
        return float(amount)

    def sync(self) -> None:
        """Write what has changed; one thread at a time.

        Raises:
            OSError: there is no room, or no such folder. What has changed still waits.
        """
        descriptor = self._opened()
        with self._lock:
            start, n_used = self._changed_from, len(self._image)
            changed, self._changed_from = self._image[start:], n_used
        if not changed:
            return
        try:
            _write(descriptor, changed, start)
            if n_used != self._n_claimed:  # last: nobody is to look for what is not there
                _write(descriptor, _INTEGER.pack(n_used), 0)
                self._n_claimed = n_used
        except OSError:
            with self._lock:
                self._changed_from = min(start, self._changed_from)
            raise

    def _opened(self) -> int:
        """The file; when it is opened, what it has comes first, where it is, and is added to."""
        if self._descriptor is None:
            left = self._left() if self._goes_on else []
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
            with self._lock:
                own = [
                    (key, _PAIR.unpack_from(self._image, at)) for key, at in self._positions.items()
                ]
                self._image, self._positions = bytearray(_HEADER_BYTES), {}
                self._changed_from = _HEADER_BYTES
                for key, (amount, timestamp) in left + own:
                    position = self._position(key)
                    before, _ = _PAIR.unpack_from(self._image, position)
                    _PAIR.pack_into(self._image, position, before + amount, timestamp)
        return self._descriptor

    def _left(self) -> list[tuple[str, tuple[float, float]]]:
        """Keys and pairs that are in the file, in order."""
        if not self._path.exists():
            return []
        try:
            entries = list(mmap_dict.MmapedDict.read_all_values_from_file(str(self._path)))
        except (RuntimeError, UnicodeDecodeError, struct.error):
            return []  # nothing could be written to it, or somebody has: counts begin anew
        return [(key, (amount, timestamp)) for key, amount, timestamp, _ in entries]

    def _position(self, key: str) -> int:
        """Where the pair of a key is, which is about to change; the lock is held."""
        position = self._positions.get(key)
        if position is None:
            self._changed_from = min(self._changed_from, len(self._image))
            encoded = key.encode()
            self._image += _INTEGER.pack(len(encoded)) + encoded
            self._image += b" " * (8 - len(self._image) % 8)
            position = self._positions[key] = len(self._image)
            self._image += _PAIR.pack(0.0, 0.0)
        self._changed_from = min(self._changed_from, position)
        return position


class SharedValue:
    """A number, as prometheus_client's metrics use it.

    Args:
        file: where it goes.
        key: of the metric and its labels there.
    """

    def __init__(self, file: NumbersFile, key: str) -> None:
        self._file = file
        self._key = key
        self.inc(0.0)

    def inc(self, amount: float) -> None:
        """Add to it."""
        self._file.add(self._key, amount)

    def set(self, value: float, timestamp: float | None = None) -> None:
        """Replace it."""
        self._file.put(self._key, value, timestamp or 0.0)

    def get(self) -> float:
        """What it is."""
        return self._file.get(self._key)

    def set_exemplar(self, exemplar: object) -> None:
        """Do nothing: files have no room for exemplars."""

    def get_exemplar(self) -> None:
        """Return none."""


class SharedNumbers:
    """All numbers of a process.

    Args:
        directory: of the files.
        slot: a number that no other process has that runs. Counts go on from those of the last
            one that had it.
    """

    def __init__(self, directory: Path, slot: int) -> None:
        self._directory = directory
        self._slot = slot
        self._files: dict[str, NumbersFile] = {}
        self._is_behind = False

    def share(self) -> bool:
        """Have every metric that is made from now on keep its numbers here.

        Returns:
            Whether prometheus_client is as it is known; else nothing is done.
        """
        if not is_known():
            return False
        # Where a metric takes the class of its numbers from each time that it makes one, whatever
        # its registry: the library has no other door, and a worker is one process for one service.
        values.ValueClass = self._value  # a function will do
        return True

    def sync(self, told: Callable[[OSError | None], object]) -> None:
        """Write what has changed, as far as there is room; one thread at a time.

        Args:
            told: told why the files are behind when they come to be, and None when they no longer
                are.
        """
        problem: OSError | None = None
        for file in list(self._files.values()):
            try:
                file.sync()
            except OSError as error:
                problem = error
        if self._is_behind != (problem is not None):
            self._is_behind = problem is not None
            told(problem)

    def _value(  # the library's, by position
        self,
        typ: str,
        metric_name: str,
        name: str,
        labelnames: Sequence[str],
        labelvalues: Sequence[str],
        help_text: str,
        multiprocess_mode: str = "",
        **_others: object,
    ) -> SharedValue:
        kind = f"{typ}_{multiprocess_mode}" if multiprocess_mode else typ
        path = self._directory / f"{kind}_{self._slot}.db"
        # One step of the interpreter: of two threads that come at once one file stays.
        file = self._files.setdefault(kind, NumbersFile(path, goes_on=typ != "gauge"))
        key = mmap_dict.mmap_key(metric_name, name, list(labelnames), list(labelvalues), help_text)
        return SharedValue(file, key)


def is_known() -> bool:
    """Whether the parts of prometheus_client that are used are as they are known."""
    return all(
        hasattr(module, part)
        and tuple(inspect.signature(getattr(module, part)).parameters) == parameters
        for module, part, parameters in _KNOWN
    )


def forget_present(directory: Path, slot: int) -> None:
    """Leave what a process that has ended told of the present out of the sum.

    The room of its files is kept for the next one: there may be no other.
    """
    for path in directory.glob(f"gauge_*_{slot}.db"):
        # Who is next in the slot begins anew as well.
        with suppress(OSError), path.open("r+b", buffering=0) as file:
            file.write(_EMPTY)


def has_told(directory: Path, slot: int) -> bool:
    """Whether a process has written anything of the present."""
    try:  # every one has a gauge of this kind: whether its numbers are behind
        with (directory / f"gauge_livemax_{slot}.db").open("rb") as file:
            (n_used,) = _INTEGER.unpack(file.read(_INTEGER.size))
    except (OSError, struct.error):  # it is not there, or there was no room for its beginning
        return False
    return bool(n_used > _HEADER_BYTES)


def added_up(directory: Path) -> Iterable[Metric]:
    """The numbers of all processes as one."""
    # A file that is shorter is empty as yet: it has just been made, or there was no room.
    paths = [str(p) for p in directory.glob("*.db") if p.stat().st_size >= _HEADER_BYTES]
    merged: Iterable[Metric] = MultiProcessCollector.merge(paths)
    return merged


def _write(descriptor: int, content: bytes | bytearray, position: int) -> None:
    if os.pwrite(descriptor, content, position) < len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
