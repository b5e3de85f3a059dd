"""How the Redis cache fails: fast, with one error, and only as long as Redis is away."""

import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from recsvc.errors import StoreUnavailableError
from recsvc.service.cache_port import CacheKey, Claim, Claimed
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.embedded import EmbeddedValkey
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.response_cache import RedisResponseCache

KEY = CacheKey(1, "8f2e", "c41a")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path / "valkey")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def client(server: EmbeddedValkey) -> Iterator[redis.Redis]:
    with connect(server.url) as client:
        yield client


def over(url: str) -> RedisResponseCache:
    return RedisResponseCache(GuardedRedis(connect(url), CircuitBreaker()), KeySchema())


def seconds_to_fail(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    with pytest.raises(StoreUnavailableError):
        call()
    return time.perf_counter() - started


def test_absent_server_is_one_error_then_costs_microseconds(tmp_path: Path) -> None:
    """Each call says StoreUnavailableError; once the breaker is open, at once."""
    cache, mine = over(f"unix://{tmp_path}/nobody.sock"), Claim(KEY, 0, "mine")
    calls: list[Callable[[], object]] = [
        lambda: cache.get(KEY),
        lambda: cache.put(KEY, b"x", 60),
        lambda: cache.claim(mine, b"", 60),
        lambda: cache.put(KEY, b"x", 60, claim=mine),
        lambda: cache.release(mine),
        cache.check,
    ]
    for call in calls:
        assert seconds_to_fail(call) < 2
    assert not cache.available
    assert min(seconds_to_fail(cache.check) for _ in range(20)) < 0.001


def test_silent_server_costs_one_time_out(tmp_path: Path) -> None:
    """A server that accepts and never answers holds a caller for the socket's time-out only."""
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        cache = over(f"unix://{path}")
        assert 0.09 < seconds_to_fail(lambda: cache.get(KEY)) < 2


def test_foreign_value_is_a_miss(server: EmbeddedValkey, client: redis.Redis) -> None:
    """A value too short to be ours is not an error and is replaced by the next put."""
    cache = over(server.url)
    client.set(KeySchema().response(KEY), b"short")
    assert cache.get(KEY).entry is None
    cache.put(KEY, b"mine", 60)
    entry = cache.get(KEY).entry
    assert entry is not None
    assert entry.payload == b"mine"


def test_a_value_of_before_is_a_miss(server: EmbeddedValkey, client: redis.Redis) -> None:
    """Those began with the time, and had no freshness; the next put replaces one."""
    cache = over(server.url)
    # In the place of the revision there happens to be none.
    before = struct.pack(">QI", round(time.time() * 1_000_000), 0) + b"\0a list of before" * 10
    client.set(KeySchema().response(KEY), before)
    found = cache.get(KEY)
    assert found.entry is None
    assert cache.claim(Claim(KEY, 0, "mine"), found.mark, 60) is Claimed.TAKEN


def test_a_value_of_another_layout_is_a_miss(server: EmbeddedValkey, client: redis.Redis) -> None:
    """Its first byte says so, and the next put replaces it; nothing else in Redis is touched."""
    cache, name = over(server.url), KeySchema().response(KEY)
    cache.put(KEY, b"mine", 60)
    value = client.get(name)
    assert isinstance(value, bytes)
    client.set(name, bytes([value[0] + 1]) + value[1:])
    found = cache.get(KEY)
    assert found.entry is None
    mine = Claim(KEY, 0, "mine")
    assert cache.claim(mine, found.mark, 60) is Claimed.TAKEN
    cache.put(KEY, b"mine", 60, claim=mine)
    assert client.get(name) != value  # it was put later
    assert cache.get(KEY).entry is not None


def test_damaged_profile_is_an_error_when_it_is_read(
    server: EmbeddedValkey, client: redis.Redis
) -> None:
    """A profile that cannot be read costs nothing until somebody reads it, and is no outage."""
    cache = over(server.url)
    client.set(KeySchema().live(KEY.customer), b"\x01\0\0\0\x05\0\x09nonsense")
    found = cache.get(KEY)
    assert found.entry is None
    with pytest.raises(StoreUnavailableError, match="damaged"):
        found.live()
    assert cache.available


def test_refusal_is_not_an_outage(server: EmbeddedValkey, client: redis.Redis) -> None:
    """A server that answers with an error stays available, however often it does."""
    cache = over(server.url)
    client.config_set("maxmemory", "1")
    for _ in range(5):
        with pytest.raises(StoreUnavailableError, match="refused"):
            cache.put(KEY, b"too much", 60)
    assert cache.available


def test_returns_within_a_second_of_the_server(server: EmbeddedValkey) -> None:
    """Killed under its connections Redis is an error; back again it is used again, data and all."""
    cache = over(server.url)
    cache.put(KEY, b"kept", 60)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)  # until it is gone, yet unreaped
    for _ in range(10):
        with pytest.raises(StoreUnavailableError):
            cache.get(KEY)
    assert not cache.available
    server.start()
    returned = time.monotonic()
    entry = None
    while entry is None and time.monotonic() < returned + 10:
        try:
            entry = cache.get(KEY).entry
        except StoreUnavailableError:
            time.sleep(0.01)
    assert entry is not None
    assert entry.payload == b"kept"
    assert cache.available
