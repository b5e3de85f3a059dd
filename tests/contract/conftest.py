"""The stores of every adapter; Redis is a real embedded Valkey."""

from collections.abc import Iterator

import pytest
import redis

from recsvc.store.connection import connect
from tests.shoppers import T0
from tests.stores import SetClock, Stores, in_memory, in_redis, running_valkey


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    with (
        running_valkey(tmp_path_factory.mktemp("valkey")) as server,
        # A busy machine may take its time: what the time-out does is tested elsewhere.
        connect(server.url, socket_timeout_seconds=5.0) as client,
    ):
        yield client


@pytest.fixture
def clock() -> SetClock:
    return SetClock(T0)


@pytest.fixture(params=["memory", "redis"])
def stores(request: pytest.FixtureRequest, clock: SetClock) -> Stores:
    if request.param == "memory":
        return in_memory(clock)
    return in_redis(request.getfixturevalue("client"), clock)
