"""Messages of a stream in groups."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest

from recsvc.server.gathering import MAX_WAITING_BYTES, Gathered
from tests.serving import wait_until

SECONDS = 20.0


class Source:
    """A stream whose next message comes when it is told to, and which says how far it was read."""

    def __init__(self, error: Exception | None = None) -> None:
        self.gate = threading.Semaphore(0)
        self.n_asked = 0
        self.asked = threading.Condition()
        self._error = error

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        with self.asked:
            self.n_asked += 1
            self.asked.notify_all()
        assert self.gate.acquire(timeout=SECONDS)
        if self._error is not None:
            raise self._error
        return self.n_asked

    def wait_for(self, n_asked: int) -> None:
        with self.asked:
            assert self.asked.wait_for(lambda: self.n_asked >= n_asked, SECONDS)


class Idle:
    n_times = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.n_times += 1
        yield


def nothing(_message: int) -> int:
    return 0


def gathered(
    messages: Iterator[int],
    at_most: int,
    size: Callable[[int], int] = nothing,
    *,
    idle: Idle | None = None,
    idle_seconds: float = SECONDS,
) -> Gathered[int]:
    return Gathered(
        messages, at_most, size, idle or Idle(), idle_seconds, lambda: ValueError("idle")
    )


def test_a_group_is_what_has_come_meanwhile() -> None:
    """Nobody waits for more than the first, and no more are read than there is room for."""
    source, idle = Source(), Idle()
    groups = gathered(source, 3, idle=idle)
    source.gate.release(1)
    source.wait_for(2)
    assert next(groups) == [1]
    source.gate.release(10)
    wait_until(lambda: len(groups._waiting) == 3)
    assert source.n_asked == 4  # the next one stays where it is
    assert next(groups) == [2, 3, 4]
    assert idle.n_times == 2
    groups.close()


def test_the_end_comes_after_what_waits() -> None:
    """All that was sent is given first."""
    assert [each for group in gathered(iter(range(7)), 2) for each in group] == [*range(7)]


def test_a_stream_that_breaks_off_says_so_to_its_reader() -> None:
    """In the thread that works on it."""
    source = Source(grpc.RpcError("gone"))
    groups = gathered(source, 3)
    source.gate.release()
    with pytest.raises(grpc.RpcError, match="gone"):
        next(groups)


def test_who_is_closed_reads_no_further() -> None:
    """The thread ends, though there is no room, and the groups with it."""
    source = Source()
    source.gate.release(10)
    groups = gathered(source, 2)
    wait_until(lambda: len(groups._waiting) == 2)
    groups.close()
    (reader,) = [each for each in threading.enumerate() if each.name == "stream-reader"]
    reader.join(SECONDS)
    assert not reader.is_alive()
    assert next(groups) == [1, 2]
    with pytest.raises(StopIteration):
        next(groups)


def test_large_messages_wait_outside() -> None:
    """As many bytes are read ahead as there is room for, and the rest of one message at most."""
    source = Source()
    groups = gathered(source, 100, lambda _: MAX_WAITING_BYTES // 2)
    source.gate.release(10)
    for group in ([1, 2], [3, 4]):
        wait_until(lambda: len(groups._waiting) == 2)
        assert source.n_asked == group[-1]
        assert next(groups) == group
    groups.close()


def test_nothing_for_too_long_is_an_error() -> None:
    """And what has come before it is given."""
    source = Source()
    groups = gathered(source, 3, idle_seconds=0.01)
    source.gate.release()
    source.wait_for(2)
    assert next(groups) == [1]
    with pytest.raises(ValueError, match="idle"):
        next(groups)
    groups.close()
    source.gate.release()  # the reader ends
