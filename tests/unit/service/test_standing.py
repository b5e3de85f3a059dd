"""What people decided: written once, followed by every process."""

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from time import sleep

import pytest

from recsvc.artifacts.ledger import Decision, Ledger, LedgerEntry
from recsvc.artifacts.registry import Registry
from recsvc.errors import ErasedMeanwhileError, StoreUnavailableError
from recsvc.service.ledger_state import Consent
from recsvc.service.standing import Standing
from tests.serving import NOW, Log, new_metrics, new_standing, wait_until
from tests.unit.artifacts.faulty_disk import Fault, FaultyDisk

ANNA, BEN = "8f2e", "c41a"


@pytest.fixture
def standing(registry: Registry) -> Standing:
    return new_standing(registry)


@pytest.fixture
def other(registry: Registry) -> Standing:
    """Another process over the same file."""
    return new_standing(registry)


def test_nothing_decided_is_nothing_known(standing: Standing) -> None:
    """A registry without a ledger is a beginning, not an error."""
    standing.refresh()
    assert (standing.position, standing.withdrawn, standing.restored_at) == (0, {}, 0)
    assert standing.consent(ANNA) is Consent.UNKNOWN
    assert standing.erased_at(ANNA) == 0


def test_what_is_withdrawn_is_so_until_it_is_restored(standing: Standing) -> None:
    """At once where it was decided, with the time of the first recall."""
    time, first = standing.withdraw(["milk", "tea"])
    assert time == NOW
    assert standing.withdrawn == {"milk": NOW, "tea": NOW}
    _, second = standing.restore(["milk", "unheard-of"])
    assert standing.withdrawn == {"tea": NOW}
    assert 0 < first < second == standing.position == standing.restored_at


@pytest.mark.parametrize("by_default", [True, False])
def test_consent_is_what_was_said_last(registry: Registry, *, by_default: bool) -> None:
    """Who was never asked, or is unknown again, is treated as the shop has set it."""
    standing = new_standing(registry, consents_by_default=by_default)
    assert standing.allows(ANNA) is by_default
    for consent, allowed in (
        (Consent.WITHDRAWN, False),
        (Consent.GRANTED, True),
        (Consent.UNKNOWN, by_default),
    ):
        standing.set_consent(ANNA, consent)
        assert standing.consent(ANNA) is consent
        assert standing.allows(ANNA) is allowed
    assert standing.consent(BEN) is Consent.UNKNOWN


def test_an_erasure_forgets_what_was_said(standing: Standing) -> None:
    """Who comes back has not been asked yet; when they were erased stays known."""
    standing.set_consent(ANNA, Consent.WITHDRAWN)
    _, position, _ = standing.forget(ANNA, (BEN,))
    assert standing.consent(ANNA) is Consent.UNKNOWN
    assert standing.erased_at(ANNA) == standing.erased_at(BEN) == position


def test_another_process_hears_of_it_when_it_reads_on(standing: Standing, other: Standing) -> None:
    """Both then know the same, whoever decided it."""
    standing.withdraw(["milk"])
    other.set_consent(ANNA, Consent.GRANTED)  # which reads on, too
    assert other.withdrawn == standing.withdrawn
    assert standing.consent(ANNA) is Consent.UNKNOWN
    standing.refresh()
    assert standing.consent(ANNA) is Consent.GRANTED
    assert standing.position == other.position


def test_a_position_is_seen_by_reading_on(standing: Standing, other: Standing) -> None:
    """What a token stands for is looked for at once; what does not exist is not seen."""
    _, position = standing.withdraw(["milk"])
    assert not other.withdrawn
    assert other.sees(0)
    assert not other.withdrawn  # nobody had asked for it
    assert other.sees(position)
    assert other.withdrawn == {"milk": NOW}
    assert not other.sees(position + 1)


