"""The log of served lists: what is left by a call becomes a record, and no call waits for it."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.errors import StoreUnavailableError
from recsvc.service.ledger_state import Consent
from recsvc.service.ports import ServedLists
from recsvc.service.questions import Question, ServedFrom
from recsvc.service.served import ServedList
from recsvc.service.served_log import ServedLog
from recsvc.service.shopping import Outcome
from recsvc.service.standing import Standing
from recsvc.store.memory import InMemoryEventLog, InMemoryProfiles, InMemoryServedLists
from tests.bench import Bench
from tests.serving import Log, new_metrics, new_standing, small_registry, wait_until
from tests.shoppers import ANNA, GUEST, T0


class DeadLists(InMemoryServedLists):
    """A store that is not there, and says so in other words each time."""

    tries = count()

    def add(self, lists: Sequence[ServedList], heeds: int) -> list[Outcome]:  # noqa: ARG002  # the protocol's
        raise StoreUnavailableError(f"down for {len(lists)}, try {next(self.tries)}")


class FaultyLists(InMemoryServedLists):
    """A store with a fault that nobody has thought of, at the first use."""

    is_faulty = True

    def add(self, lists: Sequence[ServedList], heeds: int) -> list[Outcome]:
        if self.is_faulty:
            self.is_faulty = False
            raise RuntimeError("a fault")
        return super().add(lists, heeds)


class HeedfulLists(InMemoryServedLists):
    """A store that knows of an erasure that the caller has not heard of."""

    def add(self, lists: Sequence[ServedList], heeds: int = 0) -> list[Outcome]:
        return [Outcome.DROPPED_NO_CONSENT, Outcome.FULL, *super().add(lists[2:], heeds)]


class Meanwhile(InMemoryServedLists):
    """Somebody is erased by another process just when their list is written."""

    def __init__(self, standing: Standing) -> None:
        profiles = InMemoryProfiles()
        super().__init__(profiles)
        self._log = InMemoryEventLog(lambda: T0, profiles)
        self._standing = standing

    def add(self, lists: Sequence[ServedList], heeds: int) -> list[Outcome]:
        _, position, _ = self._standing.forget(ANNA.key, ())
        self._log.erase(ANNA.key, position)
        return super().add(lists, heeds)


class Kept:
    """A bench whose lists are kept, and where."""

    def __init__(
        self,
        registry: Registry,
        lists: ServedLists | None = None,
        sample: float = 1.0,
        room: int = 9,
    ) -> None:
        self.metrics, self.counts = new_metrics()
        self.logged = Log()
        self.standing = new_standing(registry)
        self.lists = lists or InMemoryServedLists()
        self.log = ServedLog(
            self.lists,
            self.standing,
            sample,
            metrics=self.metrics,
            logger=self.logged.logger,
            max_waiting=room,
        )
        self.bench = Bench(registry, served=self.log)

    def ask(self, **fields: object) -> str:
        question = Question(**{"customer_id": "anna"} | fields)  # type: ignore[arg-type]  # its fields
        return self.bench.ask(question).delivery.recommendation_id

    def count(self, outcome: str) -> float:
        return (
            self.counts.get_sample_value("recsvc_served_lists_total", {"outcome": outcome}) or 0.0
        )

    def write(self) -> None:
        """All that waits, and the end of the thread."""
        self.log.start()
        self.log.stop()


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return small_registry(tmp_path / "models")


def test_a_list_is_kept_as_it_was_given(registry: Registry) -> None:
    """From the cache with what it was made from, but for the scores, which nobody has any more."""
    kept = Kept(registry)
    names = [kept.ask(session_id="s"), kept.ask()]
    kept.write()
    first, second = (kept.lists.find(name) for name in names)
    assert first is not None
    assert second is not None
    assert (first.served_from, second.served_from) == (ServedFrom.MODEL, ServedFrom.CACHE)
    assert first.product_ids == second.product_ids
    assert len(first.scores) == len(first.product_ids)
    assert second.scores == ()
    assert first.question.session_id == ""
    assert (first.shopper, first.is_known, first.version_id) == (ANNA.key, True, "v1")
    assert kept.count("kept") == 2


def test_a_full_queue_drops_and_waits_for_nobody(registry: Registry) -> None:
    """Nothing writes here: what there is no room for is counted, and every call is answered."""
    kept = Kept(registry, room=2)
    for _ in range(5):
        kept.ask()
    assert kept.count("dropped") == 3


@pytest.mark.parametrize("sample", [0.0, 0.3])
def test_a_share_of_the_lists_is_kept(registry: Registry, sample: float) -> None:
    """Chosen by their names."""
    kept = Kept(registry, sample=sample, room=1_000)
    names = [kept.ask() for _ in range(200)]
    kept.write()
    found = {name for name in names if kept.lists.find(name)}
    assert found == {name for name in names if kept.log.wants(name)}
    assert len(found) == pytest.approx(200 * sample, abs=30)


def test_lists_of_who_does_not_consent_are_not_kept(registry: Registry) -> None:
    """Nor those of their visits unnamed; those of nobody in particular are."""
    kept = Kept(registry)
    kept.standing.link(GUEST.key, ANNA.key)
    kept.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    kept.bench.standing.refresh()
    kept.ask(basket=("milk",))
    kept.ask(customer_id="", visitor_id="guest")
    name = kept.ask(customer_id="", basket=("milk",))
    kept.write()
    assert [served.recommendation_id for served in kept.lists.every()] == [name]


@pytest.mark.parametrize(
    "who", [{"customer_id": "anna"}, {"customer_id": "", "visitor_id": "guest"}]
)
@pytest.mark.parametrize("says", ["erase", "withdraw"])
def test_who_is_erased_or_says_no_before_it_is_written_is_forgotten(
    registry: Registry, who: dict[str, str], says: str
) -> None:
    """The call was answered before, and its list waited."""
    kept = Kept(registry)
    kept.standing.link(GUEST.key, ANNA.key)
    kept.bench.standing.refresh()
    kept.ask(**who)
    if says == "erase":
        kept.standing.forget(GUEST.key, (ANNA.key,))
    else:
        kept.standing.set_consent(ANNA.key, Consent.WITHDRAWN)
    kept.write()
    assert list(kept.lists.every()) == []
    assert kept.count("forgotten") == 1


def test_who_is_erased_while_it_is_written_is_forgotten(registry: Registry) -> None:
    """The store itself refuses it, though the erasure had looked before there was any to find."""
    kept = Kept(registry, Meanwhile(new_standing(registry)))
    kept.ask()
    kept.write()
    assert list(kept.lists.every()) == []


def test_what_the_store_refuses_is_counted_by_its_reason(registry: Registry) -> None:
    """Who was erased has not met a store that is full."""
    kept = Kept(registry, HeedfulLists())
    for _ in range(4):
        kept.ask()
    kept.write()
    counts = {outcome: kept.count(outcome) for outcome in ("kept", "dropped", "forgotten")}
    assert counts == {"kept": 2, "dropped": 1, "forgotten": 1}


def test_a_store_that_is_down_is_said_once(registry: Registry) -> None:
    """And counted each time."""
    kept = Kept(registry, DeadLists())
    kept.log.start()
    for number in (1, 2):
        kept.ask()
        wait_until(lambda number=number: kept.count("failed") == number)  # type: ignore[misc]  # a default
    kept.log.stop()
    assert len(kept.logged.lines("served_lists_not_written")) == 1


def test_an_end_where_nothing_waits_asks_for_nothing(registry: Registry) -> None:
    """A store that has ended before is no fault then."""
    kept = Kept(registry, DeadLists())
    kept.log.start()
    kept.log.stop(0.0)
    kept.log.stop()
    assert not kept.logged.lines("served_lists_not_written")


def test_lists_are_kept_after_a_fault(registry: Registry) -> None:
    """The thread says what went wrong, and goes on."""
    kept = Kept(registry, FaultyLists())
    kept.log.start()
    kept.ask()
    wait_until(lambda: kept.count("failed") == 1)
    name = kept.ask()
    kept.log.stop()
    assert kept.lists.find(name) is not None
    assert len(kept.logged.lines("served_list_failed")) == 1
