"""The threads that work on calls, and how many calls they hold."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from queue import SimpleQueue
from typing import Any, TypeAlias

from recsvc.logs import Logger
from recsvc.server.arrivals import Arrivals
from recsvc.server.backlog import Backlog
from recsvc.server.patience import Patience

MAX_STREAMS = 64
"""A stream holds a thread for as long as its caller likes. On the threads of the other calls a
few callers who say nothing would keep everybody else waiting, so streams have their own."""

LANE_CALLS = 8
"""Each takes some hundred microseconds, where it is let run; given what sells, a millisecond or two
for each list."""

END_SECONDS = 3.0
"""So long at most the end waits for calls that were cut off and go on, all together. Their threads
are left behind: all else that a process has to do at its end is worth more, and comes before it is
killed."""

_Task: TypeAlias = "tuple[float, Callable[..., Any], tuple[Any, ...], dict[str, Any]]"
"""Since when it has waited, monotonic seconds, and what is to be done."""


class _CallThread(threading.Thread):
    """A thread that works on calls.

    Args:
        work: what it does, told of the thread.
        name: its name.

    Attributes:
        waited_seconds: how long the call that it works on had waited for it.
    """

    def __init__(self, work: "Callable[[_CallThread], None]", name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.waited_seconds = 0.0
        self._work = work

    def run(self) -> None:
        self._work(self)


def waited_seconds() -> float:
    """How long the call that this thread works on had waited for it; 0 on other threads."""
    thread = threading.current_thread()
    return thread.waited_seconds if isinstance(thread, _CallThread) else 0.0


def _as_far_as_there_are_threads() -> AbstractContextManager[None]:
    """Go on where the process may have no more: a call waits for another, or for the next try.

    Raised, it would end the thread with which gRPC takes all calls in.
    """
    return suppress(RuntimeError)


class CallExecutor(Executor):
    """The threads of calls with one message each way.

    A pool of the library makes a future for each call, with a lock and a condition of its own, and
    ends it under gRPC's lock, where all threads meet. Nobody waits for these futures.

    Args:
        max_workers: threads at most; each begins when it is needed.
        logger: told of what a call raises past gRPC.
        arrivals: waits for the messages of calls; None, its threads do.
        name: of its threads, each with a number.

    Attributes:
        backlog: what it holds.
    """

    def __init__(
        self,
        max_workers: int,
        logger: Logger,
        arrivals: Arrivals | None = None,
        *,
        name: str = "grpc",
    ) -> None:
        self._name = name
        self._max_workers = max_workers
        self._logger = logger
        self._arrivals = arrivals
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads: list[_CallThread] = []
        self._lock = threading.Lock()
        self.backlog = Backlog(max_workers)
        # gRPC only counts by them what it holds, for a limit that is not set: the interceptor has
        # one that can say when to come again.
        self._taken: Future[Any] = Future()
        self._taken.set_result(None)

    @property
    def n_held(self) -> int:
        """Calls that run or wait for a thread."""
        return self.backlog.n_held

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` when a thread is free; what is returned says only that it was taken.

        A call for which gRPC would wait there is not held before its message has come.
        """
        if self._arrivals is None or not self._arrivals.expect(fn, args, self._take):
            self._take(fn, *args, **kwargs)
        return self._taken

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  # the base class's
        """As :meth:`stop`, as gRPC and the library know it.

        Args:
            wait: whether for them, :data:`END_SECONDS` at most.
            cancel_futures: makes no difference: nobody waits for what was submitted.
        """
        self.stop(END_SECONDS if wait else 0.0)

    def stop(self, wait_seconds: float = END_SECONDS) -> None:
        """End the threads once they have done what was submitted before; submit nothing after.

        They are waited for so long at most; what is still held then is left behind.
        """
        for _ in self._threads:
            self._tasks.put(None)
        end = time.monotonic() + wait_seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _take(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> None:
        with self._lock:
            self.backlog.begin()
            if len(self._threads) < min(self.backlog.n_held, self._max_workers):
                self._begin_thread()
        self._tasks.put((time.monotonic(), fn, args, kwargs))

    def _begin_thread(self) -> None:
        name = f"{self._name}_{len(self._threads)}"
        thread = _CallThread(self._work, name)
        with _as_far_as_there_are_threads():
            thread.start()
            self._threads.append(thread)

    def _work(self, thread: _CallThread) -> None:
        while (task := self._tasks.get()) is not None:
            since, fn, args, kwargs = task
            thread.waited_seconds = time.monotonic() - since
            try:
                fn(*args, **kwargs)
            except Exception as error:  # a thread that ended would leave one less for good
                self._logger.exception("call_failed", error=str(error))
            # Or it would hold on to the last call while it waits for the next one.
            del task, fn, args, kwargs
            with self._lock:
                self.backlog.end()


class AtOnce(ThreadPoolExecutor):
    """No threads at all: what is submitted is done before :meth:`submit` returns.

    For what takes no time and waits for nothing, on the thread with which gRPC takes all calls in.
    It is of this kind because gRPC takes a pool of its own for a method only of this kind.
    """

    def __init__(self) -> None:
        super().__init__(1)  # which begins no thread before something is submitted to it
        self._taken: Future[Any] = Future()
        self._taken.set_result(None)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` now; what is returned says only that it was run."""
        fn(*args, **kwargs)
        return self._taken


class Lane(ThreadPoolExecutor):
    """Threads beside those of the calls: one for what would wait for them and need not.

    Or as many as they are, for what would hold them up: who waits for a store to write, seconds
    where that hangs, must not keep those waiting who can do without it.

    It is of this kind because gRPC takes a pool of its own for a method only of this kind, but has
    none of its threads: the interpreter would wait for those at its end, however long they hang.

    Args:
        logger: told of what a call raises past gRPC.
        n_threads: at most; each begins when it is needed.
        arrivals: waits for the messages of calls; None, the threads do.
        name: of its threads, each with a number.
    """

    def __init__(
        self,
        logger: Logger,
        n_threads: int = 1,
        arrivals: Arrivals | None = None,
        *,
        name: str = "grpc",
    ) -> None:
        super().__init__(1)  # which begins no thread before something is submitted to it
        self._calls = CallExecutor(n_threads, logger, arrivals, name=name)

    @property
    def n_held(self) -> int:
        """Calls that run or wait for a thread."""
        return self._calls.n_held

    @property
    def is_full(self) -> bool:
        """Whether so many wait already that nobody should wait here."""
        return self.n_held >= LANE_CALLS

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` after those before it."""
        return self._calls.submit(fn, *args, **kwargs)

    def stop(self, wait_seconds: float = END_SECONDS) -> None:
        """End the threads, as :meth:`CallExecutor.stop`."""
        self._calls.stop(wait_seconds)


class StreamExecutor(Lane):
    """The threads of streams.

    It has one thread more than there may be streams, so that there is always one to refuse with.

    Args:
        patience: ends streams whose callers do nothing.
        logger: told of what a stream raises past gRPC.

    Attributes:
        patience: likewise.
    """

    def __init__(self, patience: Patience, logger: Logger) -> None:
        super().__init__(logger, MAX_STREAMS + 1, name="streams")
        self.patience = patience
        self._count_lock = threading.Lock()
        self._n_idle = 0

    @property
    def n_busy(self) -> int:
        """Streams that do not wait for their own callers, to ask or to read."""
        return self.n_held - self._n_idle - self.patience.n_unread

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Wait for a caller, in a stream that this pool holds."""
        with self._count_lock:
            self._n_idle += 1
        try:
            yield
        finally:
            with self._count_lock:
                self._n_idle -= 1