def test_all_processes_agree_on_when_it_was(
    registry: Registry, standing: Standing, other: Standing
) -> None:
    """Reading one by one, all at once, or after a restart gives the same positions."""
    _, erased, _ = standing.forget(ANNA, ())
    other.refresh()
    standing.withdraw(["milk"])
    _, restored = standing.restore(["milk"])
    standing.forget(BEN, ())
    other.refresh()
    restarted = new_standing(registry)
    restarted.refresh()
    for one in (standing, other, restarted):
        assert (one.erased_at(ANNA), one.restored_at) == (erased, restored)
        assert one.position == one.erased_at(BEN) > restored


def test_a_line_that_was_torn_is_left_out(registry: Registry, standing: Standing) -> None:
    """What a crash left behind hides nothing of what follows it."""
    standing.withdraw(["milk"])
    path = registry.root / "ledger.jsonl"
    with path.open("ab") as file:
        file.write(b'{"time": "2026-')
    standing.refresh()
    assert standing.withdrawn == {"milk": NOW}
    _, position = standing.withdraw(["tea"])
    assert standing.withdrawn.keys() == {"milk", "tea"}
    assert standing.sees(position)


class CountedLedger(Ledger):
    """A ledger that counts how often it is read, slowly if that is wanted."""

    n_reads = 0
    seconds = 0.0

    def read(self, position: int) -> tuple[list[LedgerEntry], int]:
        self.n_reads += 1
        sleep(self.seconds)
        return super().read(position)


def counted(registry: Registry) -> tuple[CountedLedger, Standing]:
    ledger = CountedLedger(registry.root / "ledger.jsonl")
    standing = Standing(ledger, consents_by_default=True, logger=Log().logger, now=lambda: NOW)
    return ledger, standing


def test_a_line_that_was_torn_is_read_once(registry: Registry, standing: Standing) -> None:
    """Every call asks whether anything is new: nothing is, until the next entry."""
    standing.withdraw(["milk"])
    with (registry.root / "ledger.jsonl").open("ab") as file:
        file.write(b'{"time": "2026-')
    ledger, reading = counted(registry)
    for _ in range(3):
        reading.refresh()
    assert ledger.n_reads == 1
    assert reading.withdrawn == {"milk": NOW}
    known = reading.withdrawn
    with (registry.root / "ledger.jsonl").open("ab") as file:
        file.write(b"11-")
    reading.refresh()
    assert reading.withdrawn is known  # nothing was copied
    standing.withdraw(["tea"])
    reading.refresh()
    assert reading.withdrawn.keys() == {"milk", "tea"}
    assert reading.position == standing.position


def test_what_is_new_is_read_by_one_of_many(registry: Registry, standing: Standing) -> None:
    """Callers who wait for it while another reads have it then."""
    ledger, reading = counted(registry)
    ledger.seconds = 0.02
    standing.withdraw(["milk"])
    together = threading.Barrier(8)

    def ask() -> dict[str, datetime]:
        together.wait()
        reading.refresh()
        return reading.withdrawn

    with ThreadPoolExecutor(8) as pool:
        found = [future.result() for future in [pool.submit(ask) for _ in range(8)]]
    assert found == [{"milk": NOW}] * 8
    assert ledger.n_reads == 1


def test_a_ledger_from_a_backup_is_read_from_its_start(
    registry: Registry, standing: Standing
) -> None:
    """It is shorter than what was read: what is decided from then on counts all the same."""
    standing.withdraw(["milk"])
    path = registry.root / "ledger.jsonl"
    backup = path.read_bytes()
    standing.withdraw(["a-product-with-a-long-name-" + "x" * 200])
    path.write_bytes(backup)
    standing.withdraw(["tea"])
    assert {"milk", "tea"} <= standing.withdrawn.keys()


