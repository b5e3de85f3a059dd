"""The model that answers: loaded, checked and warmed aside, then swapped in one step."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Self

from recsvc import __version__
from recsvc.artifacts.pointer import Pointer
from recsvc.artifacts.pointer_file import PointerStamp
from recsvc.artifacts.registry import Registry
from recsvc.core.assortment import Assortment
from recsvc.core.model import Model
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.vocabulary import MISSING
from recsvc.errors import ArtifactError, RecsvcError, UnavailableError
from recsvc.logs import Logger
from recsvc.metrics import Metrics
from recsvc.service.poller import Poller
from recsvc.service.questions import ModelReference
from recsvc.service.selling import Shop
from recsvc.service.shopping import Deed
from recsvc.service.stopping import STOP_SECONDS

_RETRY_SECONDS = 5.0
_N_WARM_CUSTOMERS = 20

# What arrays that do not fit together raise when they are used.
_UNFIT = (LookupError, ValueError, TypeError, ArithmeticError, AttributeError)


@dataclass(frozen=True, slots=True)
class LearntUntil:
    """How far a model's training had followed the service.

    Attributes:
        ledger: position in the ledger; erasures before it were heeded.
        collected: for each partition of shoppers the time, unix milliseconds, up to which its
            live events were collected; empty where the history came from elsewhere.
        trained: when the model was trained, unix milliseconds.
        data_end: time of the last event, unix seconds.
    """

    ledger: int
    collected: Mapping[int, int]
    trained: float
    data_end: float

    def has(self, deed: Deed, partition: int) -> bool:
        """Whether an event of a live profile is in the model's own histories."""
        if self.collected:
            return deed.received <= self.collected.get(partition, 0)
        # From elsewhere: what had come in by then, and is no later than what was given.
        return deed.received <= self.trained and deed.time <= self.data_end

    @classmethod
    def of(cls, parameters: Mapping[str, Any], train_time: datetime, data_end: float) -> Self:
        """Read it from an artifact's parameters."""
        collected = parameters.get("collected", {})
        return cls(
            int(parameters.get("ledger_position", 0)),
            {int(partition): int(until) for partition, until in collected.items()},
            1_000 * train_time.timestamp(),
            data_end,
        )


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """One version, ready to answer; immutable, so that a request never mixes two.

    Attributes:
        reference: what it is.
        generation: the registry's when it became current; 0 before that.
        recommender: ranks with it.
        learnt: which live events it has learnt from already.
        revision: of what the shop has said of products and stores since; ``""`` nothing.
        shops: stores that were described since, by id.
    """

    reference: ModelReference
    generation: int
    recommender: Recommender
    learnt: LearntUntil
    revision: str = ""
    shops: Mapping[str, Shop] = field(default_factory=dict)

    @property
    def model(self) -> Model:
        """The arrays."""
        return self.recommender.model

    @property
    def assortment(self) -> Assortment:
        """The products, as they are now."""
        return self.recommender.assortment

    def located(self, location: Location) -> Location:
        """A place, with what its store lends to the levels that the caller left empty.

        Of stores that were described since: the others are in the model.
        """
        shop = self.shops.get(location.store_id.strip()) if self.shops else None
        if shop is None:
            return location
        names = ("postal_code", "cell", "subdivision_code", "country_code")
        lent = {n: getattr(shop.location, n) for n in names if not getattr(location, n)}
        return replace(location, **lent)

    def warm(self) -> None:
        """Answer some questions, so that the first callers do not wait for the disk."""
        customers = [MISSING, *range(min(_N_WARM_CUSTOMERS, len(self.model.customers)))]
        for customer in customers:
            place = self.recommender.place(customer, Location())
            query = Query(customer=customer, place=place, now=self.model.data_end)
            self.recommender.recommend(query)
        self.recommender.popular(query)


def load_model(registry: Registry, version_ref: str) -> LoadedModel:
    """Load, check and warm a version; its generation is 0 until it is made current.

    Raises:
        NotFoundError: there is no such version (MODEL_NOT_FOUND).
        ArtifactError: it is corrupt, or its arrays do not fit together.
        RegistryError: there is no registry.
    """
    manifest, arrays = registry.load(version_ref)
    try:
        model = Model.from_arrays(arrays, manifest.parameters)
        loaded = LoadedModel(
            ModelReference(
                model_id=manifest.model_id,
                version_id=manifest.version_id,
                train_time=manifest.train_time,
            ),
            0,
            Recommender(model),
            LearntUntil.of(manifest.parameters, manifest.train_time, model.data_end),
        )
        loaded.warm()
    except _UNFIT as error:
        raise ArtifactError(
            f"model {manifest.version_id}: its arrays do not fit together or not this recsvc "
            f"({type(error).__name__}: {error}): recsvc {manifest.code_version} has trained it, "
            f"and this is {__version__}; run one release, or fit the model again"
        ) from error
    return loaded


