"""Whose purchases may be learnt from."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from recsvc.artifacts.ledger import Decision, LedgerEntry
from recsvc.artifacts.registry import Registry
from recsvc.identity import customer_hash
from tests.serving import new_standing
from training.people import Said, collected_until, consenting, known_shoppers, reachable

T0 = 1_700_000_000_000
NOON = datetime.fromtimestamp(T0 / 1_000, UTC)
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "customer_id": pl.String,
    "visitor_id": pl.String,
    "event_type": pl.String,
    "event_time": pl.Datetime("us", "UTC"),
    "partition": pl.Float64,
    "received": pl.Float64,
}


def events(*rows: tuple[str | None, str | None, str, float | None]) -> pl.DataFrame:
    """Events of customer, visitor and type, received so many seconds after noon."""
    return pl.DataFrame(
        [
            (
                customer,
                visitor,
                kind,
                NOON,
                None if seconds is None else 3.0,
                None if seconds is None else T0 + 1_000 * seconds,
            )
            for customer, visitor, kind, seconds in rows
        ],
        SCHEMA,
        orient="row",
    )


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty one."""
    made = Registry(tmp_path / "models")
    made.prepare()
    return made


def decide(registry: Registry, decision: Decision, *customers: str, seconds: float = 0) -> None:
    """Write a decision about customers into the ledger."""
    subjects = tuple(customer_hash(registry.secret(), customer) for customer in customers)
    time = datetime.fromtimestamp(T0 / 1_000 + seconds, UTC)
    registry.ledger.append([LedgerEntry(time, decision, subjects)])


def kept(found: pl.DataFrame) -> list[str]:
    return found["customer_id"].to_list()


def test_what_a_visitor_did_before_a_link_is_the_customers() -> None:
    """Of several links the first one after it counts; what follows the last is nobody's."""
    found = known_shoppers(
        events(
            (None, "v", "PURCHASE", 1),
            ("anna", "v", "LINK", 2),
            (None, "v", "PURCHASE", 3),
            ("ben", "v", "LINK", 4),
            (None, "v", "PURCHASE", 5),
            (None, "w", "PURCHASE", 1),
            ("cara", None, "PURCHASE", 6),
        )
    )
    assert kept(found) == ["anna", "ben", "cara"]
    assert found.columns == list(SCHEMA)


def test_a_shop_without_visitors_keeps_every_row() -> None:
    """Files that name none are not touched."""
    plain = events(("anna", None, "PURCHASE", None), ("ben", None, "VIEW", None))
    assert known_shoppers(plain).equals(plain)


def test_the_watermark_of_a_partition_counts_visitors_and_links() -> None:
    """It says how far the stream was drained, not how far customers were."""
    rows = events((None, "v", "PURCHASE", 9), ("anna", None, "PURCHASE", 1))
    assert collected_until(rows) == {3: T0 + 9_000}
    assert collected_until(events(("anna", None, "PURCHASE", None))) == {}


def test_nobody_is_left_out_of_what_nobody_decided(registry: Registry) -> None:
    """An empty ledger costs nothing, and makes no secret."""
    rows = events(("anna", None, "PURCHASE", 1))
    assert consenting(rows, registry)[0].equals(rows)
    assert not (registry.root / "secret").exists()


def test_who_withdrew_consent_is_left_out_until_it_is_granted_again(registry: Registry) -> None:
    """The last word counts, and the position tells how far the ledger was read."""
    rows = events(("anna", None, "PURCHASE", 1), ("ben", None, "PURCHASE", 1))
    decide(registry, Decision.CONSENT_WITHDRAWN, "anna", "ben")
    assert kept(consenting(rows, registry)[0]) == []
    decide(registry, Decision.CONSENT_GRANTED, "ben")

    found, position = consenting(rows, registry)

    assert kept(found) == ["ben"]
    assert position == registry.ledger.end()


