"""What is known of gRPC's insides."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from recsvc.server.handing_over import HandedOver, known_insides, send


def test_those_of_the_installed_release_are_known() -> None:
    """If this fails after an upgrade, read how ``grpc/_server.py`` hands calls over now."""
    assert known_insides() is not None


@pytest.mark.parametrize("name", ["grpc._no_such_module", "grpc._common"])
def test_where_they_have_gone_they_are_not_used(name: str) -> None:
    assert known_insides(name) is None


def test_where_they_take_something_else_they_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grpc._server._abort", lambda _call, _status: None)
    assert known_insides() is None


def test_what_waits_for_no_single_message_is_another_matter() -> None:
    """A stream's task, whose messages are read as they are wanted, and any other function."""
    insides = known_insides()
    assert insides is not None

    def unary_request() -> None:
        """As gRPC's function is called."""

    def task(pooled: object, thunk: Any) -> tuple[Any, ...]:  # noqa: ANN401  # a function
        return (pooled, None, None, None, thunk, None, None)

    for pooled in insides.pooled:
        assert HandedOver.is_one(insides, task(pooled, unary_request))
        assert not HandedOver.is_one(insides, task(pooled, lambda: iter(())))
    assert not HandedOver.is_one(insides, task(print, unary_request))
    assert not HandedOver.is_one(insides, (1, 2))


def test_a_call_that_has_ended_is_sent_nothing() -> None:
    insides = known_insides()
    assert insides is not None
    state = SimpleNamespace(condition=threading.Condition(), statused=True, client="open")
    taken: list[bool] = []
    context = SimpleNamespace(_state=state, _rpc_event=SimpleNamespace(call=None))
    send(insides, context, b"answer", lambda: taken.append(True))
    assert not taken
