"""A Redis: an embedded Valkey that the tests of a module share."""

import uuid
from collections.abc import Iterator

import pytest
import redis

from recsvc.store.breaker import CircuitBreaker
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from tests.stores import valkey_client
from tests.unit.store.event_shop import Shop, shop_of


@pytest.fixture(scope="module")
def shared_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    with valkey_client(tmp_path_factory.mktemp("valkey")) as client:
        yield client


@pytest.fixture
def guarded(shared_client: redis.Redis) -> GuardedRedis:
    return GuardedRedis(shared_client, CircuitBreaker())


@pytest.fixture
def keys() -> KeySchema:
    # A namespace of its own stands in for an empty server.
    return KeySchema(f"test-{uuid.uuid4().hex}")


@pytest.fixture
def shop(guarded: GuardedRedis, keys: KeySchema) -> Shop:
    return shop_of(guarded, keys)