class ModelSlot:
    """Holds the current model of this process and follows the registry's pointer.

    Args:
        registry: where models come from.
        logger: told of every load.
        metrics: likewise.
        on_first_model: called once, when there is a model to answer with.
        before_serving: called with each model before it answers, to do what else takes time.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        registry: Registry,
        *,
        logger: Logger,
        metrics: Metrics,
        on_first_model: Callable[[], object] = lambda: None,
        before_serving: Callable[[LoadedModel], object] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.registry = registry
        self._logger = logger
        self._metrics = metrics
        self._on_first_model = on_first_model
        self._before_serving = before_serving
        self._clock = clock
        self._lock = threading.RLock()  # held by who changes the model, never by who reads it
        self._loaded: LoadedModel | None = None
        self._seen: tuple[PointerStamp | str | None] | None = None
        self._retry_at: float | None = None
        self._poller = Poller("model-watcher", logger)

    def current(self) -> LoadedModel:
        """The model to answer with; take it once a request.

        Raises:
            UnavailableError: there is none yet (WARMING_UP).
        """
        loaded = self._loaded
        if loaded is None:
            raise UnavailableError("no model is loaded yet; try again in a second")
        return loaded

    @property
    def loaded(self) -> LoadedModel | None:
        """The model to answer with, if there is one."""
        return self._loaded

    @property
    def is_behind(self) -> bool:
        """Whether the registry's choice could not be loaded, so that an older one answers."""
        return self._retry_at is not None

    def refresh(self, prepared: LoadedModel | None = None) -> None:
        """Make the registry's choice the current model, if it is not yet.

        What goes wrong is logged and counted; the old model then goes on answering, and
        the registry is asked again at its next change or after a few seconds.

        Args:
            prepared: used instead of loading it once more, if it is the registry's choice.
        """
        with self._lock:
            seen = self._look()
            is_due = self._retry_at is not None and self._clock() >= self._retry_at
            if seen == self._seen and not is_due:
                return
            self._seen = seen
            try:
                self._follow(self.registry.pointer(), prepared)
            except RecsvcError as error:
                self._failed(error)
            except BaseException:
                # Whatever it was, it is tried again like any other, and not at every look.
                self._retry_at = self._clock() + _RETRY_SECONDS
                self._metrics.model_load_failures.inc()
                raise
            else:
                self._retry_at = None

    def prepare(self, version_ref: str) -> LoadedModel:
        """Load, check and warm a version beside the current one.

        Raises:
            NotFoundError: there is no such version (MODEL_NOT_FOUND).
            ArtifactError: it cannot be used (MODEL_NOT_ACTIVATABLE).
        """
        started = self._clock()
        loaded = load_model(self.registry, version_ref)
        self._metrics.model_load_seconds.observe(self._clock() - started)
        return loaded

    def exclusively(self) -> threading.RLock:
        """The lock under which the registry's choice is changed and followed in one step."""
        return self._lock

    def watch(self, interval_seconds: float) -> None:
        """Follow the registry from a thread of its own, until ``stop``."""
        self._poller.start(self.refresh, interval_seconds)

    def stop(self, wait_seconds: float = STOP_SECONDS) -> None:
        """End the watching; what it is at is waited for so long."""
        self._poller.stop(wait_seconds)

    def _look(self) -> tuple[PointerStamp | str | None]:
        """What the registry shows from afar; equal while nothing has changed."""
        try:
            return (self.registry.pointer_stamp(),)
        except RecsvcError as error:
            return (str(error),)

    def _follow(self, pointer: Pointer | None, prepared: LoadedModel | None) -> None:
        before = self._loaded
        if pointer is None:
            self._logger.warning(
                "no_current_model",
                serving=_version(before),
                hint=f"choose one: recsvc-train promote VERSION --registry {self.registry.root}",
            )
            return
        if before is not None and before.reference.version_id == pointer.version_id:
            if before.generation == pointer.generation:
                return
            prepared = before
        if _version(prepared) != pointer.version_id or prepared is None:
            prepared = self.prepare(pointer.version_id)
        loaded = replace(prepared, generation=pointer.generation)
        self._before_serving(loaded)
        self._loaded = loaded
        self._announce(before, self._loaded)

    def _announce(self, before: LoadedModel | None, after: LoadedModel) -> None:
        for loaded, n_workers in ((before, 0), (after, 1)):
            if loaded is not None:
                reference = loaded.reference
                gauge = self._metrics.model_workers
                gauge.labels(reference.model_id, reference.version_id).set(n_workers)
        self._metrics.model_generation.set(after.generation)
        self._logger.info(
            "model_serving",
            version_id=after.reference.version_id,
            generation=after.generation,
            n_customers=len(after.model.customers),
            n_products=len(after.model.catalogue),
        )
        if before is None:
            self._on_first_model()

    def _failed(self, error: RecsvcError) -> None:
        self._retry_at = self._clock() + _RETRY_SECONDS
        self._metrics.model_load_failures.inc()
        self._logger.error("model_load_failed", error=str(error), serving=_version(self._loaded))


def _version(loaded: LoadedModel | None) -> str | None:
    return None if loaded is None else loaded.reference.version_id
