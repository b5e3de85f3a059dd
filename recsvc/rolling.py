"""A rolling restart: each worker makes room for a new one, once that one answers."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from recsvc.worker_process import WorkerProcess

READY_SECONDS = 300.0
"""So long a new worker may take: a large model from a slow disk. The old one serves meanwhile."""

_WHAT_TO_DO = (
    "the workers that it did not replace serve on as before: mend it, see what "
    "'recsvc doctor' says, and send SIGHUP again"
)


class EventSink(Protocol):
    """Receives what happens, as a logger's ``info`` would."""

    def __call__(self, event: str, /, **details: float | str) -> object:
        """Take one event, ``worker_exited`` for example, with its details."""
        ...


@dataclass
class RestartDelay:
    """How long to wait before a process that died is started again.

    Attributes:
        first_seconds: the first delay; each further one is twice as long.
        max_seconds: their ceiling.
        healthy_seconds: a process that was well for this long starts the series anew.
    """

    first_seconds: float = 0.1
    max_seconds: float = 5.0
    healthy_seconds: float = 30.0
    _next_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self._next_seconds = self.first_seconds

    def after(self, well_seconds: float) -> float:
        """Return the delay in seconds after a process that was well for ``well_seconds``."""
        if well_seconds >= self.healthy_seconds:
            self._next_seconds = self.first_seconds
        delay = self._next_seconds
        self._next_seconds = min(2 * delay, self.max_seconds)
        return delay


@dataclass
class Place:
    """One place for a worker process, which may be empty for the moment."""

    index: int
    process: WorkerProcess | None = None
    was_ever_ready: bool = False
    restart_at: float = 0.0
    delay: RestartDelay = field(default_factory=RestartDelay)

    @property
    def is_ready(self) -> bool:
        """Whether it is served from."""
        return self.process is not None and self.process.ready_at is not None


class Roll:
    """Replaces the processes of all places, one after another; call :meth:`tend` again and again.

    A process that does not come to answer ends the roll, and the one that it was to replace stays.

    Args:
        places: of the workers.
        start: starts a process for the place of an index.
        on_event: told of everything that happens.
        grace_seconds: longest wait for a worker to drain.
        ready_seconds: longest wait for a new one to answer.
    """

    def __init__(
        self,
        places: Iterable[Place],
        start: Callable[[int], WorkerProcess],
        on_event: EventSink,
        *,
        grace_seconds: float,
        ready_seconds: float,
    ) -> None:
        self._left = list(places)
        self._start = start
        self._on_event = on_event
        self._grace_seconds = grace_seconds
        self._ready_seconds = ready_seconds
        self._new: WorkerProcess | None = None
        self._old: WorkerProcess | None = None
        self._has_failed = False
        self._end = 0.0  # of the wait for either, monotonic seconds
        on_event("roll_started", n_workers=len(self._left))

    @property
    def processes(self) -> list[WorkerProcess]:
        """Those at no place: one that does not answer yet, or one that drains."""
        return [process for process in (self._new, self._old) if process is not None]

    @property
    def due(self) -> float:
        """When to look again at the latest, monotonic seconds."""
        return self._end

    def tend(self) -> bool:
        """Go on as far as nothing has to be waited for; False at the end."""
        if self._old is not None and not self._is_gone(self._old):
            return True
        if self._new is not None and not self._is_settled(self._new):
            return True
        if self.processes:
            return True
        if self._left:
            self._begin_with(self._left[0].index)
            return self._new is not None
        if not self._has_failed:
            self._on_event("roll_ended")
        return False

    def _begin_with(self, index: int) -> None:
        try:
            self._new = self._start(index)
        except OSError as error:
            self._stop(f"no new worker can be started ({error})", index=index)
        else:
            self._end = time.monotonic() + self._ready_seconds

    def _is_settled(self, new: WorkerProcess) -> bool:
        """Whether what a new process is worth is known; what follows from it is done."""
        if new.becomes_ready():
            self._put(new, self._left.pop(0))
        elif (code := new.exit_code()) is not None:
            self._give_up(new, f"the new worker ended before it answered, with code {code}")
        elif time.monotonic() >= self._end:
            self._give_up(new, f"the new worker did not answer within {self._ready_seconds:g} s")
        else:
            return False
        return True

    def _put(self, new: WorkerProcess, place: Place) -> None:
        """Give a place to a process that answers, and have the one before it drain."""
        self._on_event("worker_ready", index=new.index, slot=new.slot, pid=new.pid)
        self._old, place.process, self._new = place.process, new, None
        place.was_ever_ready = True
        if self._old is not None:  # else it has died meanwhile
            self._old.terminate()
            self._end = time.monotonic() + self._grace_seconds

    def _is_gone(self, old: WorkerProcess) -> bool:
        """Whether a process that drains has ended, by itself or by force."""
        code = old.exit_code()
        if code is None:
            if time.monotonic() < self._end:
                return False
            self._on_event("worker_killed", index=old.index, pid=old.pid)
            code = old.kill()
        self._on_event("worker_replaced", index=old.index, slot=old.slot, pid=old.pid, code=code)
        self._old = None
        return True

    def _give_up(self, new: WorkerProcess, why: str) -> None:
        new.kill()
        self._new = None
        why += ", and its own lines before this one may say why"
        self._stop(why, index=new.index, slot=new.slot, pid=new.pid)

    def _stop(self, why: str, **where: int) -> None:
        self._left.clear()
        self._has_failed = True
        self._on_event("roll_stopped", hint=f"{why}; {_WHAT_TO_DO}", **where)
