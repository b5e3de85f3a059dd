"""Whose requests are counted, and how many they are."""

from typing import Any

import pytest

from recsvc.access.credential import Credential
from recsvc.errors import RateLimitedError
from recsvc.server.rates import PeerGate, Rates
from recsvc.service.rate_limits import RateLimits
from recsvc.store.rate_store import InMemoryRateStore
from recsvc.v1 import recommendation_service_pb2 as api
from tests.serving import new_metrics
from tests.stores import SetClock

RATE = 3.0
ANNA, BERT = (
    Credential(name, frozenset(), 0, "https://idp.example", caller=name)
    for name in ("anna", "bert")
)


class Bench:
    """Rates, and a clock that stands still."""

    def __init__(self, rate: float = RATE) -> None:
        clock = SetClock(100.0)
        metrics, self.numbers = new_metrics()
        limits = RateLimits(InMemoryRateStore(clock), 1.0, monotonic=clock)
        self.rates = Rates(limits, rate, metrics)
        self.gate = PeerGate(self.rates, rate)

    def passed(self, who: Credential, n_calls: int, message: object = b"") -> int:
        for n_passed in range(n_calls):
            try:
                self.rates.charge(who, message)
            except RateLimitedError:
                return n_passed
        return n_calls


@pytest.fixture
def bench() -> Bench:
    return Bench()


class Context:
    """As much of a ``ServicerContext`` as is used."""

    def __init__(self, peer: str) -> None:
        self._peer = peer

    def peer(self) -> str:
        return self._peer


def test_each_caller_has_a_rate(bench: Bench) -> None:
    """Two shoppers two; the same id of another issuer is another one."""
    other = Credential("anna", frozenset(), 0, "https://other.example", caller="anna")
    assert [bench.passed(who, 9) for who in (ANNA, BERT, other)] == [3, 3, 3]


def test_a_shopper_who_is_called_like_a_key_uses_up_nothing_of_it(bench: Bench) -> None:
    """Where tokens need no issuer; whoever chose that name would else stop a service."""
    key = Credential("", frozenset(), 0, name="web", caller="recsvc_3f9a01bc")
    shopper = Credential(key.caller, frozenset(), 0, caller=key.caller)
    assert [bench.passed(who, 9) for who in (shopper, key)] == [3, 3]


def test_a_key_may_have_a_rate_of_its_own(bench: Bench) -> None:
    """Or none at all."""
    slow, free = (
        Credential("", frozenset(), 0, name=name, caller=name, rate=rate)
        for name, rate in (("slow", 1.0), ("free", 0.0))
    )
    assert (bench.passed(slow, 9), bench.passed(free, 1_000)) == (1, 1_000)


def test_a_key_may_have_one_where_others_have_none() -> None:
    bench = Bench(rate=0)
    slow = Credential("", frozenset(), 0, name="slow", caller="slow", rate=1.0)
    assert (bench.passed(ANNA, 1_000), bench.passed(slow, 9)) == (1_000, 1)


@pytest.mark.parametrize(
    ("message", "n_passed"),
    [
        (api.BatchRecommendRequest(requests=[{}, {}]), 2),  # four of three
        (api.BatchRecommendRequest(), 3),
        (["one", "two", "three"], 1),
        (b"question", 3),
    ],
)
def test_of_several_questions_each_counts(bench: Bench, message: object, n_passed: int) -> None:
    assert bench.passed(ANNA, 9, message) == n_passed


def test_who_is_turned_away_is_named_and_counted(bench: Bench) -> None:
    bench.passed(Credential("", frozenset(), 0, name="web", caller="recsvc_1"), 3)
    with pytest.raises(RateLimitedError) as raised:
        bench.rates.charge(Credential("", frozenset(), 0, name="web", caller="recsvc_1"), b"")
    assert raised.value.metadata == {"caller": "web"}
    labels = {"reason": "rate"}
    assert bench.numbers.get_sample_value("recsvc_turned_away_total", labels) == 1


def test_who_says_nothing_of_themselves_is_known_by_their_address(bench: Bench) -> None:
    """Not by the port, which is another one for each connection."""
    answer = bench.gate.guarded("X/Y", lambda read, _: read, str.upper, is_stream=False)

    def call(peer: str) -> object:
        context: Any = Context(peer)
        bench.gate.admit(context)
        return answer("question", context)

    assert [call(f"ipv4:10.0.0.1:{port}") for port in (1, 2, 3)] == ["QUESTION"] * 3
    with pytest.raises(RateLimitedError):
        call("ipv4:10.0.0.1:4")
    assert call("ipv4:10.0.0.2:4") == "QUESTION"


@pytest.mark.parametrize(
    ("peers", "n_passed"),
    [
        ([f"ipv6:%5B2001:db8:0:1::{n:x}%5D:50" for n in range(1, 9)], 3),  # of one /64
        ([f"ipv6:%5B2001:db8:0:{n:x}::1%5D:50" for n in range(1, 9)], 8),
        ([f"ipv6:%5Bfe80::{n}%25eth0%5D:50" for n in range(1, 9)], 3),
        ([f"ipv6:%5B::ffff:10.0.0.{n}%5D:50" for n in range(1, 9)], 8),  # IPv4
        ([f"ipv6:%5Bnone.{n}%5D:50" for n in range(1, 9)], 8),  # nothing that is known
    ],
)
def test_an_ipv6_address_is_known_by_its_network(
    bench: Bench, peers: list[str], n_passed: int
) -> None:
    """Whoever has one of them has 2**64, and could call from another one each time."""
    answer = bench.gate.guarded("X/Y", lambda read, _: read, str.upper, is_stream=False)

    def passes(peer: str) -> bool:
        context: Any = Context(peer)
        try:
            return bool(answer("question", context))
        except RateLimitedError:
            return False

    assert sum(passes(peer) for peer in peers) == n_passed


def test_messages_of_a_stream_are_counted_as_they_come(bench: Bench) -> None:
    stream = bench.gate.guarded("X/Y", lambda read, _: read, iter, is_stream=True)
    context: Any = Context("unix:/run/recsvc.sock")
    answers = stream(["a", ["b", "c"], "d"], context)
    assert [next(answers), next(answers)] == ["a", ["b", "c"]]
    with pytest.raises(RateLimitedError):
        next(answers)
