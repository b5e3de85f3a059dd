"""A Redis client whose every failure is one error, and whose callers never queue for the dead."""

from collections.abc import Callable
from typing import TypeVar

import redis

from recsvc.errors import StoreUnavailableError, UnansweredError
from recsvc.store.breaker import CircuitBreaker

_T = TypeVar("_T")


class GuardedRedis:
    """Runs commands past a circuit breaker.

    Args:
        client: from ``connection.connect``; answers in bytes.
        breaker: turns callers away while Redis is down; one for all users of ``client``.
    """

    def __init__(self, client: redis.Redis, breaker: CircuitBreaker) -> None:
        self.client = client
        self._breaker = breaker

    @property
    def available(self) -> bool:
        """Whether the last calls were answered; costs no I/O."""
        return not self._breaker.is_open

    def ask(self, command: Callable[[], _T]) -> _T:
        """Run a command that uses the client.

        Raises:
            UnansweredError: Redis did not answer in time, or has gone.
            StoreUnavailableError: it was not asked, as it is down, or has refused.
        """
        if not self._breaker.allow():
            raise StoreUnavailableError("Redis is down; it is tried again within a second")
        try:
            answer = command()
        except redis.ResponseError as error:
            # It answered, if only to refuse (out of memory, read-only replica): it is not down.
            self._breaker.record_success()
            raise StoreUnavailableError(f"Redis refused: {error}") from error
        except (redis.RedisError, OSError) as error:
            self._breaker.record_failure()
            raise UnansweredError(f"Redis did not answer: {error}") from error
        self._breaker.record_success()
        return answer
