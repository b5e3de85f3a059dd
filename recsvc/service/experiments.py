"""Which variant of which experiment a question belongs to, and the models that variants need."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from recsvc.artifacts.documents import CURRENT, Documents
from recsvc.artifacts.experiments import Experiment, Variant, running
from recsvc.artifacts.pointer_file import PointerStamp
from recsvc.core.assignment import takes_part, variant_of
from recsvc.errors import RecsvcError
from recsvc.service.models import LoadedModel, ModelSlot
from recsvc.service.poller import Poller
from recsvc.service.questions import Question
from recsvc.telemetry import Logger, Metrics

UNKNOWN_EXPERIMENT = "UNKNOWN_EXPERIMENT"
VARIANT_UNAVAILABLE = "VARIANT_UNAVAILABLE"

_RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the lot has given a shopper.

    Attributes:
        experiment: of what.
        index: of the variant.
        loaded: the model of the variant; None for the current one.
        is_lacking: whether the variant has a model or rules of its own that cannot be had.
    """

    experiment: Experiment
    index: int
    loaded: LoadedModel | None = None
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
        return replace(question, diversity=diversity)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the threads of a process see, all of it of one moment."""

    experiments: tuple[Experiment, ...] = ()
    models: Mapping[str, LoadedModel] = field(default_factory=dict)
    is_whole: bool = True


class Experiments:
    """Follows the experiments of a registry; safe to share between threads.

    The models of an experiment's variants are loaded before it begins here. Where one cannot be,
    the current model answers in its place, and the response says so.

    Args:
        shelf: where experiments lie.
        slot: loads models.
        logger: told of what begins, ends and fails.
        metrics: counts lists by variant, and failures.
        before_serving: called with all models of variants before they answer.
        monotonic: monotonic seconds.
    """

    def __init__(
        self,
        shelf: Documents,
        slot: ModelSlot,
        *,
        logger: Logger,
        metrics: Metrics,
        before_serving: Callable[[Sequence[LoadedModel]], object] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shelf = shelf
        self._slot = slot
        self._logger = logger
        self._metrics = metrics
        self._before_serving = before_serving
        self._monotonic = monotonic
        self._lock = threading.Lock()  # held by who follows, never by who asks
        self._known = _Known()
        self._seen: PointerStamp | str | None = None
        self._retry_at = 0.0
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
                return _assignment(experiment, index, known.models)
        return None

    def knows(self, experiment_id: str, now: float) -> bool:
        """Whether an experiment runs at a moment, unix seconds."""
        return any(
            each.experiment_id == experiment_id and each.is_on(now)
            for each in self._known.experiments
        )

    def refresh(self) -> None:
        """Follow the registry, if anything has changed, and try again what could not be loaded.

        What goes wrong is logged and counted; what ran before goes on.
        """
        with self._lock:
            try:
                seen = self._shelf.pointer_stamp()
                is_due = not self._known.is_whole and self._monotonic() >= self._retry_at
                if seen != self._seen or is_due:
                    self._follow(running(self._shelf))
                self._seen = seen
            except RecsvcError as error:
                if self._seen != str(error):
                    self._metrics.experiment_failures.inc()
                    self._logger.error("experiments_unreadable", error=str(error))  # noqa: TRY400  # says it all
                self._seen = str(error)

    def watch(self, interval_seconds: float) -> None:
        """Follow from a thread of its own, until ``stop``."""
        self._poller.start(self.refresh, interval_seconds)

    def stop(self) -> None:
        """End the watching."""
        self._poller.stop()

    def _follow(self, experiments: tuple[Experiment, ...]) -> None:
        wanted = {v.model for each in experiments for v in each.variants} - {CURRENT}
        before = self._known.models
        found = {version_id: self._model(version_id, before) for version_id in sorted(wanted)}
        models = {version_id: loaded for version_id, loaded in found.items() if loaded is not None}
        self._before_serving(tuple(models.values()))
        self._known = _Known(experiments, models, is_whole=len(models) == len(wanted))
        self._retry_at = self._monotonic() + _RETRY_SECONDS
        self._logger.info(
            "experiments_running",
            experiments=[each.experiment_id for each in experiments],
            models=sorted(models),
        )

    def _model(self, version_id: str, before: Mapping[str, LoadedModel]) -> LoadedModel | None:
        current = self._slot.loaded
        if version_id in before:
            return before[version_id]
        if current is not None and current.reference.version_id == version_id:
            return current
        try:
            return self._slot.prepare(version_id)
        except RecsvcError as error:
            self._metrics.experiment_failures.inc()
            self._logger.error("variant_load_failed", version_id=version_id, error=str(error))  # noqa: TRY400  # says it all
            return None


def _assignment(
    experiment: Experiment, index: int, models: Mapping[str, LoadedModel]
) -> Assignment:
    version_id = experiment.variants[index].model
    if version_id == CURRENT:
        return Assignment(experiment, index)
    loaded = models.get(version_id)
    return Assignment(experiment, index, loaded, is_lacking=loaded is None)
