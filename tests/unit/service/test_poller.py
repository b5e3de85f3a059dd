"""A thread that does one thing again and again."""

import threading
import time
import weakref

from recsvc.service.poller import Poller
from tests.serving import Log, wait_until

LOG = Log()


class Work:
    """Counts how often it was done, and by which threads."""

    def __init__(self) -> None:
        self.n_times = 0
        self.threads: set[str] = set()

    def __call__(self) -> None:
        self.threads.add(threading.current_thread().name)
        self.n_times += 1


def test_work_is_done_again_and_again_until_it_is_stopped() -> None:
    """By a thread of the given name, which is gone then."""
    work = Work()
    poller = Poller("a-poller", LOG.logger)
    poller.start(work, 0.005)
    wait_until(lambda: work.n_times >= 3)
    poller.stop()
    n_times = work.n_times
    time.sleep(0.03)
    assert work.n_times == n_times
    assert work.threads == {"a-poller"}
    assert "a-poller" not in {thread.name for thread in threading.enumerate()}


def test_the_first_call_waits_for_an_interval_unless_told_otherwise() -> None:
    """What was done just before the start need not be done at once; stopping waits for neither."""
    later, now = Work(), Work()
    pollers = [Poller("later", LOG.logger), Poller("now", LOG.logger)]
    pollers[0].start(later, 1_000.0)
    pollers[1].start(now, 1_000.0, at_once=True)
    wait_until(lambda: now.n_times == 1)
    for poller in pollers:
        poller.stop()
    assert (later.n_times, now.n_times) == (0, 1)


def test_a_call_that_is_running_is_waited_for() -> None:
    """Who has stopped a poller may take away what its work needs."""
    begun, may_end = threading.Event(), threading.Event()
    ended: list[bool] = []

    def work() -> None:
        begun.set()
        may_end.wait(20)
        ended.append(True)

    poller = Poller("slow", LOG.logger)
    poller.start(work, 1_000.0, at_once=True)
    assert begun.wait(20)
    stopping = threading.Thread(target=poller.stop)
    stopping.start()
    stopping.join(0.02)
    assert stopping.is_alive()
    may_end.set()
    stopping.join()
    assert ended == [True]


def test_who_never_started_can_stop() -> None:
    """A worker whose start failed stops like any other."""
    Poller("never", LOG.logger).stop()


def test_work_that_fails_is_tried_again() -> None:
    """What went wrong is in the log, and the thread lives on."""
    log = Log()
    turns: list[int] = []

    def work() -> None:
        turns.append(len(turns))
        if len(turns) == 1:
            raise ValueError("not this time")

    poller = Poller("brave", log.logger)
    poller.start(work, 0.001)
    wait_until(lambda: len(turns) > 1)
    poller.stop()
    (line,) = log.lines("background_work_failed")
    assert line["thread"] == "brave"
    assert "not this time" in line["exception"]


def test_who_is_forgotten_lets_go_of_all_at_once() -> None:
    """Without waiting for the collector of circles: a model's files stay open until then."""

    class Owner:
        def __init__(self) -> None:
            self.poller = Poller("owned", LOG.logger)

        def work(self) -> None:
            pass

    owner = Owner()
    seen = weakref.ref(owner)
    owner.poller.start(owner.work, 1_000.0)
    owner.poller.stop()
    del owner
    assert seen() is None
