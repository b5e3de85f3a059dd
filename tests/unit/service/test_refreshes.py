"""Lists made again behind their callers' backs: what is done, what is left, and the end."""

import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from recsvc.errors import StoreUnavailableError
from recsvc.service import refreshes
from recsvc.service.refreshes import MAX_WAITING, N_THREADS, Refreshed, Refreshes
from tests.serving import Log, new_metrics, wait_until
from tests.stores import SetClock

PATIENCE = 20.0


class Place:
    """Refreshes, and work that goes on until it is let go."""

    def __init__(self) -> None:
        metrics, self.numbers = new_metrics()
        self.clock = SetClock(1000.0)
        self.log = Log()
        self.refreshes = Refreshes(metrics, self.log.logger, self.clock)
        self.begun: list[str] = []
        self.go = threading.Event()

    def offer(self, name: str, outcome: Refreshed = Refreshed.DONE) -> None:
        def work() -> Refreshed:
            self.begun.append(name)
            assert self.go.wait(PATIENCE)
            return outcome

        self.refreshes.offer(name, work)

    def fill(self) -> None:
        """Keep all threads busy."""
        for number in range(N_THREADS):
            self.offer(f"busy {number}")
        wait_until(lambda: len(self.begun) == N_THREADS)

    def count(self, outcome: Refreshed) -> float:
        return _count(self.numbers, outcome)

    def wait_for(self, outcome: Refreshed, number: int) -> None:
        wait_until(lambda: self.count(outcome) == number)


def _count(numbers: CollectorRegistry, outcome: Refreshed) -> float:
    return numbers.get_sample_value("recsvc_cache_refreshes_total", {"outcome": outcome}) or 0.0


@pytest.fixture
def place() -> Iterator[Place]:
    place = Place()
    yield place
    place.go.set()
    place.refreshes.stop()


def test_a_list_is_made_once_at_a_time(place: Place) -> None:
    """Who finds it due while it is being made, or waits to be, changes nothing."""
    place.fill()
    for _ in range(3):
        place.offer("busy 0")
        place.offer("next")
    place.go.set()
    place.wait_for(Refreshed.DONE, N_THREADS + 1)
    assert sorted(place.begun) == ["busy 0", "busy 1", "next"]
    place.offer("next")
    place.wait_for(Refreshed.DONE, N_THREADS + 2)


def test_no_more_wait_than_there_is_room_for(place: Place) -> None:
    """The others are brought again by whoever asks next."""
    place.fill()
    for number in range(MAX_WAITING + 3):
        place.offer(f"{number}")
    assert place.count(Refreshed.DROPPED) == 3
    place.go.set()
    place.wait_for(Refreshed.DONE, N_THREADS + MAX_WAITING)


def test_what_has_waited_long_is_let_go_of(place: Place) -> None:
    """Whoever asked for it is long gone, and what was true then may be no more."""
    place.fill()
    place.offer("old")
    place.clock.now += refreshes.WAITING_SECONDS + 0.1
    place.go.set()
    place.wait_for(Refreshed.DROPPED, 1)
    assert "old" not in place.begun


@pytest.mark.parametrize("outcome", [Refreshed.ELSEWHERE, Refreshed.FAILED])
def test_what_could_not_be_made_rests_a_moment(place: Place, outcome: Refreshed) -> None:
    """Or each caller's question would end in another look at who is making it."""
    place.go.set()
    place.offer("one", outcome)
    place.wait_for(outcome, 1)
    # Its thread says that it rests once it has counted it.
    wait_until(lambda: not place.refreshes._busy)  # nothing else tells
    place.offer("one", outcome)
    place.offer("other")
    place.wait_for(Refreshed.DONE, 1)
    assert place.begun == ["one", "other"]
    place.clock.now += refreshes.REST_SECONDS
    place.offer("one", outcome)
    place.wait_for(outcome, 2)


def test_few_are_remembered_to_rest(place: Place) -> None:
    """Those whose rest is over are forgotten."""
    place.go.set()
    for number in range(3 * MAX_WAITING):
        place.offer(f"{number}", Refreshed.ELSEWHERE)
        place.wait_for(Refreshed.ELSEWHERE, number + 1)
        place.clock.now += refreshes.REST_SECONDS
    assert len(place.refreshes._resting) <= MAX_WAITING  # nothing else tells


@pytest.mark.parametrize("error", [StoreUnavailableError("down"), ValueError("a fault of ours")])
def test_a_thread_outlives_what_its_work_raises(place: Place, error: Exception) -> None:
    """The log has it, and the next list is made."""

    def fails() -> Refreshed:
        raise error

    place.refreshes.offer("bad", fails)
    place.wait_for(Refreshed.FAILED, 1)
    assert place.log.lines("refresh_failed")[0]["error"] == str(error)
    place.go.set()
    for number in range(2 * N_THREADS):
        place.offer(f"{number}")
    place.wait_for(Refreshed.DONE, 2 * N_THREADS)


def test_what_no_thread_can_begin_is_let_go_of(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who found the list is given it all the same; as soon as there is a thread, it is made."""

    def fails(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", fails)  # as a process that may have no more
        place.offer("one")
    assert place.count(Refreshed.DROPPED) == 1
    place.go.set()
    place.offer("one")
    place.wait_for(Refreshed.DONE, 1)
    assert place.begun == ["one"]


def test_one_thread_does_what_a_second_cannot(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits a little longer; and the end waits only for threads that have begun."""

    def fails(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    place.offer("one")
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", fails)
        place.offer("other")
    assert place.count(Refreshed.DROPPED) == 0
    place.go.set()
    place.wait_for(Refreshed.DONE, 2)
    place.refreshes.stop()
    assert sorted(place.begun) == ["one", "other"]


def test_the_end_waits_for_what_is_being_made_and_begins_nothing(place: Place) -> None:
    """What waits is left, and so is what comes later."""
    place.fill()
    place.offer("waiting")
    stopping = threading.Thread(target=place.refreshes.stop)
    stopping.start()
    wait_until(lambda: place.refreshes._is_stopping)  # nothing else tells
    place.offer("late")
    assert stopping.is_alive()
    place.go.set()
    stopping.join(PATIENCE)
    assert sorted(place.begun) == ["busy 0", "busy 1"]
    assert place.count(Refreshed.DONE) == N_THREADS
    assert place.refreshes._waiting == {}
