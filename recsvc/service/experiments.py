"""Which variant of which experiment a question belongs to, and what variants need to answer."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from recsvc.artifacts.documents import Documents
from recsvc.artifacts.experiment_shelf import running
from recsvc.artifacts.experiments import Experiment, Variant
from recsvc.artifacts.version_ids import CURRENT
from recsvc.core.assignment import takes_part, variant_of
from recsvc.core.rules import Rulebook
from recsvc.errors import RecsvcError
from recsvc.logs import Logger
from recsvc.metrics import Metrics
from recsvc.service.models import LoadedModel, ModelSlot
from recsvc.service.poller import Poller
from recsvc.service.questions import Question
from recsvc.service.shelf_watch import ShelfWatch
from recsvc.service.shop_rules import ShopRules
from recsvc.service.stopping import STOP_SECONDS

UNKNOWN_EXPERIMENT = "UNKNOWN_EXPERIMENT"
VARIANT_UNAVAILABLE = "VARIANT_UNAVAILABLE"

_RETRY_SECONDS = 30.0

_Loaded = TypeVar("_Loaded")


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the lot has given a shopper.

    Attributes:
        experiment: of what.
        index: of the variant.
        loaded: the model of the variant; None for the current one.
        book: the rules of the variant; None for those in force.
        is_lacking: whether the variant has a model or rules of its own that cannot be had.
    """

    experiment: Experiment
    index: int
    loaded: LoadedModel | None = None
    book: Rulebook | None = None
    is_lacking: bool = False

    @property
    def variant(self) -> Variant:
        """The variant."""
        return self.experiment.variants[self.index]

    def shaped(self, question: Question) -> Question:
        """A question as the variant answers it, where the caller leaves that open."""
        diversity = self.variant.diversity
        if diversity is None or question.diversity is not None:
            return question
        return question._replace(diversity=diversity)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the threads of a process see, all of it of one moment."""

    experiments: tuple[Experiment, ...] = ()
    models: Mapping[str, LoadedModel] = field(default_factory=dict)
    books: Mapping[str, Rulebook] = field(default_factory=dict)

    def is_as(self, other: "_Known") -> bool:
        """Whether another knows the same experiments, with the very same models and rules."""
        return (
            self.experiments == other.experiments
            and _are_same(self.models, other.models)
            and _are_same(self.books, other.books)
        )


class Experiments:
    """Follows the experiments of a registry; safe to share between threads.

    The models and rules of an experiment's variants are loaded before it begins here. Where one
    cannot be, what is current stands in for it, the response says so, and it is tried again.

    Args:
        shelf: where experiments lie.
        slot: loads models.
        rules: reads rules, and looks them up before they are asked for.
        logger: told of what begins, ends and fails.
        metrics: counts lists by variant, and failures.
        before_serving: called with all models of variants before they answer.
        monotonic: monotonic seconds.
    """

    def __init__(
        self,
        shelf: Documents,
        slot: ModelSlot,
        rules: ShopRules,
        *,
        logger: Logger,
        metrics: Metrics,
        before_serving: Callable[[Sequence[LoadedModel]], object] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shelf = shelf
        self._slot = slot
        self._rules = rules
        self._logger = logger
        self._metrics = metrics
        self._before_serving = before_serving
        self._lock = threading.Lock()  # held by who follows, never by who asks
        self._known = _Known()
        self._watch = ShelfWatch(shelf, retry_seconds=_RETRY_SECONDS, monotonic=monotonic)
        self._lacking: dict[tuple[str, str], str] = {}  # by kind and version, why
        self._said: dict[str, list[str]] = {}
        self._poller = Poller("experiment-watcher", logger)

    def assign(
        self,
        question: Question,
        unit: str,
        now: float,
        segments: Callable[[], frozenset[str]] = frozenset,
    ) -> Assignment | None:
        """The variant of the first experiment that the question belongs to; None for none.

        Args:
            question: what is asked.
            unit: what stands for the shopper; ``""`` where nobody in particular asks.
            now: unix seconds.
            segments: gives those of the shopper.
        """
        known = self._known
        if not unit:
            return None
        for experiment in known.experiments:
            if question.experiment_id not in {"", experiment.experiment_id}:
                continue
            who = experiment.participants
            if (
                experiment.is_on(now)
                and who.include(question.channel, question.placement_id, question.location)
                and takes_part(experiment.lot, unit, who.share)
                and (not who.segments or not segments().isdisjoint(who.segments))
            ):
                index = variant_of(experiment.lot, unit, experiment.weights)
                return _assignment(experiment, index, known)
        return None

    @property
    def are_known(self) -> bool:
        """Whether there is any, be it one that has not begun yet."""
        return bool(self._known.experiments)

    def knows(self, experiment_id: str, now: float) -> bool:
        """Whether an experiment runs at a moment, unix seconds."""
        return any(
            each.experiment_id == experiment_id and each.is_on(now)
            for each in self._known.experiments
        )

    @property
    def moment(self) -> object:
        """Another object whenever other experiments, models or rules of variants are known."""
        return self._known

    def unchanged_until(self, now: float) -> float:
        """When the next experiment begins or ends after ``now``, unix seconds; infinity if none."""
        times = (
            time for each in self._known.experiments for time in (each.start_time, each.end_time)
        )
        edges = (time.timestamp() for time in times if time is not None)
        return min((edge for edge in edges if edge > now), default=math.inf)

    def refresh(self) -> None:
        """Follow the registry, if anything has changed, and try again what could not be loaded.

        What goes wrong is logged and counted; what ran before goes on.
        """
        with self._lock:
            try:
                if self._watch.is_due() and self._follow(running(self._shelf)):
                    self._watch.done()
            except RecsvcError as error:
                if self._watch.is_news(error):
                    self._metrics.experiment_failures.inc()
                    self._logger.error("experiments_unreadable", error=str(error))  # noqa: TRY400  # says it all

    def watch(self, interval_seconds: float) -> None:
        """Follow from a thread of its own, until ``stop``."""
        self._poller.start(self.refresh, interval_seconds)

    def stop(self, wait_seconds: float = STOP_SECONDS) -> None:
        """End the watching; what it is at is waited for so long."""
        self._poller.stop(wait_seconds)

    def _follow(self, experiments: tuple[Experiment, ...]) -> bool:
        """Load what variants need, then let them begin; tell whether there is all of it."""
        variants = [variant for each in experiments for variant in each.variants]
        told, self._lacking = self._lacking, {}
        models = self._had({each.model for each in variants}, self._model, "version_id")
        books = self._had({each.rules for each in variants}, self._book, "rules_version_id")
        self._before_serving(tuple(models.values()))
        self._rules.keep(tuple(books.values()))
        known = _Known(experiments, models, books)
        if not known.is_as(self._known):  # of what is tried again, most is lacking as before
            self._known = known
        for (called, version_id), error in self._lacking.items() - told.items():
            self._logger.error("variant_load_failed", **{called: version_id}, error=error)
        self._metrics.experiment_lacking.set(len(self._lacking))
        running_now = {
            "experiments": [each.experiment_id for each in experiments],
            "models": sorted(models),
            "rules": sorted(books),
        }
        if running_now != self._said:
            self._logger.info("experiments_running", **running_now)
        self._said = running_now
        return all(each.model in {CURRENT, *models} for each in variants) and all(
            each.rules in {CURRENT, *books} for each in variants
        )

    def _had(
        self, versions: set[str], load: Callable[[str], _Loaded], called: str
    ) -> dict[str, _Loaded]:
        """Those versions that can be had; the others are counted, and lacking."""
        had = {}
        for version_id in sorted(versions - {CURRENT}):
            try:
                had[version_id] = load(version_id)
            except RecsvcError as error:
                self._metrics.experiment_failures.inc()
                self._lacking[called, version_id] = str(error)
        return had

    def _model(self, version_id: str) -> LoadedModel:
        current, before = self._slot.loaded, self._known.models
        if version_id in before:
            return before[version_id]
        if current is not None and current.reference.version_id == version_id:
            return current
        return self._slot.prepare(version_id)

    def _book(self, version_id: str) -> Rulebook:
        return self._known.books.get(version_id) or self._rules.read(version_id)


def _are_same(some: Mapping[str, object], others: Mapping[str, object]) -> bool:
    return some.keys() == others.keys() and all(some[key] is others[key] for key in some)


def _assignment(experiment: Experiment, index: int, known: _Known) -> Assignment:
    variant = experiment.variants[index]
    loaded, book = known.models.get(variant.model), known.books.get(variant.rules)
    is_lacking = (loaded is None and variant.model != CURRENT) or (
        book is None and variant.rules != CURRENT
    )
    return Assignment(experiment, index, loaded, book, is_lacking)
