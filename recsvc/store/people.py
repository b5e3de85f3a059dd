"""What callers have set of customers, in Redis."""

import json
import math
from collections.abc import Callable
from typing import Any

from redis.client import Pipeline

from recsvc.core.places import Location
from recsvc.errors import DamagedError, ErasedMeanwhileError
from recsvc.service.ports import Person
from recsvc.store.erasure import is_late
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema

_PLACE = ("store_id", "postal_code", "cell", "subdivision_code", "country_code")


class RedisPeople:
    """``People`` that all processes of a deployment share.

    Args:
        guarded: the client.
        keys: the key schema of this shop.
        changed: told of each customer (a hash) of whom something else holds; other processes hear
            of it through Redis, this one at once.
    """

    def __init__(
        self,
        guarded: GuardedRedis,
        keys: KeySchema,
        changed: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._redis = guarded
        self._keys = keys
        self._changed = changed

    def get(self, customer: str, deadline: float = math.inf) -> Person:
        """Return what was set, an empty person where nothing was."""
        key = self._keys.person(customer)
        return read_person(self._redis.ask(lambda: self._redis.client.get(key), deadline))

    def put(
        self, customer: str, person: Person, before: Person | None = None, *, heeds: int
    ) -> bool:
        """Keep a person, in place of any earlier one, or of ``before`` alone."""
        key, text = self._keys.person(customer), _text(person)
        mark = self._keys.erased(customer)

        def swap(pipeline: Pipeline) -> bool:
            # Where another changes it between the two, or erases them, this is tried again.
            if is_late(pipeline.get(mark), heeds):
                raise ErasedMeanwhileError("the customer was erased meanwhile; nothing was kept")
            if before is not None and read_person(pipeline.get(key)) != before:
                return False
            pipeline.multi()
            pipeline.set(key, text)
            pipeline.publish(self._keys.changed, customer)
            return True

        kept: Any = self._redis.ask(
            lambda: self._redis.client.transaction(swap, key, mark, value_from_callable=True)  # type: ignore[arg-type]  # what it returns is given back
        )
        self._changed(customer)
        return bool(kept)


def _text(person: Person) -> str:
    document = {
        "home": {n: value for n in _PLACE if (value := getattr(person.home, n))},
        "segments": person.segments,
        "visitors": person.visitor_ids,
        "updated": person.updated,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def read_person(found: Any) -> Person:  # noqa: ANN401  # redis-py's answer
    """Read what lies under a person's key, an empty person where nothing does.

    Raises:
        DamagedError: it cannot be read.
    """
    if found is None:
        return Person()
    try:
        document = json.loads(found)
        return Person(
            home=Location(**document["home"]),
            segments=tuple(document["segments"]),
            visitor_ids=tuple(document["visitors"]),
            updated=float(document["updated"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"what is kept of a customer is damaged ({error})") from error
