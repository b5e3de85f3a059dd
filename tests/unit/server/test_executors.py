"""The threads that work on calls."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from recsvc.server.executors import (
    LANE_CALLS,
    AtOnce,
    CallExecutor,
    Lane,
    StreamExecutor,
    waited_seconds,
)
from recsvc.server.patience import Patience
from tests.serving import Log, new_metrics, wait_until


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def executor(log: Log) -> Iterator[CallExecutor]:
    executor = CallExecutor(2, log.logger)
    yield executor
    executor.shutdown()


def new_streams() -> StreamExecutor:
    return StreamExecutor(Patience(60.0, new_metrics()[0]), Log().logger)


def test_it_counts_what_it_holds(executor: CallExecutor) -> None:
    """Those that wait for a thread too."""
    gate, n_begun = threading.Event(), threading.Semaphore(0)

    def wait() -> None:
        n_begun.release()
        gate.wait()

    for _ in range(3):
        executor.submit(wait)
    assert executor.n_held == 3
    assert [n_begun.acquire(timeout=10) for _ in range(2)] == [True, True]
    assert not n_begun.acquire(blocking=False)  # there are two threads
    gate.set()
    wait_until(lambda: executor.n_held == 0)


def test_a_call_knows_how_long_it_has_waited(executor: CallExecutor) -> None:
    """For a thread; who has not waited for one has waited for nothing."""
    gate, waited = threading.Event(), list[float]()
    for _ in range(2):
        executor.submit(gate.wait)
    began = time.monotonic()
    executor.submit(lambda: waited.append(waited_seconds()))
    gate.wait(0.05)
    least = time.monotonic() - began
    gate.set()
    executor.shutdown()
    assert least <= waited[0] <= time.monotonic() - began
    assert waited_seconds() == 0


def test_what_was_submitted_is_done_before_it_ends(executor: CallExecutor) -> None:
    done: list[int] = []
    for number in range(100):
        executor.submit(done.append, number)
    executor.shutdown()
    assert sorted(done) == [*range(100)]


def test_it_can_be_told_to_end_without_waiting(executor: CallExecutor) -> None:
    gate = threading.Event()
    executor.submit(gate.wait)
    executor.shutdown(wait=False)
    assert executor.n_held == 1
    gate.set()


def test_a_call_that_fails_costs_no_thread(executor: CallExecutor, log: Log) -> None:
    """It is told of, and the next ones are worked on."""
    for text in ("x", "y", "z"):
        executor.submit(int, text)
    done = threading.Event()
    executor.submit(done.set)
    assert done.wait(10)
    wait_until(lambda: executor.n_held == 0)
    assert len(log.lines("call_failed")) == 3


def test_who_submits_is_told_at_once_that_it_was_taken(executor: CallExecutor) -> None:
    """Not when it has ended: gRPC would wait there for its own lock."""
    gate, told = threading.Event(), threading.Event()
    executor.submit(gate.wait).add_done_callback(lambda _: told.set())
    assert told.is_set()
    gate.set()


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Until it is undone the process may have no more threads."""

    def fails(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fails)
        yield patch


def test_a_call_that_no_thread_can_begin_for_is_worked_on_by_the_next_one(
    executor: CallExecutor, full: pytest.MonkeyPatch
) -> None:
    """Raised, it would end what takes calls in; and the end waits only for threads that began."""
    done: list[str] = []
    executor.submit(done.append, "one")
    full.undo()
    executor.submit(done.append, "other")
    executor.shutdown()
    assert sorted(done) == ["one", "other"]
    assert executor.n_held == 0


def test_it_can_end_where_no_thread_has_begun(
    executor: CallExecutor, full: pytest.MonkeyPatch
) -> None:
    executor.submit(print)
    full.undo()
    executor.shutdown()
    assert executor.n_held == 1


def test_a_stream_that_no_thread_can_begin_for_is_worked_on_by_the_next_one(
    full: pytest.MonkeyPatch,
) -> None:
    streams, done = new_streams(), list[str]()
    streams.submit(done.append, "one")
    full.undo()
    streams.submit(done.append, "other")
    streams.stop()
    assert sorted(done) == ["one", "other"]
    assert streams.n_held == 0


def test_the_end_waits_for_no_call_that_hangs(executor: CallExecutor) -> None:
    """It is still held, by which who ends it knows what it leaves behind."""
    gate = threading.Event()
    executor.submit(gate.wait)
    executor.stop(0.05)
    assert executor.n_held == 1
    gate.set()
    executor.stop()  # however often
    assert executor.n_held == 0


def test_the_end_waits_for_no_stream_that_hangs() -> None:
    streams, gate = new_streams(), threading.Event()
    streams.submit(gate.wait)
    streams.stop(0.05)
    assert streams.n_held == 1
    gate.set()


_HANGS = """
import threading
from tests.unit.server.test_executors import new_streams
streams, begun = new_streams(), threading.Event()
streams.submit(lambda: [begun.set(), threading.Event().wait()])
assert begun.wait(10)
streams.stop(0.05)
print("at its end")
"""


def test_a_stream_that_hangs_keeps_no_process_from_its_end() -> None:
    """Those of a pool of the library would."""
    ended = subprocess.run(
        [sys.executable, "-c", _HANGS], check=True, timeout=60, stdout=subprocess.PIPE, text=True
    )
    assert ended.stdout == "at its end\n"


def test_the_end_waits_for_a_stream_that_ends() -> None:
    streams, begun, gate = new_streams(), threading.Event(), threading.Event()

    def stream() -> None:
        begun.set()
        gate.wait()

    streams.submit(stream)
    assert begun.wait(10)
    threading.Timer(0.05, gate.set).start()
    streams.stop()
    assert streams.n_held == 0


def test_what_is_done_at_once_is_done_on_the_thread_that_submits_it() -> None:
    done: list[int] = []
    assert AtOnce().submit(lambda: done.append(threading.get_ident())).done()
    assert done == [threading.get_ident()]


def test_the_lane_has_one_thread_and_little_room(log: Log) -> None:
    lane, gate = Lane(log.logger), threading.Event()
    names: list[str] = []

    def work() -> None:
        gate.wait()
        names.append(threading.current_thread().name)

    for _ in range(LANE_CALLS):
        assert not lane.is_full
        lane.submit(work)
    assert lane.is_full
    gate.set()
    lane.stop()
    assert (len(names), len(set(names)), lane.n_held) == (LANE_CALLS, 1, 0)
