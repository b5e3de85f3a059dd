"""Draining a log of the service into a folder, each entry exactly once.

The folder has Parquet files, ``live-00000001.parquet`` and so on, each complete when it has its
name. Each says in its own metadata how far every stream has been drained once it is there; the
newest one is thus all that a run has to know. Only then are the streams trimmed. Killed anywhere, a
run leaves a file that nobody reads, or entries that the next run trims without reading.

What cannot be read, damaged or of a newer version, must not stop what can. It is set aside as it
lies in the log, in ``_unreadable/live-00000001.jsonl`` beside the file of its batch, and before it.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeGuard, TypeVar

import polars as pl

from recsvc.artifacts.disk import fsync_directory, make_directory
from recsvc.errors import InputError, PreconditionError
from recsvc.identity import N_PARTITIONS
from recsvc.store.streams import Logged, Unreadable

SETTLED_MILLISECONDS: Final = 1_000
"""Entries younger than this are left for the next run: within one millisecond more may follow."""

PAGE: Final = 1_000
FILES: Final = "live-*.parquet"

UNREADABLE: Final = "_unreadable"
"""Folder, in that of the files, of entries that could not be read."""

_METADATA: Final = "recsvc.collected"

Entry = TypeVar("Entry")


class DrainableLog(Protocol[Entry]):
    """What a log must offer to be collected."""

    def read(self, partition: int, after: str, count: int) -> list[Logged[Entry | Unreadable]]:
        """The next entries of a partition."""
        ...

    def trim(self, partition: int, until: str) -> None:
        """Forget entries up to a position, that one included."""
        ...

    def now(self) -> int:
        """The log's own time, unix milliseconds."""
        ...


