"""The judge of ``make chaos`` sees what is wrong, and blames nobody for what may be."""

import pytest

from recsvc.v1 import recommendation_service_pb2 as api
from tests.chaos.record import Fact, Record
from tests.clocks import SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def record(clock: SetClock) -> Record:
    return Record(frozenset(("milk", "tea", "jam", "rum")), 1.0, clock)


def answer(
    *products: str, warnings: tuple[str, ...] = (), reason: str = ""
) -> api.RecommendResponse:
    return api.RecommendResponse(
        recommendations=[api.RecommendedProduct(product_id=product) for product in products],
        serving=api.ServingInfo(warnings=warnings, degraded=bool(reason), degraded_reason=reason),
    )


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (answer(), "the list is empty"),
        (answer("milk", "milk"), "a product is listed twice"),
        (answer("milk", "tea", "jam"), "3 products, of 2 at most"),
        (answer("milk", "soap"), "no model has ['soap']"),
        (answer("rum"), "excluded by the question: ['rum']"),
        (answer("milk", reason="NOBODY_KNOWS"), "degraded True for 'NOBODY_KNOWS'"),
    ],
)
def test_a_list_that_is_wrong_by_itself(
    record: Record, response: api.RecommendResponse, said: str
) -> None:
    assert record.judge(record.ask("anna", 2, ["rum"]), response) == [said]


def test_a_list_that_is_as_it_should_be(record: Record) -> None:
    """Degraded or not: for one of the reasons that the API names."""
    asked = record.ask("anna", 2, ["rum"])
    assert record.judge(asked, answer("milk", "jam")) == []
    assert record.judge(asked, answer("milk", reason="STORE_UNAVAILABLE")) == []


def test_a_recall_must_be_seen_after_a_second(record: Record, clock: SetClock) -> None:
    record.acknowledge(Fact.RECALLED, "token", product_id="milk")
    clock.now += 0.9
    assert record.judge(record.ask("", 2, ()), answer("milk")) == []
    clock.now += 0.1
    assert record.judge(record.ask("", 2, ()), answer("milk")) == ["recalled: ['milk']"]
    assert record.judge(record.ask("", 2, ()), answer("tea")) == []


def test_with_its_token_a_decision_must_be_seen_at_once(record: Record) -> None:
    """Unless the answer says that it could not be."""
    record.acknowledge(Fact.RECALLED, "token", product_id="milk")
    asked = record.ask("", 2, (), "token")
    assert record.last_token() == "token"
    assert record.judge(asked, answer("milk")) == ["recalled: ['milk']"]
    assert record.judge(asked, answer("milk", warnings=("CONSISTENCY_UNMET",))) == []


def test_what_is_being_changed_may_be_seen_or_not(record: Record, clock: SetClock) -> None:
    """Also where the change began, or came to its end, only after the question had."""
    record.acknowledge(Fact.RECALLED, "first", product_id="milk")
    clock.now += 2
    asked = record.ask("", 2, ())
    record.begin(product_id="milk")
    assert record.judge(asked, answer("milk")) == []
    assert record.judge(record.ask("", 2, ()), answer("milk")) == []
    record.acknowledge(Fact.SOLD, "second", product_id="milk")
    assert record.judge(asked, answer("milk")) == []
    record.acknowledge(Fact.RECALLED, "third", product_id="milk")
    assert record.judge(asked, answer("milk")) == []


@pytest.mark.parametrize(
    ("fact", "warning", "said"),
    [
        (Fact.WITHDRAWN, "NO_CONSENT", "a list of who has withdrawn consent"),
        (Fact.ERASED, "UNKNOWN_CUSTOMER", "something is known of who was erased"),
    ],
)
def test_what_was_decided_of_a_person(
    record: Record, clock: SetClock, fact: Fact, warning: str, said: str
) -> None:
    """Of that person alone."""
    record.acknowledge(fact, "token", customer_id="anna")
    clock.now += 2
    assert record.judge(record.ask("anna", 2, ()), answer("milk")) == [said]
    assert record.judge(record.ask("anna", 2, ()), answer("milk", warnings=(warning,))) == []
    assert record.judge(record.ask("ben", 2, ()), answer("milk")) == []
    assert record.having(fact) == ["anna"]


def test_who_has_consented_gets_a_list_of_their_own(record: Record, clock: SetClock) -> None:
    record.acknowledge(Fact.GRANTED, "token", customer_id="anna")
    clock.now += 2
    asked = record.ask("anna", 2, ())
    assert record.judge(asked, answer("milk", warnings=("NO_CONSENT",))) == [
        "no list of who has consented"
    ]
