"""The threads that work on calls, and how many calls they hold."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from queue import SimpleQueue
from typing import Any, TypeAlias

from recsvc.logs import Logger

MAX_STREAMS = 64
"""A stream holds a thread for as long as its caller likes. On the threads of the other calls a
few callers who say nothing would keep everybody else waiting, so streams have their own."""

_Task: TypeAlias = "tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]"


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
    """

    def __init__(self, max_workers: int, logger: Logger) -> None:
        self._max_workers = max_workers
        self._logger = logger
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._n_held = 0
        # gRPC only counts by them what it holds, for a limit that is not set: the interceptor has
        # one that can say when to come again.
        self._taken: Future[Any] = Future()
        self._taken.set_result(None)

    @property
    def n_held(self) -> int:
        """Calls that run or wait for a thread."""
        return self._n_held

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` when a thread is free; what is returned says only that it was taken."""
        with self._lock:
            self._n_held += 1
            if len(self._threads) < min(self._n_held, self._max_workers):
                self._begin_thread()
        self._tasks.put((fn, args, kwargs))
        return self._taken

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002  # the base class's
        """End the threads once they have done what was submitted before; submit nothing after."""
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _begin_thread(self) -> None:
        name = f"grpc_{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        with _as_far_as_there_are_threads():
            thread.start()
            self._threads.append(thread)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            fn, args, kwargs = task
            try:
                fn(*args, **kwargs)
            except Exception as error:  # a thread that ended would leave one less for good
                self._logger.exception("call_failed", error=str(error))
            # Or it would hold on to the last call while it waits for the next one.
            del task, fn, args, kwargs
            with self._lock:
                self._n_held -= 1


class StreamExecutor(ThreadPoolExecutor):
    """The threads of streams; gRPC takes a pool of its own for a method only of this kind.

    It has one thread more than there may be streams, so that there is always one to refuse with.
    """

    def __init__(self) -> None:
        super().__init__(MAX_STREAMS + 1, thread_name_prefix="streams")
        self._count_lock = threading.Lock()
        self._n_held = 0
        self._n_idle = 0

    @property
    def n_held(self) -> int:
        """Streams that run or wait for a thread."""
        return self._n_held

    @property
    def n_busy(self) -> int:
        """Those of them that do not wait for their own callers."""
        return self._n_held - self._n_idle

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

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run ``fn`` when a thread is free."""
        with self._count_lock:
            self._n_held += 1
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._done)
        return future

    def _adjust_thread_count(self) -> None:
        with _as_far_as_there_are_threads():
            super()._adjust_thread_count()

    def _done(self, _future: Future[Any]) -> None:
        with self._count_lock:
            self._n_held -= 1
