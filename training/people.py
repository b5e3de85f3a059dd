"""Whose purchases may be learnt from: visitors who became customers, consent, erasures."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import polars as pl

from recsvc.artifacts.ledger import Decision, LedgerEntry
from recsvc.artifacts.registry import Registry
from recsvc.identity import customer_hash, hash_key
from training.schema import LINK

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Followed:
    """How far the service has been followed.

    Attributes:
        ledger: position in the registry's ledger.
        collected: for each partition of shoppers the latest collected event, unix milliseconds.
    """

    ledger: int
    collected: dict[int, int]


def hashing_key(registry: Registry) -> bytes:
    """The secret that the service hashes people's ids with."""
    return hash_key(os.environ.get("RECSVC_HASH_KEY", ""), registry.secret)


@dataclass(frozen=True, slots=True)
class Erasure:
    """A person's last erasure.

    Attributes:
        position: of it in the ledger.
        end: position of the last word about it, that the stores have let go of the person.
        until: what was received up to then is to go, unix milliseconds: by the clock of Redis,
            where that word was said, and by the service's until then, and in older ledgers.
    """

    position: int
    end: int
    until: int

    @classmethod
    def of(cls, entry: LedgerEntry, before: Self | None) -> Self:
        """Read a word about it, with what was said before."""
        until = (entry.time - _EPOCH) // timedelta(milliseconds=1)
        if entry.decision is Decision.ERASED:
            return cls(entry.position, entry.position, until)
        if before is None:
            return cls(0, entry.position, until)
        is_swept = before.end > before.position  # by another call, which may have come later
        return cls(before.position, entry.position, max(until, before.until) if is_swept else until)


@dataclass(frozen=True, slots=True)
class Said:
    """What people have said, by their hashes, as entries of a ledger tell.

    Attributes:
        erased: the last erasure of who was erased.
        consents: who has consented, and who has not.
        links: the last link of each visitor who turned out to be a customer.
        by_default: what holds of everybody else.
    """

    erased: Mapping[str, Erasure]
    consents: Mapping[str, bool]
    links: Mapping[str, LedgerEntry]
    by_default: bool

    @classmethod
    def of(cls, entries: Sequence[LedgerEntry]) -> Self:
        """Read entries; RECSVC_CONSENT_DEFAULT is to be as the service has it."""
        consents: dict[str, bool] = {}
        erased: dict[str, Erasure] = {}
        links: dict[str, LedgerEntry] = {}
        for entry in entries:
            if entry.decision is Decision.LINKED:
                links[entry.subjects[0]] = entry
                continue
            for subject in entry.subjects:
                match entry.decision:
                    case Decision.ERASED:
                        erased[subject] = Erasure.of(entry, None)
                        consents.pop(subject, None)
                    case Decision.SWEPT:
                        erased[subject] = Erasure.of(entry, erased.get(subject))
                    case Decision.CONSENT_GRANTED | Decision.CONSENT_WITHDRAWN:
                        consents[subject] = entry.decision is Decision.CONSENT_GRANTED
                    case Decision.CONSENT_UNKNOWN:
                        consents.pop(subject, None)
                    case _:
                        pass
        silence = os.environ.get("RECSVC_CONSENT_DEFAULT", "").lower()
        return cls(erased, consents, links, silence != "withdrawn")

    def allows(self, customer: str) -> bool:
        """Whether a customer may be known."""
        return self.consents.get(customer, self.by_default)

    def allows_visitor(self, visitor: str) -> bool:
        """Whether a visitor may be known, as ``service.standing`` tells it.

        Whose last link was to a customer goes by that one's word, until the customer is erased;
        of any other nobody knows whose word it would be.
        """
        link = self.links.get(visitor)
        if link is None:
            return True
        _, customer = link.subjects
        erased = self.erased.get(customer)
        return (erased is not None and erased.position > link.position) or self.allows(customer)


