"""What a guarded client says of failures, and what it counts as an outage."""

from pathlib import Path

import pytest

from recsvc.errors import PreconditionError, StoreUnavailableError
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema


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
