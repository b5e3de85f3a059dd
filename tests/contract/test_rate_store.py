"""What every ``RateStore`` promises, over each adapter; Redis is a real embedded Valkey."""

import pytest
import redis

from recsvc.service.ports import MAX_LEASES, Lease, RateStore
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.rate_store import InMemoryRateStore, RedisRateStore
from tests.stores import SetClock

RATE = 0.001
"""So few that none comes in while a test runs."""


@pytest.fixture(params=["memory", "redis"])
def rates(request: pytest.FixtureRequest, clock: SetClock) -> RateStore:
    if request.param == "memory":
        return InMemoryRateStore(clock)
    client: redis.Redis = request.getfixturevalue("client")
    client.flushall()
    return RedisRateStore(GuardedRedis(client, CircuitBreaker()), KeySchema(), b"secret")


def lease(rates: RateStore, owed: float, wanted: float, caller: str = "a") -> float:
    (given,) = rates.lease([Lease(caller, RATE, owed, wanted)])
    assert given is not None
    return given


def test_who_was_never_here_has_a_burst(rates: RateStore) -> None:
    """One request at least, and no more than there is."""
    assert lease(rates, 0, 0.25) == 0.25
    assert lease(rates, 0, 5) == pytest.approx(0.75, abs=1e-3)
    assert lease(rates, 0, 5) == pytest.approx(0, abs=1e-3)


def test_what_is_owed_is_charged_where_there_is_nothing(rates: RateStore) -> None:
    """It is paid back before anything is given."""
    assert lease(rates, 3, 5) == 0
    assert lease(rates, -2.5, 5) == pytest.approx(0.5, abs=1e-3)


def test_what_is_given_back_is_there_for_others(rates: RateStore) -> None:
    """And is no more than a burst."""
    lease(rates, 0, 1)
    lease(rates, -7, 0)
    assert lease(rates, 0, 5) == pytest.approx(1, abs=1e-2)


def test_callers_have_tokens_of_their_own(rates: RateStore) -> None:
    """Also of ids that are no proper text."""
    names = ["a", "b", "a b", "\ud800", ""]
    assert rates.lease([Lease(name, RATE, 0, 1) for name in names]) == [1] * len(names)
    assert lease(rates, 0, 1) == pytest.approx(0, abs=1e-3)


def test_many_are_asked_for_at_once(rates: RateStore) -> None:
    names = [str(number) for number in range(MAX_LEASES)]
    assert rates.lease([Lease(name, RATE, 0, 1) for name in names]) == [1] * len(names)


def test_tokens_come_in_with_time(clock: SetClock) -> None:
    """Of one process; Redis has a clock of its own, and the next test waits for it."""
    rates = InMemoryRateStore(clock)
    assert rates.lease([Lease("a", 10, 10, 10)]) == [0]
    clock.now += 0.5
    assert rates.lease([Lease("a", 10, 0, 10)]) == [5]
    clock.now += 60
    assert rates.lease([Lease("a", 10, 0, 100)]) == [10]


def test_tokens_come_in_with_the_time_of_redis(client: redis.Redis) -> None:
    """At a rate so high that the next look finds some."""
    rates = RedisRateStore(GuardedRedis(client, CircuitBreaker()), KeySchema("fast"), b"secret")
    (first,) = rates.lease([Lease("a", 1e6, 1e6, 1e6)])
    assert first == pytest.approx(0, abs=1)
    assert all(rates.lease([Lease("a", 1e6, 0, 1e6)])[0] for _ in range(3))


def test_no_name_of_a_caller_is_in_redis(client: redis.Redis) -> None:
    """Some are customers' ids; and nothing stays."""
    client.flushall()
    rates = RedisRateStore(GuardedRedis(client, CircuitBreaker()), KeySchema(), b"secret")
    rates.lease([Lease("anna", 0.01, 0, 1)])
    (key,) = client.keys()
    assert b"anna" not in key
    assert 0 < client.ttl(key) <= 102


@pytest.mark.parametrize(
    ("rate", "owed", "seconds"), [(5, 5_000, 1_001), (0.001, 3, 3_001), (1e-9, 3, 30 * 86_400)]
)
def test_a_debt_is_remembered_until_it_is_paid(
    client: redis.Redis, rate: float, owed: float, seconds: int
) -> None:
    """However slowly, for a month: forgotten before, the caller would have credit again."""
    client.flushall()
    rates = RedisRateStore(GuardedRedis(client, CircuitBreaker()), KeySchema(), b"secret")
    rates.lease([Lease("anna", rate, owed, 0)])
    (key,) = client.keys()
    assert seconds - 60 <= client.ttl(key) <= seconds  # a slow machine may take some


def test_rates_of_one_in_weeks_come_in_too(client: redis.Redis) -> None:
    """Looked at five times a second, each look finds less than a millionth."""
    rates = RedisRateStore(GuardedRedis(client, CircuitBreaker()), KeySchema("slow"), b"secret")
    rates.lease([Lease("a", 1e-6, 1, 0)])
    given = [rates.lease([Lease("a", 1e-6, 0, 1)])[0] or 0 for _ in range(20)]
    assert 0 < sum(given) < 1e-3


def test_whom_redis_refuses_costs_nobody_else(client: redis.Redis) -> None:
    """One is none of ours; of the others each is charged, and told what it has."""
    client.flushall()
    rates = RedisRateStore(GuardedRedis(client, CircuitBreaker()), KeySchema(), b"secret")
    rates.lease([Lease("bad", RATE, 0, 1)])
    (key,) = client.keys()
    client.set(key, "of another kind")
    asked = [Lease("bad", RATE, 0, 1), Lease("good", RATE, 0, 0.25)]
    assert rates.lease(asked) == [None, 0.25]
    assert rates.lease(asked[:1]) == [None]


def test_who_has_all_again_takes_no_room_in_memory(clock: SetClock) -> None:
    """A crowd that never comes back is forgotten; who still owes is not."""
    rates = InMemoryRateStore(clock)
    rates.lease([Lease("debtor", RATE, 10, 0)])
    for crowd in range(30):
        rates.lease([Lease(f"{crowd} {number}", 10, 10, 0) for number in range(1_000)])
        clock.now += 2
    assert len(rates._levels) < 25_000
    assert lease(rates, 0, 1, "debtor") == 0
