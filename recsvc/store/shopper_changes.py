"""Who has done something, as all processes tell each other through Redis.

Whoever writes what lists of a shopper depend on publishes the shopper's hash in the same step. A
connection brings messages in order: the answer to a ``PING`` says that everything was told that was
published before it was asked.
"""

import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any, Protocol

import redis
from redis.client import PubSub

from recsvc.logs import Logger
from recsvc.service.stopping import STOP_SECONDS
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema

PING_SECONDS = 0.2
"""So often the others are asked for, and so long at least nobody tries again after an error."""

SILENT_SECONDS = 1.0
"""A connection that has not answered so long is given up."""


def check_channel(guarded: GuardedRedis, keys: KeySchema) -> None:
    """Try to listen and to tell; nobody is named.

    Raises:
        StoreUnavailableError: Redis cannot answer in time, or the user has no right to.
    """

    def try_both() -> None:
        with closing(guarded.client.pubsub()) as link:
            link.subscribe(keys.changed)
            link.parse_response()  # where Redis refuses, what it says
        guarded.client.publish(keys.changed, "")

    guarded.ask(try_both)


class Listener(Protocol):
    """Who wants to know."""

    def drop(self, shopper: str) -> None:
        """Hear that a shopper (a hash) has done something."""
        ...

    def heard(self, as_of: float) -> None:
        """Hear that everything was told that was done before ``as_of``, monotonic seconds."""
        ...

    def lost(self) -> None:
        """Hear that something may have been missed."""
        ...


class RedisShopperChanges:
    """Listens on a connection of its own, from a thread of its own.

    Args:
        client: for this alone; its timeouts bound each step.
        keys: the key schema of this shop.
        listener: told of everything.
        logger: told when the link is lost, and when it is back.
        monotonic: monotonic seconds.
    """

    def __init__(
        self,
        client: redis.Redis,
        keys: KeySchema,
        listener: Listener,
        logger: Logger,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._channel = keys.changed
        self._listener = listener
        self._logger = logger
        self._monotonic = monotonic
        self._stopping = threading.Event()
        self._is_heard = True
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen until ``stop``."""
        self._thread = threading.Thread(target=self._run, name="shopper-changes", daemon=True)
        self._thread.start()

    def stop(self, wait_seconds: float = STOP_SECONDS) -> None:
        """End; what it is at is waited for so long."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(wait_seconds)
            if self._thread.is_alive():
                return  # it still listens: the end of the process closes its connection
        self._client.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with closing(self._client.pubsub()) as link:
                    self._listen(link)
            except (redis.RedisError, OSError) as error:
                # Its words change with each attempt: down, refused, down.
                if self._is_heard:
                    self._logger.warning("changes_not_heard", error=str(error))
                self._is_heard = False
            finally:
                self._listener.lost()
            self._stopping.wait(PING_SECONDS)

    def _listen(self, link: PubSub) -> None:
        link.subscribe(self._channel)
        asked_at, is_asked, next_at = 0.0, False, 0.0
        while not self._stopping.is_set():
            now = self._monotonic()
            if not is_asked and now >= next_at:
                link.ping()
                asked_at, is_asked, next_at = now, True, now + PING_SECONDS
            elif is_asked and now - asked_at > SILENT_SECONDS:
                raise redis.TimeoutError("no answer")
            wait = PING_SECONDS if is_asked else next_at - now
            message: dict[str, Any] | None = link.get_message(timeout=max(0.0, wait))
            if message is None:
                continue
            if message["type"] == "message":
                # Anybody may say anything here; what is no text names nobody.
                self._listener.drop(message["data"].decode(errors="replace"))
            elif message["type"] == "pong":
                is_asked = False
                self._listener.heard(asked_at)
                if not self._is_heard:
                    self._logger.info("changes_heard_again")
                self._is_heard = True
