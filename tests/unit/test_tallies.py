"""Numbers that wait to be written."""

import math
import threading
import time
from collections.abc import Sequence
from contextlib import nullcontext

import pytest

from recsvc.tallies import Tallies
from tests.serving import wait_until


def test_numbers_are_written_at_once_where_nobody_lingers() -> None:
    """Before, and again afterwards."""
    tallies, written = Tallies(), list[float]()
    tally = tallies.tally(written.extend)
    tally.add()
    assert written == [1]
    with tallies.lingering():
        pass
    tally.add(2.5)
    assert written == [1, 2.5]


def test_numbers_that_wait_are_written_together() -> None:
    """In their order, after a moment; what still waits at the end is written then."""
    tallies, written = Tallies(), list[Sequence[float]]()
    tally = tallies.tally(written.append)
    with tallies.lingering():
        for number in range(1_000):
            tally.add(number)
        wait_until(lambda: sum(map(len, written)) == 1_000)
        assert len(written) < 100
        tally.add(-1)
    assert [number for numbers in written for number in numbers] == [*range(1_000), -1]


def test_what_comes_after_writing_is_done_at_once_and_again_and_again() -> None:
    """Whether there was anything to write or not, and for the last time at the end."""
    tallies, done = Tallies(), list[float]()
    tally = tallies.tally(done.extend)
    tally.add(1)
    with tallies.lingering(lambda: done.append(0)):
        assert done == [1, 0]
        wait_until(lambda: len(done) > 3)
        tally.add(2)
    assert done[-2:] == [2, 0]
    tally.add(3)
    assert done[-1] == 3


def test_of_a_total_only_the_sum_is_written() -> None:
    """And nothing where it is nothing."""
    tallies, written = Tallies(), list[float]()
    total = tallies.total(written.append)
    with tallies.lingering():
        total.add(1)
        total.add(-1)
    assert written == []
    with tallies.lingering():
        total.add(2)
        total.add(3)
    assert sum(written) == 5


@pytest.mark.parametrize("lingers", [True, False])
def test_one_thread_writes_at_a_time(lingers: bool) -> None:  # noqa: FBT001  # pytest's way
    """And loses nothing of what others add meanwhile."""
    tallies, written, n_writing = Tallies(), list[float](), 0

    def write(number: float) -> None:
        nonlocal n_writing
        n_writing += 1
        most = n_writing
        time.sleep(0.0005)  # time for a second writer to come in between
        n_writing -= 1
        written.append(number if most == 1 else math.nan)

    total = tallies.total(write)

    def work() -> None:
        for _ in range(100):
            total.add()

    with tallies.lingering() if lingers else nullcontext():
        _run([threading.Thread(target=work) for _ in range(4)])
    assert sum(written) == 400


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nothing_waits_where_numbers_cannot_be_written() -> None:
    """Whoever adds one is told, and memory is not filled."""
    tallies = Tallies()

    def refuse(_: float) -> None:
        raise OSError("no room")

    total = tallies.total(refuse)
    with tallies.lingering():
        total.add()
        wait_until(lambda: not tallies.lingers)
        with pytest.raises(OSError, match="no room"):
            total.add()


def _run(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