def test_a_ledger_that_is_gone_recalls_nothing_back(registry: Registry, standing: Standing) -> None:
    """A disk that went away for a moment brings no withdrawn product back into the lists."""
    standing.withdraw(["milk"])
    path = registry.root / "ledger.jsonl"
    content = path.read_bytes()
    path.unlink()
    standing.refresh()
    assert standing.withdrawn == {"milk": NOW}
    path.write_bytes(content)
    standing.refresh()
    assert standing.withdrawn == {"milk": NOW}
    assert standing.position == len(content)


@pytest.fixture
def unreadable(registry: Registry) -> Iterator[None]:
    """A ledger that no process can open, not even one of root's."""
    (registry.root / "ledger.jsonl").mkdir()
    yield
    (registry.root / "ledger.jsonl").rmdir()


@pytest.mark.usefixtures("unreadable")
def test_a_decision_that_cannot_be_written_is_none(standing: Standing) -> None:
    """The caller hears that it may try again, and nothing has changed."""
    with pytest.raises(StoreUnavailableError, match="nothing was changed"):
        standing.withdraw(["milk"])
    assert not standing.withdrawn


@pytest.mark.usefixtures("unreadable")
def test_a_ledger_that_cannot_be_read_is_said_once(registry: Registry) -> None:
    """Not four times a second, nor for each token; when it can be read again it is read."""
    log = Log()
    standing = new_standing(registry, log)
    with pytest.raises(IsADirectoryError):
        standing.refresh()
    assert not standing.sees(1)
    assert not standing.sees(1)
    (line,) = log.lines("ledger_unreadable")
    assert "ledger.jsonl" in line["error"]


def test_the_metrics_say_whether_the_ledger_can_be_read_and_written(registry: Registry) -> None:
    """As of the last look, and each decision that was refused; of those that hold none."""
    metrics, numbers = new_metrics()
    standing = Standing(
        registry.ledger,
        consents_by_default=True,
        logger=Log().logger,
        now=lambda: NOW,
        metrics=metrics,
    )

    def told() -> tuple[float | None, float | None]:
        n_refused = numbers.get_sample_value("recsvc_ledger_write_failures_total")
        return numbers.get_sample_value("recsvc_ledger_unreadable"), n_refused

    assert told() == (0, 0)
    path = registry.root / "ledger.jsonl"
    path.mkdir()
    standing.follow()
    assert told() == (1, 0)
    with pytest.raises(StoreUnavailableError):
        standing.withdraw(["milk"])
    with pytest.raises(StoreUnavailableError):
        standing.set_consent(ANNA, Consent.WITHDRAWN)
    assert told() == (1, 2)
    path.rmdir()
    standing.withdraw(["milk"])
    assert told() == (0, 2)


def test_the_ledger_is_watched(registry: Registry, standing: Standing, other: Standing) -> None:
    """Without being asked, over a time in which it could not be read, and until it is stopped."""
    path = registry.root / "ledger.jsonl"
    path.mkdir()
    other.watch(0.01)
    path.rmdir()
    standing.withdraw(["milk"])
    wait_until(lambda: bool(other.withdrawn))
    other.stop()
    standing.restore(["milk"])
    assert other.withdrawn == {"milk": NOW}


def test_who_never_watched_can_stop(standing: Standing) -> None:
    """A worker whose start failed stops like any other."""
    standing.stop()


def test_subjects_of_one_entry_are_decided_together(registry: Registry, standing: Standing) -> None:
    """Another writer's entries count in the order in which they lie there."""
    registry.ledger.append(
        [
            LedgerEntry(NOW, Decision.WITHDRAWN, ("milk", "tea")),
            LedgerEntry(NOW, Decision.RESTORED, ("milk",)),
            LedgerEntry(NOW, Decision.CONSENT_GRANTED, (ANNA,)),
        ]
    )
    standing.refresh()
    assert standing.withdrawn.keys() == {"tea"}
    assert standing.consent(ANNA) is Consent.GRANTED