@dataclass(frozen=True, slots=True)
class Layout(Generic[Entry]):
    """How entries lie in files.

    Attributes:
        schema: columns and their types.
        rows: of an entry, each in the order of ``schema``; none where there is nothing to keep.
        file_entries: entries of a file at most, but for a page more.
    """

    schema: Mapping[str, pl.DataType | type[pl.DataType]]
    rows: Callable[[Logged[Entry]], Iterable[tuple[object, ...]]]
    file_entries: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What a run has collected.

    Attributes:
        n_entries: entries of the log.
        n_rows: rows that they became.
        files: the new files.
        n_unreadable: entries that could not be read, and were set aside.
    """

    n_entries: int
    n_rows: int
    files: tuple[Path, ...]
    n_unreadable: int = 0


def drain(
    log: DrainableLog[Entry],
    folder: Path,
    layout: Layout[Entry],
    tick: Callable[[], object] = lambda: None,
) -> Collected:
    """Drain a log into a folder.

    Args:
        log: the service's.
        folder: of the files; made where it is missing.
        layout: how entries lie there.
        tick: called after each page.

    Raises:
        StoreUnavailableError: the log cannot be read; what was collected stays, run it again.
        PreconditionError: another run is under way.
        InputError: the folder cannot be written, or its newest file says nothing of how far it
            goes.
    """
    with _writing(folder), alone(folder):
        for left in folder.glob(f".{FILES}"):
            left.unlink()
        number, positions = _newest(folder)
        _trim(log, positions)  # what a run that was killed could not
        until = log.now() - SETTLED_MILLISECONDS
        n_entries, n_rows, n_unreadable, files = 0, 0, 0, []
        for batch in _batches(_pages(log, positions, until, tick), layout.file_entries):
            number += 1
            path = folder / f"live-{number:08}.parquet"
            drained = {logged.partition: logged.position for logged in batch}
            positions |= drained
            rows = pl.DataFrame(
                [row for one in batch if _is_readable(one) for row in layout.rows(one)],
                schema=dict(layout.schema),
                orient="row",
            )
            unreadable = [line for logged in batch if (line := _unreadable_line(logged))]
            if unreadable:
                set_aside(folder / UNREADABLE / f"{path.stem}.jsonl", unreadable)
            write(path, rows, {_METADATA: json.dumps(positions)})
            _trim(log, drained)
            n_unreadable += len(unreadable)
            n_entries, n_rows = n_entries + len(batch), n_rows + rows.height
            files.append(path)
    return Collected(n_entries, n_rows, tuple(files), n_unreadable)


def _pages(
    log: DrainableLog[Entry], positions: Mapping[int, str], until: int, tick: Callable[[], object]
) -> Iterator[list[Logged[Entry | Unreadable]]]:
    """All settled entries after ``positions``, some of one partition at a time."""
    for partition in range(N_PARTITIONS):
        after = positions.get(partition, "")
        while entries := log.read(partition, after, PAGE):
            settled = [entry for entry in entries if received(entry) <= until]
            if settled:
                yield settled
                after = settled[-1].position
            tick()
            if len(settled) < len(entries):
                break


def _batches(
    pages: Iterable[list[Logged[Entry | Unreadable]]], size: int
) -> Iterator[list[Logged[Entry | Unreadable]]]:
    """The entries of a file each, at least so many but for the last one."""
    batch: list[Logged[Entry | Unreadable]] = []
    for page in pages:
        batch += page
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch


def _is_readable(logged: Logged[Entry | Unreadable]) -> TypeGuard[Logged[Entry]]:
    return not isinstance(logged.entry, Unreadable)


def _unreadable_line(logged: Logged[Any]) -> str:
    """A line that holds all that an entry is, ``""`` of one that can be read."""
    if not isinstance(logged.entry, Unreadable):
        return ""
    # Bytes that are no text come back with the same error handler.
    fields = {
        name.decode(errors="surrogateescape"): value.decode(errors="surrogateescape")
        for name, value in logged.entry.fields.items()
    }
    return json.dumps(
        {"partition": logged.partition, "position": logged.position, "fields": fields}
    )


def set_aside(path: Path, lines: Iterable[str]) -> None:
    """Write down what could not be read, in place of what is there."""
    path.parent.mkdir(exist_ok=True)  # its name is flushed with that of the file beside it
    staged = path.with_name(f".{path.name}")
    with staged.open("w", encoding="ascii") as file:
        file.writelines(f"{line}\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())
    staged.replace(path)
    fsync_directory(path.parent)


def received(logged: Logged[Any]) -> int:
    """When an entry came in, unix milliseconds."""
    return int(logged.position.partition("-")[0])


def write(path: Path, rows: pl.DataFrame, metadata: Mapping[str, str]) -> None:
    """Write a file for good, in place of what is there, or leave that as it is."""
    staged = path.with_name(f".{path.name}")
    rows.write_parquet(staged, metadata=dict(metadata))
    with staged.open("rb") as file:
        os.fsync(file.fileno())
    staged.replace(path)
    fsync_directory(path.parent)


def rewrite(path: Path, kept: pl.DataFrame) -> None:
    """Leave rows out of a file, which says what it said of how far the log was drained."""
    metadata = {k: v for k, v in pl.read_parquet_metadata(path).items() if k.startswith("recsvc.")}
    write(path, kept, metadata)


def _trim(log: DrainableLog[Any], positions: Mapping[int, str]) -> None:
    for partition, position in positions.items():
        log.trim(partition, position)


def _newest(folder: Path) -> tuple[int, dict[int, str]]:
    """Number of the newest file, and how far each stream has been drained."""
    files = sorted(folder.glob(FILES))
    if not files:
        return 0, {}
    path = files[-1]
    try:
        metadata = pl.read_parquet_metadata(path)
        positions = json.loads(metadata[_METADATA])
        number = int(path.stem.removeprefix("live-"))
        return number, {int(partition): str(at) for partition, at in positions.items()}
    except (
        pl.exceptions.ComputeError,
        pl.exceptions.PanicException,
        KeyError,
        ValueError,
    ) as error:
        raise InputError(
            f"{path}: does not say how far the log was collected; it was not written by "
            "recsvc-train collect, or is damaged: move it elsewhere"
        ) from error


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Make a folder, and say which one it is that cannot be written."""
    try:
        make_directory(folder)
        yield
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written ({error}); what was not collected waits in Redis: make "
            "room, or give another folder, and run it again"
        ) from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Be the only run that changes the files of a folder.

    Raises:
        PreconditionError: another one is under way.
    """
    with (folder / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PreconditionError(
                f"{folder}: another recsvc-train collect is under way; wait for it"
            ) from None
        yield
