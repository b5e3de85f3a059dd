"""What people decided, as every call must heed it: followed in the ledger, and written there."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from recsvc.artifacts.ledger import Decision, Ledger, LedgerEntry, UncertainError
from recsvc.errors import ErasedMeanwhileError, StoreUnavailableError
from recsvc.logs import Logger
from recsvc.metrics import Metrics, Switch
from recsvc.service.ledger_state import DECISIONS, Consent, Erasure, LedgerState
from recsvc.service.poller import Poller
from recsvc.service.stopping import STOP_SECONDS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Heeded:
    """What had been decided of a person, up to a position of the ledger.

    Two are equal where the same was decided, whatever the ledger says of others in between.

    Attributes:
        position: how far the ledger was followed.
        person: who (a hash), ``""`` nobody in particular.
        is_visitor: whether that is a visitor.
        may_be_known: whether their history may be read.
        erasure: their last one.
    """

    position: int = field(compare=False)
    person: str = ""
    is_visitor: bool = False
    may_be_known: bool = False
    erasure: Erasure = field(default_factory=Erasure)


class Standing:
    """Follows the ledger of a registry; safe to share between threads.

    What is written here is heeded here at once. Where it lies in the ledger and cannot be read
    (``ledger_unreadable`` in the log), its caller hears that it is done, and it is heeded as other
    processes heed it: as soon as it can be read.

    Args:
        ledger: what is followed.
        consents_by_default: whether who was never asked counts as having consented.
        logger: told when the ledger cannot be read.
        now: the time, with a zone.
        metrics: told of that too, and of what cannot be written; None, nobody is.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        consents_by_default: bool,
        logger: Logger,
        now: Callable[[], datetime],
        metrics: Metrics | None = None,
    ) -> None:
        self._ledger = ledger
        self._consents_by_default = consents_by_default
        self._logger = logger
        self._now = now
        self._metrics = metrics
        self._is_unreadable = Switch(None if metrics is None else metrics.ledger_unreadable)
        self._lock = threading.Lock()
        self._state = LedgerState()
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
        return self._state.consent(customer)

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
        """Position of a customer's last erasure; 0 for who was never erased."""
        return self._state.erasure(customer).position

    def is_heeded(self, customer: str, position: int) -> bool:
        """Whether who heeds so much of the ledger heeds a customer's last erasure, to its end.

        A model that does not must not be asked about the customer.
        """
        return self._state.erasure(customer).end <= position

    def heeded(self, person: str, *, is_visitor: bool) -> Heeded:
        """What was decided of a person (a hash), as of now."""
        position = self.position  # first: what is decided meanwhile is looked at again
        may_be_known = self.allows_visitor(person) if is_visitor else self.allows(person)
        return Heeded(position, person, is_visitor, may_be_known, self._state.erasure(person))

    def still(self, heeded: Heeded) -> bool:
        """Whether nothing else has been decided of a person since."""
        if heeded.position == self.position:
            return True
        return heeded == self.heeded(heeded.person, is_visitor=heeded.is_visitor)

    def visitors(self, customer: str) -> tuple[str, ...]:
        """Visitors (hashes) who turned out to be a customer (a hash), since the last erasure."""
        return self._state.visitors(customer)

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

    def set_consent(
        self, customer: str, consent: Consent, heeds: int | None = None
    ) -> tuple[datetime, int]:
        """Record what a customer (a hash) has said, likewise.

        Args:
            customer: who.
            consent: what.
            heeds: up to which position the caller heeds erasures; None up to now.

        Raises:
            ErasedMeanwhileError: they were erased after ``heeds``, and this is no withdrawal,
                which always counts; nothing was recorded.
            StoreUnavailableError: the ledger cannot be written.
        """

        def said() -> LedgerEntry:
            is_late = heeds is not None and self.erased_at(customer) > heeds
            if is_late and consent is not Consent.WITHDRAWN:
                raise ErasedMeanwhileError("the customer was erased meanwhile; nothing was kept")
            return LedgerEntry(self._now(), DECISIONS[consent], (customer,))

        entry, position = self._decide(said)
        return entry.time, position

    def forget(
        self, customer: str, visitors: Iterable[str]
    ) -> tuple[datetime, int, tuple[str, ...]]:
        """Record that a customer and their visitors (hashes) are to be forgotten.

        Args:
            customer: who.
            visitors: who they were, as far as the caller knows.

        Returns:
            When that was, the position that has it, and all the visitors who they were: those whom
            any process has linked to the customer before that position are among them, and those
            of an erasure that was cut off.

        Raises:
            StoreUnavailableError: the ledger cannot be written.
        """

        def said() -> LedgerEntry:
            cut_off = self._state.erasure(customer).visitors
            known = dict.fromkeys((*visitors, *cut_off, *self.visitors(customer)))
            return LedgerEntry(self._now(), Decision.ERASED, (customer, *known))

        entry, position = self._decide(said)
        return entry.time, position, entry.subjects[1:]

    def swept(self, until: Mapping[str, int]) -> int:
        """Record that the stores hold nothing more of who was forgotten; return the position.

        Args:
            until: for each person (a hash) when the stores let go, by their own clock, unix
                milliseconds.

        Raises:
            StoreUnavailableError: the ledger cannot be written.
        """
        return self._append(
            [
                LedgerEntry(_EPOCH + timedelta(milliseconds=time), Decision.SWEPT, (person,))
                for person, time in until.items()
            ]
        )

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

    def stop(self, wait_seconds: float = STOP_SECONDS) -> None:
        """End the watching; what it is at is waited for so long."""
        self._poller.stop(wait_seconds)

    def follow(self) -> None:
        """Read on; what stands in the way is logged once, and what is known stays known."""
        complaint = ""
        try:
            self.refresh()
        except OSError as error:
            complaint = str(error)
            if complaint != self._complaint:
                self._logger.error("ledger_unreadable", error=complaint)  # noqa: TRY400  # says it all
        self._is_unreadable.turn(on=bool(complaint))
        self._complaint = complaint

    def _write(self, decision: Decision, subjects: Sequence[str]) -> tuple[datetime, int]:
        now = self._now()
        return now, self._append([LedgerEntry(now, decision, tuple(subjects))])

    def _append(self, entries: Sequence[LedgerEntry]) -> int:
        try:
            position = self._ledger.append(entries)
        except OSError as error:
            raise self._unwritable(error) from error
        self.follow()  # what cannot be read now holds all the same
        return position

    def _decide(self, said: Callable[[], LedgerEntry]) -> tuple[LedgerEntry, int]:
        """Write what depends on what was said before it, by anybody, and the position that has it.

        Args:
            said: makes the entry from the state; called anew where another's came in between.
        """
        position = None
        try:
            with self._lock:
                while position is None:
                    self._read_on()
                    entry = said()
                    position = self._ledger.append_after(self._state.position, [entry])
        except OSError as error:
            raise self._unwritable(error) from error
        self.follow()  # what cannot be read now holds all the same
        return entry, position

    def _read_on(self) -> None:
        """Apply what is new; readers see the state before or after, never between.

        Call it with the lock.
        """
        before = self._state
        # A ledger that has become shorter is another one, such as a copy from a backup.
        size = self._ledger.end()
        entries, position = self._ledger.read(before.position if size >= before.position else 0)
        if entries:
            self._state = before.after(entries, position)
        elif position != before.position:
            self._state = replace(before, position=position)
        self._size = max(size, position)

    def _unwritable(self, error: OSError) -> StoreUnavailableError:
        if self._metrics is not None:
            self._metrics.ledger_write_failures.inc()
        what = (
            "it may hold all the same"
            if isinstance(error, UncertainError)
            else "nothing was changed"
        )
        return StoreUnavailableError(f"the ledger cannot be written ({error}); {what}")