def test_a_visitor_is_linked_once(standing: Standing, other: Standing) -> None:
    """In every process, however often it is said, and until the customer is erased."""
    assert standing.visitors(ANNA) == ()
    position = standing.link("guest", ANNA)
    assert standing.link("guest", ANNA) == position == standing.position
    standing.link("tablet", ANNA)
    other.refresh()
    for process in (standing, other):
        assert process.visitors(ANNA) == ("guest", "tablet")
        assert process.visitors(BEN) == ()
    standing.forget(ANNA, ())
    assert standing.visitors(ANNA) == ()
    standing.link("guest", ANNA)
    assert standing.visitors(ANNA) == ("guest",)


@pytest.mark.parametrize("by_default", [True, False])
def test_a_visitor_goes_by_the_word_of_the_customer(
    registry: Registry, *, by_default: bool
) -> None:
    """Of the last one linked, until that one is erased; of a stranger nobody knows whose word."""
    standing = new_standing(registry, consents_by_default=by_default)
    assert standing.allows_visitor("tablet")
    standing.link("tablet", ANNA)
    assert standing.allows_visitor("tablet") is by_default
    standing.set_consent(ANNA, Consent.WITHDRAWN)
    standing.set_consent(BEN, Consent.GRANTED)
    assert not standing.allows_visitor("tablet")
    standing.link("tablet", BEN)
    assert standing.allows_visitor("tablet")
    standing.link("tablet", ANNA)
    assert not standing.allows_visitor("tablet")
    assert standing.visitors(ANNA) == standing.visitors(BEN) == ("tablet",)
    standing.forget(BEN, ())
    assert not standing.allows_visitor("tablet")
    standing.forget(ANNA, ())
    assert standing.allows_visitor("tablet")


class RacedLedger(Ledger):
    """The file of a registry, which another process writes to just before each of some entries."""

    def __init__(self, path: Path, others: list[LedgerEntry]) -> None:
        super().__init__(path)
        self._others = others

    def append_after(self, position: int, entries: Sequence[LedgerEntry]) -> int | None:
        if self._others:
            super().append([self._others.pop(0)])
        return super().append_after(position, entries)


def raced(registry: Registry, *others: LedgerEntry) -> Standing:
    """Return what decides just after others do."""
    return Standing(
        RacedLedger(registry.root / "ledger.jsonl", list(others)),
        consents_by_default=True,
        logger=Log().logger,
        now=lambda: NOW,
    )


def test_who_is_linked_while_a_customer_is_forgotten_is_forgotten_too(registry: Registry) -> None:
    """The order of the ledger decides, whoever had read it how far."""
    late = [LedgerEntry(NOW, Decision.LINKED, (name, ANNA)) for name in ("tablet", "phone")]
    stranger = LedgerEntry(NOW, Decision.LINKED, ("theirs", BEN))
    standing = raced(registry, *late, stranger)
    _, position, visitors = standing.forget(ANNA, ["guest"])
    assert visitors == ("guest", "tablet", "phone")
    assert standing.visitors(ANNA) == ()
    assert standing.visitors(BEN) == ("theirs",)
    for person in (ANNA, *visitors):
        assert standing.erased_at(person) == position == standing.position


@pytest.mark.parametrize("consent", Consent)
def test_a_late_word_counts_only_if_it_is_no(registry: Registry, consent: Consent) -> None:
    """Who does not heed an erasure grants nothing of who was erased; who does may."""
    standing = raced(registry, LedgerEntry(NOW, Decision.ERASED, (ANNA, BEN)))
    if consent is Consent.WITHDRAWN:
        standing.set_consent(ANNA, consent, 0)
    else:
        with pytest.raises(ErasedMeanwhileError):
            standing.set_consent(ANNA, consent, 0)
        assert standing.position == standing.erased_at(ANNA)
    assert standing.allows(ANNA) is (consent is not Consent.WITHDRAWN)
    standing.set_consent(BEN, consent, standing.position)
    assert standing.consent(BEN) is consent