def test_who_was_erased_starts_afresh(registry: Registry) -> None:
    """What was received, or happened, before the erasure is left out; what came after counts."""
    decide(registry, Decision.ERASED, "anna", seconds=10)
    rows = events(
        ("anna", None, "PURCHASE", 9),
        ("anna", None, "PURCHASE", 11),
        ("anna", None, "PURCHASE", None),
        ("ben", None, "PURCHASE", 9),
    )

    found, _ = consenting(rows, registry)

    assert found.select("customer_id", "received").rows() == [
        ("anna", T0 + 11_000.0),
        ("ben", T0 + 9_000.0),
    ]


def test_the_clock_of_redis_says_what_came_before_an_erasure(registry: Registry) -> None:
    """Once it has spoken, whatever the service's clock was; the last of several counts."""
    rows = events(*(("anna", None, "PURCHASE", seconds) for seconds in (4, 5, 6, 99)))
    received = []
    for decision, seconds in (
        (Decision.ERASED, 100),
        (Decision.SWEPT, 5),
        (Decision.SWEPT, 4),
        (Decision.ERASED, 5.5),
        (Decision.SWEPT, 6),
    ):
        decide(registry, decision, "anna", seconds=seconds)
        found, _ = consenting(rows, registry)
        received.append([(one - T0) / 1_000 for one in found["received"]])
    assert received == [[], [6, 99], [6, 99], [6, 99], [99]]


def test_a_model_heeds_an_erasure_to_its_end(registry: Registry) -> None:
    """One that has read the ledger before its last word may have learnt what came just before."""
    registry.ledger.append(
        [LedgerEntry(NOON, Decision.ERASED, (customer_hash(registry.secret(), "anna"), "v"))]
    )
    begun = registry.ledger.end()
    decide(registry, Decision.SWEPT, "anna", seconds=1)
    assert reachable(["anna", "ben"], registry, begun).may == [False, True]
    assert reachable(["anna", "ben"], registry, registry.ledger.end()).may == [True, True]


def test_silence_can_be_taken_for_a_no(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trainer heeds RECSVC_CONSENT_DEFAULT as the service does."""
    monkeypatch.setenv("RECSVC_CONSENT_DEFAULT", "withdrawn")
    rows = events(("anna", None, "PURCHASE", 1), ("ben", None, "PURCHASE", 1))
    assert kept(consenting(rows, registry)[0]) == []
    decide(registry, Decision.CONSENT_GRANTED, "ben")
    assert kept(consenting(rows, registry)[0]) == ["ben"]


def test_another_secret_knows_nobody(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes made with RECSVC_HASH_KEY are found with it alone."""
    decide(registry, Decision.CONSENT_WITHDRAWN, "anna")
    monkeypatch.setenv("RECSVC_HASH_KEY", "another")
    assert kept(consenting(events(("anna", None, "PURCHASE", 1)), registry)[0]) == ["anna"]


@pytest.mark.parametrize("by_default", [True, False])
def test_a_visitor_goes_by_the_word_of_the_last_customer_linked(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, *, by_default: bool
) -> None:
    """Until that one is erased; whatever is said, the service would tell the same."""
    monkeypatch.setenv("RECSVC_CONSENT_DEFAULT", "granted" if by_default else "withdrawn")
    standing = new_standing(registry, consents_by_default=by_default)
    told = []
    for decision, *people in (
        (Decision.CONSENT_GRANTED, "stranger"),
        (Decision.LINKED, "tablet", "anna"),
        (Decision.CONSENT_WITHDRAWN, "anna"),
        (Decision.CONSENT_GRANTED, "ben"),
        (Decision.LINKED, "tablet", "ben"),
        (Decision.LINKED, "tablet", "anna"),
        (Decision.ERASED, "ben"),
        (Decision.ERASED, "anna"),
        (Decision.CONSENT_WITHDRAWN, "anna"),
        (Decision.LINKED, "tablet", "anna"),
        (Decision.SWEPT, "anna"),
    ):
        registry.ledger.append([LedgerEntry(NOON, decision, tuple(people))])
        standing.refresh()
        said = Said.of(registry.ledger.read(0)[0])
        told.append(said.allows_visitor("tablet"))
        assert told[-1] is standing.allows_visitor("tablet")
    assert told == [True, by_default, False, False, True, False, False, True, True, False, False]
