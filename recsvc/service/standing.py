"""What people decided, as every call must heed it: recalls, consent, erasures."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from recsvc.artifacts.ledger import Decision, Ledger, LedgerEntry
from recsvc.errors import StoreUnavailableError
from recsvc.logs import Logger
from recsvc.service.poller import Poller


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
_DECISIONS = {consent: decision for decision, consent in _CONSENTS.items()}


@dataclass(slots=True)
class _State:
    """Everything that the ledger says up to a position."""

    position: int = 0
    withdrawn: dict[str, datetime] = field(default_factory=dict)
    restored_at: int = 0
    consents: dict[str, Consent] = field(default_factory=dict)
    erased: dict[str, int] = field(default_factory=dict)
    visitors: dict[str, tuple[str, ...]] = field(default_factory=dict)
    customers: dict[str, str] = field(default_factory=dict)


class Standing:
    """Follows the ledger of a registry; safe to share between threads.

    Args:
        ledger: what is followed.
        consents_by_default: whether who was never asked counts as having consented.
        logger: told when the ledger cannot be read.
        now: the time, with a zone.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        consents_by_default: bool,
        logger: Logger,
        now: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._consents_by_default = consents_by_default
        self._logger = logger
        self._now = now
        self._lock = threading.Lock()
        self._state = _State()
        # How large the ledger was when it was read last: more than the position where its last
        # line is torn, or being written.
        self._size = 0
        self._complaint = ""
        self._poller = Poller("ledger-watcher", logger)

    @property
    def position(self) -> int:
        """How far the ledger has been followed."""
        return self._state.position

    @property
    def withdrawn(self) -> dict[str, datetime]:
        """The products that must not be shown, and since when; do not change it."""
        return self._state.withdrawn

    @property
    def restored_at(self) -> int:
        """Position of the last :meth:`restore`; lists from before it lack what it brought back."""
        return self._state.restored_at

    def consent(self, customer: str) -> Consent:
        """What a customer (a hash) has said."""
        return self._state.consents.get(customer, Consent.UNKNOWN)

    def allows(self, customer: str) -> bool:
        """Whether a customer's history may be read and written."""
        consent = self.consent(customer)
        if consent is Consent.UNKNOWN:
            return self._consents_by_default
        return consent is Consent.GRANTED

    def allows_visitor(self, visitor: str) -> bool:
        """Whether a visitor's history (a hash) may be read and written.

        A visitor whose last link was to a customer is that customer, whose word counts; of any
        other nobody knows who it is, and who calls answers for naming them.
        """
        customer = self._state.customers.get(visitor)
        return customer is None or self.allows(customer)

    def erased_at(self, customer: str) -> int:
        """Position of a customer's last erasure; 0 for who was never erased.

        A model that was trained before it must not be asked about the customer.
        """
        return self._state.erased.get(customer, 0)

    def visitors(self, customer: str) -> tuple[str, ...]:
        """Visitors (hashes) who turned out to be a customer (a hash), since the last erasure."""
        return self._state.visitors.get(customer, ())

    def refresh(self) -> None:
        """Read on, if there is anything new.

        Raises:
            OSError: the ledger cannot be read.
        """
        if self._ledger.end() == self._size:
            return
        with self._lock:
            if self._ledger.end() != self._size:  # unless who had the lock has read it
                self._read_on()

    def sees(self, position: int) -> bool:
        """Read on as far as a position, and tell whether everything up to it is known."""
        if position > self._state.position:
            self.follow()
        return position <= self._state.position

    def withdraw(self, product_ids: Sequence[str]) -> tuple[datetime, int]:
        """Recall products; return when that was, and the position that has it."""
        return self._write(Decision.WITHDRAWN, product_ids)

    def restore(self, product_ids: Sequence[str]) -> tuple[datetime, int]:
        """Undo :meth:`withdraw`, likewise."""
        return self._write(Decision.RESTORED, product_ids)

    def set_consent(self, customer: str, consent: Consent) -> tuple[datetime, int]:
        """Record what a customer (a hash) has said, likewise."""
        return self._write(_DECISIONS[consent], (customer,))

    def erase(self, people: Iterable[str]) -> tuple[datetime, int]:
        """Record that people (hashes) are to be forgotten, likewise."""
        return self._write(Decision.ERASED, tuple(people))

    def forget(
        self, customer: str, visitors: Iterable[str]
    ) -> tuple[datetime, int, tuple[str, ...]]:
        """Record that a customer and their visitors (hashes) are to be forgotten.

        Args:
            customer: who.
            visitors: who they were, as far as the caller knows.

        Returns:
            When that was, the position that has it, and all the visitors who they were: those whom
            any process has linked to the customer before that position are among them.
        """
        found = dict.fromkeys(visitors)
        try:
            with self._lock:
                self._read_on()
                found |= dict.fromkeys(self.visitors(customer))
                while True:
                    subjects = (customer, *found)
                    now, position, entries = self._decide(Decision.ERASED, subjects)
                    late = {
                        entry.subjects[0]
                        for entry in entries
                        if entry.decision is Decision.LINKED
                        and entry.subjects[1] == customer
                        and entry.position < position
                    }
                    if late <= found.keys():
                        return now, position, tuple(found)
                    found |= dict.fromkeys(late)
        except OSError as error:
            raise _unwritable(error) from error

    def link(self, visitor: str, customer: str) -> int:
        """Record that a visitor is a customer (hashes); return a position that has it.

        Saying again what was said last changes nothing. An erasure of either that comes after it
        lies beyond that position.
        """
        state = self._state
        if state.customers.get(visitor) == customer:
            return state.position
        return self._write(Decision.LINKED, (visitor, customer))[1]

    def watch(self, interval_seconds: float) -> None:
        """Follow the ledger from a thread of its own, until ``stop``."""
        self._poller.start(self.follow, interval_seconds)

    def stop(self) -> None:
        """End the watching."""
        self._poller.stop()

    def follow(self) -> None:
        """Read on; what stands in the way is logged once, and what is known stays known."""
        complaint = ""
        try:
            self.refresh()
        except OSError as error:
            complaint = str(error)
            if complaint != self._complaint:
                self._logger.error("ledger_unreadable", error=complaint)  # noqa: TRY400  # says it all
        self._complaint = complaint

    def _write(self, decision: Decision, subjects: Sequence[str]) -> tuple[datetime, int]:
        try:
            with self._lock:
                now, position, _ = self._decide(decision, subjects)
        except OSError as error:
            raise _unwritable(error) from error
        return now, position

    def _decide(
        self, decision: Decision, subjects: Sequence[str]
    ) -> tuple[datetime, int, list[LedgerEntry]]:
        """Write an entry and read on; when, the position that has it, and what was read."""
        now = self._now()
        position = self._ledger.append([LedgerEntry(now, decision, tuple(subjects))])
        return now, position, self._read_on()

    def _read_on(self) -> list[LedgerEntry]:
        """Apply what is new, and return it; readers see the state before or after, never between.

        Call it with the lock.
        """
        before = self._state
        # A ledger that has become shorter is another one, such as a copy from a backup.
        size = self._ledger.end()
        entries, position = self._ledger.read(before.position if size >= before.position else 0)
        if entries:
            self._state = self._after(entries, position)
        elif position != before.position:
            self._state = replace(before, position=position)
        self._size = max(size, position)
        return entries

    def _after(self, entries: Iterable[LedgerEntry], position: int) -> _State:
        """The state that entries lead to."""
        before = self._state
        after = _State(
            position,
            dict(before.withdrawn),
            before.restored_at,
            dict(before.consents),
            dict(before.erased),
            dict(before.visitors),
            dict(before.customers),
        )
        for entry in entries:
            _apply(after, entry)
        return after


def _unwritable(error: OSError) -> StoreUnavailableError:
    return StoreUnavailableError(f"the ledger cannot be written ({error}); nothing was changed")


def _apply(state: _State, entry: LedgerEntry) -> None:
    if entry.decision is Decision.LINKED:
        visitor, customer = entry.subjects
        known = state.visitors.get(customer, ())
        state.visitors[customer] = tuple(dict.fromkeys((*known, visitor)))
        state.customers[visitor] = customer
        return
    for subject in entry.subjects:
        match entry.decision:
            case Decision.WITHDRAWN:
                state.withdrawn.setdefault(subject, entry.time)
            case Decision.RESTORED:
                state.withdrawn.pop(subject, None)
                state.restored_at = entry.position
            case Decision.ERASED:
                # Who comes back starts afresh, and has not been asked yet.
                state.consents.pop(subject, None)
                for visitor in state.visitors.pop(subject, ()):
                    if state.customers.get(visitor) == subject:
                        del state.customers[visitor]
                state.erased[subject] = entry.position
            case _:
                state.consents[subject] = _CONSENTS[entry.decision]