def test_the_end_of_an_erasure_voids_nothing(standing: Standing, other: Standing) -> None:
    """What was said after the erasure stays; a model has to heed the end as well."""
    standing.link("guest", ANNA)
    _, position, visitors = standing.forget(ANNA, ())
    standing.link("tablet", ANNA)
    standing.set_consent(ANNA, Consent.WITHDRAWN)
    end = standing.swept(dict.fromkeys((*visitors, ANNA), 1_700_000_000_123))
    other.refresh()
    for process in (standing, other):
        assert process.visitors(ANNA) == ("tablet",)
        assert process.consent(ANNA) is Consent.WITHDRAWN
        assert process.erased_at(ANNA) == process.erased_at("guest") == position
        assert not process.is_heeded(ANNA, end - 1)
        assert process.is_heeded(ANNA, end)
        assert process.is_heeded(BEN, 0)


def test_an_erasure_that_was_cut_off_is_finished_with_its_visitors(standing: Standing) -> None:
    """However often it was begun; once it has come to its end they are their own again."""
    standing.link("guest", ANNA)
    for _ in range(2):
        assert standing.forget(ANNA, ())[2] == ("guest",)
    standing.swept({ANNA: 1})
    assert standing.forget(ANNA, ())[2] == ()


@pytest.mark.usefixtures("unreadable")
def test_nobody_is_forgotten_by_a_ledger_that_cannot_be_written(standing: Standing) -> None:
    """The caller hears that it may try again."""
    with pytest.raises(StoreUnavailableError, match="nothing was changed"):
        standing.forget(ANNA, [])


class UnreadLedger(Ledger):
    """A ledger that cannot be read from its next entry on, until that is mended."""

    is_armed = False
    n_failures = 0

    def append(self, entries: Sequence[LedgerEntry]) -> int:
        self.is_armed = True
        return super().append(entries)

    def append_after(self, position: int, entries: Sequence[LedgerEntry]) -> int | None:
        self.is_armed = True
        return super().append_after(position, entries)

    def read(self, position: int) -> tuple[list[LedgerEntry], int]:
        if self.is_armed:
            self.n_failures += 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().read(position)


@pytest.mark.parametrize(
    ("decide", "decision"),
    [
        (lambda standing: standing.withdraw([ANNA])[1], Decision.WITHDRAWN),
        (lambda standing: standing.swept({ANNA: 1}), Decision.SWEPT),
        (lambda standing: standing.link(ANNA, BEN), Decision.LINKED),
        (lambda standing: standing.forget(ANNA, ())[1], Decision.ERASED),
        (
            lambda standing: standing.set_consent(ANNA, Consent.WITHDRAWN)[1],
            Decision.CONSENT_WITHDRAWN,
        ),
    ],
)
def test_a_decision_that_cannot_be_read_back_holds(
    registry: Registry, decide: Callable[[Standing], int], decision: Decision
) -> None:
    """It is in the ledger: its caller hears so, and it is heeded once it can be read."""
    ledger, log = UnreadLedger(registry.root / "ledger.jsonl"), Log()
    standing = Standing(ledger, consents_by_default=True, logger=log.logger, now=lambda: NOW)
    position = decide(standing)
    assert ledger.n_failures == 1
    assert len(log.lines("ledger_unreadable")) == 1
    (entry,) = registry.ledger.read(0)[0]
    assert (entry.decision, entry.subjects[0], entry.position) == (decision, ANNA, position)
    assert not standing.sees(position)
    ledger.is_armed = False
    standing.follow()
    assert standing.position == position


def test_a_decision_that_is_not_flushed_may_hold(
    registry: Registry, standing: Standing, tmp_path: Path
) -> None:
    """Its caller is told so, and every process heeds it."""
    with (
        FaultyDisk(registry.root, Fault.UNFLUSHED, 4, tmp_path / "left"),
        pytest.raises(StoreUnavailableError, match="it may hold all the same"),
    ):
        standing.withdraw(["tea"])
    standing.refresh()
    assert standing.withdrawn.keys() == {"tea"}
