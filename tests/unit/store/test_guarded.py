"""What a guarded client says of failures, and what it counts as an outage."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from recsvc.errors import PreconditionError, StoreUnavailableError, UnansweredError
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from tests.stores import running_valkey, stopped


def test_answers_pass_through(guarded: GuardedRedis, keys: KeySchema) -> None:
    """What Redis answers is what the caller gets."""
    name = keys.person("8f2e")
    assert guarded.ask(lambda: guarded.client.set(name, b"kept")) is True
    assert guarded.ask(lambda: guarded.client.get(name)) == b"kept"
    assert guarded.available


def test_refusal_is_one_line_and_no_outage(guarded: GuardedRedis, keys: KeySchema) -> None:
    """Who answers, if only to refuse, is there."""
    guarded.client.rpush(keys.person("8f2e"), "a list")
    for _ in range(5):
        with pytest.raises(StoreUnavailableError, match="Redis refused: WRONGTYPE") as caught:
            guarded.ask(lambda: guarded.client.get(keys.person("8f2e")))
        assert "\n" not in str(caught.value)
    assert guarded.available


def test_outage_turns_later_callers_away(tmp_path: Path) -> None:
    """After some calls without an answer the next ones are not tried."""
    guarded = GuardedRedis(connect(f"unix://{tmp_path}/nobody.sock"), CircuitBreaker())
    for _ in range(3):
        assert guarded.available
        with pytest.raises(StoreUnavailableError, match="did not answer"):
            guarded.ask(guarded.client.ping)
    assert not guarded.available
    with pytest.raises(StoreUnavailableError, match="tried again within a second"):
        guarded.ask(lambda: pytest.fail("was tried"))


def test_refusal_ends_an_outage(guarded: GuardedRedis, keys: KeySchema) -> None:
    """A probe that is refused has found Redis."""
    breaker = CircuitBreaker(cool_down_seconds=0.0)
    probing = GuardedRedis(guarded.client, breaker)
    for _ in range(3):
        breaker.record_failure()
    assert not probing.available
    probing.client.rpush(keys.person("8f2e"), "a list")
    with pytest.raises(StoreUnavailableError, match="refused"):
        probing.ask(lambda: probing.client.get(keys.person("8f2e")))
    assert probing.available


def test_errors_of_others_are_left_alone(guarded: GuardedRedis) -> None:
    """What is no failure of Redis reaches the caller as it is."""

    def refuse() -> None:
        raise PreconditionError("not here")

    with pytest.raises(PreconditionError, match="not here"):
        guarded.ask(refuse)
    assert guarded.available


LEFT_SECONDS = 0.1
USUAL_SECONDS = 30.0


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[redis.Redis]:
    """A client that waits longer than these tests take, of a Valkey that they stop."""
    with (
        running_valkey(tmp_path / "valkey") as server,
        connect(server.url, socket_timeout_seconds=USUAL_SECONDS) as client,
    ):
        yield client


def test_nobody_waits_longer_than_its_caller(patient: redis.Redis) -> None:
    """On a connection that was there and on a new one; that is no outage."""
    guarded = GuardedRedis(patient, CircuitBreaker())
    assert guarded.ask(patient.ping, time.monotonic() + USUAL_SECONDS)
    with stopped(patient):
        for _ in range(5):
            began = time.monotonic()
            with pytest.raises(UnansweredError, match="deadline passed before Redis") as caught:
                guarded.ask(patient.ping, began + LEFT_SECONDS)
            assert caught.value.reason == "DEADLINE_EXCEEDED"
            assert LEFT_SECONDS <= time.monotonic() - began < USUAL_SECONDS / 2
    assert guarded.available


def test_several_answers_together_have_the_time_of_one(
    patient: redis.Redis, keys: KeySchema
) -> None:
    """Also where each comes in time, and all of them do not."""
    guarded, n_steps = GuardedRedis(patient, CircuitBreaker()), 100

    def wait_often() -> list[object]:
        with patient.pipeline(transaction=False) as pipeline:
            for _ in range(n_steps):
                pipeline.blpop([keys.events(0)], timeout=LEFT_SECONDS)
            return list(pipeline.execute())

    began = time.monotonic()
    with pytest.raises(UnansweredError, match="deadline passed before Redis"):
        guarded.ask(wait_often, began + 10 * LEFT_SECONDS)
    assert time.monotonic() - began < n_steps * LEFT_SECONDS


def test_who_has_no_deadline_waits_as_long_as_ever(patient: redis.Redis) -> None:
    """Also on a connection that was in a hurry a moment ago."""
    guarded = GuardedRedis(patient, CircuitBreaker())
    assert guarded.ask(patient.ping, time.monotonic() + LEFT_SECONDS)
    told: list[object] = []
    with stopped(patient):
        asking = threading.Thread(target=lambda: told.append(guarded.ask(patient.ping)))
        asking.start()
        time.sleep(4 * LEFT_SECONDS)
        assert not told
        assert asking.is_alive()
    asking.join()
    assert told == [True]


def test_who_has_no_time_left_is_not_asked_for(guarded: GuardedRedis) -> None:
    with pytest.raises(StoreUnavailableError, match="has passed") as caught:
        guarded.ask(lambda: pytest.fail("was asked"), time.monotonic())
    assert caught.value.reason == "DEADLINE_EXCEEDED"


def test_a_refused_connection_is_an_outage_whoever_asks(tmp_path: Path) -> None:
    """There was time, and nobody there."""
    guarded = GuardedRedis(connect(f"unix://{tmp_path}/nobody.sock"), CircuitBreaker())
    for _ in range(3):
        with pytest.raises(UnansweredError, match="did not answer") as caught:
            guarded.ask(guarded.client.ping, time.monotonic() + USUAL_SECONDS)
        assert caught.value.reason == "STORE_UNAVAILABLE"
    assert not guarded.available


def test_those_in_a_hurry_find_out_together_that_redis_is_down(tmp_path: Path) -> None:
    """None of them has waited as long as others do, and nobody has been answered for so long."""
    with (
        running_valkey(tmp_path / "valkey") as server,
        connect(server.url, socket_timeout_seconds=3 * LEFT_SECONDS) as client,
    ):
        guarded, n_asked = GuardedRedis(client, CircuitBreaker()), 0
        with stopped(client):
            while guarded.available:
                n_asked += 1
                with pytest.raises(UnansweredError):
                    guarded.ask(client.ping, time.monotonic() + LEFT_SECONDS)
        assert n_asked <= 6  # three fill the time, and then three are enough
