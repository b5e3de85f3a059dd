"""What people have decided, as far as a ledger says up to a position."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from recsvc.artifacts.ledger import Decision, LedgerEntry


class Consent(StrEnum):
    """Whether a customer has consented to personalisation."""

    GRANTED = "GRANTED"
    WITHDRAWN = "WITHDRAWN"
    UNKNOWN = "UNKNOWN"


_CONSENTS = {
    Decision.CONSENT_GRANTED: Consent.GRANTED,
    Decision.CONSENT_WITHDRAWN: Consent.WITHDRAWN,
    Decision.CONSENT_UNKNOWN: Consent.UNKNOWN,
}
DECISIONS = {consent: decision for decision, consent in _CONSENTS.items()}
"""How each consent is written in the ledger."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """A person's last erasure.

    Attributes:
        position: of the word itself; who heeds it has begun anew.
        end: of the last word about it: that it has come to its end, if that was said.
        visitors: whom a customer's erasure concerns that has not come to its end.
    """

    position: int = 0
    end: int = 0
    visitors: tuple[str, ...] = ()


_NEVER = Erasure()


@dataclass(frozen=True, slots=True)
class LedgerState:
    """Everything that the ledger says up to a position; people are their hashes.

    Attributes:
        position: how far the ledger was read.
        withdrawn: the products that must not be shown, and since when; do not change it.
        restored_at: position of the last word that brought a product back.
        consents: what each person said last.
        erasures: each person's last one.
        linked: the visitors who turned out to be each customer, since their last erasure.
        customers: who each visitor turned out to be.
    """

    position: int = 0
    withdrawn: dict[str, datetime] = field(default_factory=dict)
    restored_at: int = 0
    consents: dict[str, Consent] = field(default_factory=dict)
    erasures: dict[str, Erasure] = field(default_factory=dict)
    linked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)

    def consent(self, customer: str) -> Consent:
        """What a customer has said."""
        return self.consents.get(customer, Consent.UNKNOWN)

    def erasure(self, person: str) -> Erasure:
        """A person's last erasure; at position 0 for who was never erased."""
        return self.erasures.get(person, _NEVER)

    def visitors(self, customer: str) -> tuple[str, ...]:
        """Visitors who turned out to be a customer, since the last erasure."""
        return self.linked.get(customer, ())

    def after(self, entries: Iterable[LedgerEntry], position: int) -> "LedgerState":
        """The state that entries lead to, up to a position; this one stays as it is."""
        restored_at = self.restored_at
        state = replace(
            self,
            position=position,
            withdrawn=dict(self.withdrawn),
            consents=dict(self.consents),
            erasures=dict(self.erasures),
            linked=dict(self.linked),
            customers=dict(self.customers),
        )
        for entry in entries:
            _apply(state, entry)
            if entry.decision is Decision.RESTORED and entry.subjects:
                restored_at = entry.position
        # Another object means other products, to who compares no more than that.
        withdrawn = self.withdrawn if state.withdrawn == self.withdrawn else state.withdrawn
        return replace(state, withdrawn=withdrawn, restored_at=restored_at)


def _apply(state: LedgerState, entry: LedgerEntry) -> None:
    """Apply an entry to a state that nobody else has yet."""
    if entry.decision is Decision.LINKED:
        visitor, customer = entry.subjects
        state.linked[customer] = tuple(dict.fromkeys((*state.visitors(customer), visitor)))
        state.customers[visitor] = customer
        return
    if entry.decision is Decision.ERASED:
        _erase(state, entry)
        return
    for subject in entry.subjects:
        match entry.decision:
            case Decision.WITHDRAWN:
                state.withdrawn.setdefault(subject, entry.time)
            case Decision.RESTORED:
                state.withdrawn.pop(subject, None)
            case Decision.SWEPT:
                state.erasures[subject] = Erasure(state.erasure(subject).position, entry.position)
            case _:
                state.consents[subject] = _CONSENTS[entry.decision]


def _erase(state: LedgerState, entry: LedgerEntry) -> None:
    """Who comes back starts afresh, and has not been asked yet."""
    for subject in entry.subjects:
        state.consents.pop(subject, None)
        for visitor in state.linked.pop(subject, ()):
            if state.customers.get(visitor) == subject:
                del state.customers[visitor]
        state.erasures[subject] = Erasure(entry.position, entry.position)
    for customer in entry.subjects[:1]:
        state.erasures[customer] = Erasure(entry.position, entry.position, entry.subjects[1:])
