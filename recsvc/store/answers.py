"""Answers to writes by request_id, in Redis."""

import math
from typing import Any

from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema

KEPT_SECONDS = 86_400


class RedisAnswerStore:
    """An ``AnswerStore`` that all processes of a deployment share.

    Args:
        guarded: the client.
        keys: the key schema of this shop.
    """

    def __init__(self, guarded: GuardedRedis, keys: KeySchema) -> None:
        self._redis = guarded
        self._keys = keys

    def get(self, request_id: str, deadline: float = math.inf) -> bytes | None:
        """Return what was kept under a request_id, None where nothing was."""
        key = self._keys.answer(request_id)
        found: Any = self._redis.ask(lambda: self._redis.client.get(key), deadline)
        return None if found is None else bytes(found)

    def put(self, request_id: str, answer: bytes, deadline: float = math.inf) -> None:
        """Keep an answer, unless there is one."""
        key = self._keys.answer(request_id)
        self._redis.ask(
            lambda: self._redis.client.set(key, answer, ex=KEPT_SECONDS, nx=True), deadline
        )