def linked(events: pl.DataFrame) -> pl.DataFrame:
    """Events of visitors under the names of the customers who they turned out to be.

    Args:
        events: with ``customer_id``, ``visitor_id``, ``event_type``, ``event_time`` and
            ``received``.

    Returns:
        The same columns, without links. What a visitor did before a link belongs to the customer
        of that link, the first one after it; what nobody's link follows has no ``customer_id``.
    """
    if events["visitor_id"].null_count() == events.height:
        return events
    events = events.with_columns(
        # A file of the shop's own may name visitors and not say when it heard of them.
        when=pl.coalesce("received", pl.col("event_time").dt.epoch("ms"), 0.0)
    )
    is_link = pl.col("event_type") == LINK
    links = (
        events.filter(is_link)
        .select("visitor_id", pl.col("customer_id").alias("linked"), "when")
        .sort("when")
    )
    rows = events.filter(~is_link).with_row_index("row")
    visits = rows.filter(pl.col("customer_id").is_null()).sort("when")
    found = visits.select("row", "visitor_id", "when").join_asof(
        links, on="when", by="visitor_id", strategy="forward", check_sortedness=False
    )
    return (
        rows.join(found.select("row", "linked"), on="row", how="left", maintain_order="left")
        .with_columns(pl.coalesce("customer_id", "linked").alias("customer_id"))
        .drop("row", "linked", "when")
    )


def known_shoppers(events: pl.DataFrame) -> pl.DataFrame:
    """Events of customers alone: those of visitors are their customers', or nobody's.

    As :func:`linked` tells them, without those of visitors whom nobody knows.
    """
    return linked(events).filter(pl.col("customer_id").is_not_null())


def consenting(events: pl.DataFrame, registry: Registry) -> tuple[pl.DataFrame, int]:
    """Events of who has not been erased and has not withdrawn consent, as the ledger says.

    Args:
        events: with ``customer_id``, ``event_time`` and ``received``.
        registry: whose ledger counts.

    Returns:
        Those events, and the position up to which the ledger was heeded. What an erased customer
        did afterwards is kept: they start afresh.
    """
    entries, position = registry.ledger.read(0)
    said = Said.of(entries)
    if not entries and said.by_default:
        return events, position
    key = hashing_key(registry)
    ids = events["customer_id"].unique().to_list()
    hashes = [customer_hash(key, customer_id) for customer_id in ids]
    people = pl.DataFrame(
        {
            "customer_id": ids,
            "may": list(map(said.allows, hashes)),
            "until": [said.erased[p].until if p in said.erased else None for p in hashes],
        },
        schema={"customer_id": pl.String, "may": pl.Boolean, "until": pl.Int64},
    )
    when = pl.coalesce(pl.col("received").cast(pl.Int64), pl.col("event_time").dt.epoch("ms"))
    return (
        events.join(people, on="customer_id", how="left", maintain_order="left")
        .filter(
            pl.col("may")
            & (pl.col("until").is_null() | (when > pl.col("until")).fill_null(value=False))
        )
        .drop("may", "until"),
        position,
    )


def collected_until(events: pl.DataFrame) -> dict[int, int]:
    """For each partition of shoppers its latest collected event, unix milliseconds.

    Of visitors and links too: whose live profile holds them must not hold them twice.
    """
    latest = (
        events.filter(pl.col("received").is_not_null() & pl.col("partition").is_not_null())
        .group_by("partition")
        .agg(pl.col("received").max())
        .sort("partition")
    )
    return {int(partition): int(received) for partition, received in latest.iter_rows()}


@dataclass(frozen=True, slots=True)
class Reachable:
    """Who may be known, and what may be shown, as the ledger says now.

    Attributes:
        may: for each id that was asked about, whether the model may be asked about that customer.
        withdrawn: ids of products that must not be shown.
    """

    may: list[bool]
    withdrawn: frozenset[str]


def reachable(customer_ids: Sequence[str], registry: Registry, learnt_position: int) -> Reachable:
    """Ask the ledger.

    Args:
        customer_ids: who.
        registry: whose ledger counts.
        learnt_position: up to where the model has heeded it: who was erased since is not reached.
    """
    entries, _ = registry.ledger.read(0)
    said = Said.of(entries)
    key = hashing_key(registry)
    hashes = [customer_hash(key, customer_id) for customer_id in customer_ids]
    may = [
        said.allows(person)
        and (person not in said.erased or said.erased[person].end <= learnt_position)
        for person in hashes
    ]
    withdrawn: set[str] = set()
    for entry in entries:
        match entry.decision:
            case Decision.WITHDRAWN:
                withdrawn.update(entry.subjects)
            case Decision.RESTORED:
                withdrawn.difference_update(entry.subjects)
            case _:
                pass
    return Reachable(may, frozenset(withdrawn))
