"""A Redis client whose every failure is one error, and whose callers never queue for the dead."""

import math
import time
from collections.abc import Callable
from typing import TypeVar

import redis

from recsvc.errors import StoreUnavailableError, UnansweredError
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.waits import waiting_until

_T = TypeVar("_T")
_LATE = "DEADLINE_EXCEEDED"


class GuardedRedis:
    """Runs commands past a circuit breaker.

    Args:
        client: from ``connection.connect``; answers in bytes.
        breaker: turns callers away while Redis is down; one for all users of ``client``.
        monotonic: monotonic seconds, those of every ``deadline``.
    """

    def __init__(
        self,
        client: redis.Redis,
        breaker: CircuitBreaker,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self._breaker = breaker
        self._monotonic = monotonic
        usual = client.connection_pool.connection_kwargs.get("socket_timeout")
        self._usual_seconds = math.inf if usual is None else float(usual)

    @property
    def available(self) -> bool:
        """Whether the last calls were answered; costs no I/O."""
        return not self._breaker.is_open

    def ask(self, command: Callable[[], _T], deadline: float = math.inf) -> _T:
        """Run a command that uses the client.

        Args:
            command: asks Redis.
            deadline: monotonic seconds when its caller stops waiting; whatever the client's
                time-out, nobody waits longer. Who must know the outcome gives none.

        Raises:
            UnansweredError: Redis did not answer in time, or has gone; where the time was the
                caller's, DEADLINE_EXCEEDED.
            StoreUnavailableError: it was not asked, as it is down, or no time was left
                (DEADLINE_EXCEEDED); or it has refused.
        """
        if deadline == math.inf:
            return self._ask(command)
        began = self._monotonic()
        if began >= deadline:
            raise StoreUnavailableError("the caller's deadline has passed", reason=_LATE)
        with waiting_until(deadline):
            return self._ask(command, began, deadline)

    def _ask(self, command: Callable[[], _T], began: float = 0.0, deadline: float = math.inf) -> _T:
        if not self._breaker.allow():
            raise StoreUnavailableError("Redis is down; it is tried again within a second")
        try:
            answer = command()
        except redis.ResponseError as error:
            # It answered, if only to refuse (out of memory, read-only replica): it is not down.
            self._breaker.record_success()
            raise StoreUnavailableError(f"Redis refused: {error}") from error
        except (redis.RedisError, OSError) as error:
            if self._monotonic() < deadline:
                self._breaker.record_failure()
                raise UnansweredError(f"Redis did not answer: {error}") from error
            self._breaker.record_given_up(began, self._usual_seconds)
            raise UnansweredError(
                "the caller's deadline passed before Redis answered", reason=_LATE
            ) from error
        self._breaker.record_success()
        return answer
