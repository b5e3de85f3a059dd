"""The stores of every adapter; Redis is a real embedded Valkey."""

from collections.abc import Iterator

import pytest
import redis

from tests.shoppers import T0
from tests.stores import SetClock, Stores, in_memory, in_redis, valkey_client


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    with valkey_client(tmp_path_factory.mktemp("valkey")) as client:
        yield client


@pytest.fixture
def clock() -> SetClock:
    return SetClock(T0)


@pytest.fixture(params=["memory", "redis"])
def stores(request: pytest.FixtureRequest, clock: SetClock) -> Stores:
    if request.param == "memory":
        return in_memory(clock)
    return in_redis(request.getfixturevalue("client"), clock)
