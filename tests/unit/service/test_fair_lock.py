"""A lock that is handed on in order."""

import threading
import time

import pytest

from recsvc.service.fair_lock import FairLock
from tests.serving import wait_until

PATIENCE = 20.0


@pytest.fixture
def lock() -> FairLock:
    return FairLock()


def test_one_holds_it_at_a_time(lock: FairLock) -> None:
    assert lock.acquire(0.0)
    assert not lock.acquire(0.0)
    assert not lock.acquire(0.001)
    lock.release()
    assert lock.acquire(0.0)


class Queue:
    """Threads that wait for a lock, one after another, and say when they have had it."""

    def __init__(self, lock: FairLock, n_waiting: int) -> None:
        self._lock = lock
        self.had: list[int] = []
        self.threads = []
        for number in range(n_waiting):
            thread = threading.Thread(target=self._wait, args=(number,))
            thread.start()
            self.threads.append(thread)
            wait_until(lambda: len(lock._waiting) == len(self.threads))  # nothing else tells

    def _wait(self, number: int) -> None:
        assert self._lock.acquire(PATIENCE)
        self.had.append(number)
        self._lock.release()

    def join(self) -> None:
        for thread in self.threads:
            thread.join(PATIENCE)


def test_who_has_waited_longest_has_it_next(lock: FairLock) -> None:
    assert lock.acquire(0.0)
    queue = Queue(lock, 5)
    lock.release()
    queue.join()
    assert queue.had == [0, 1, 2, 3, 4]


def test_who_gives_it_back_does_not_get_before_those_who_wait(lock: FairLock) -> None:
    """However soon: a lock of the library would be theirs again."""
    assert lock.acquire(0.0)
    queue = Queue(lock, 2)
    lock.release()
    assert lock.acquire(PATIENCE)
    assert queue.had == [0, 1]
    queue.join()


def test_who_has_given_up_is_passed_over(lock: FairLock) -> None:
    assert lock.acquire(0.0)
    impatient = threading.Thread(target=lock.acquire, args=(0.05,))
    impatient.start()
    assert not lock.acquire(0.06)  # before the other or behind them
    impatient.join(PATIENCE)
    assert not lock._waiting
    lock.release()
    assert lock.acquire(0.0)


def test_many_lose_and_share_nothing(lock: FairLock) -> None:
    """Some with hardly any patience: none holds it beside another, and it is free in the end."""
    n_inside, most = 0, 0
    had = threading.Semaphore(0)

    def work(timeout: float) -> None:
        nonlocal n_inside, most
        for _ in range(200):
            if lock.acquire(timeout):
                n_inside += 1
                most = max(most, n_inside)
                time.sleep(0)  # let others run
                n_inside -= 1
                lock.release()
                had.release()

    threads = [threading.Thread(target=work, args=(n * 1e-5,)) for n in (0, 1, 2, 5, 10, 1e6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads)
    assert most == 1
    assert had.acquire(blocking=False)
    assert lock.acquire(0.0)
