"""Experiments as people write them: variants, who takes part, what is measured.

One JSON file an experiment. Those that run are one document of the registry's shelf
``experiments``, so that starting and stopping is one step, and the journal says who did it. An
experiment never changes: another one has another id.
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from recsvc.artifacts.documents import CURRENT, Documents
from recsvc.artifacts.journal import Note
from recsvc.artifacts.pointer import Pointer
from recsvc.core.diversity import Diversity
from recsvc.core.places import Location
from recsvc.core.recommendation_id import MAX_VARIANTS, experiment_number
from recsvc.errors import InputError, NotFoundError, PreconditionError

KIND: Final = "experiments"
_TOLERANCE: Final = 1e-6

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Text = Annotated[str, Field(min_length=1, max_length=256)]


class Channel(StrEnum):
    """Where a list is shown, as the API names it."""

    WEB = "WEB"
    APP = "APP"
    STORE = "STORE"
    EMAIL = "EMAIL"
    CHAT = "CHAT"
    AGENT = "AGENT"


class Metric(StrEnum):
    """What an experiment may be decided by."""

    CLICK_THROUGH = "click_through"
    CONVERSION = "conversion"
    REVENUE_PER_THOUSAND = "revenue_per_thousand"
    REVENUE_PER_SHOPPER = "revenue_per_shopper"


class Strict(BaseModel):
    """What knows no fields but its own, and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Variant(Strict):
    """What some of the shoppers are shown; what it does not say is as for everybody.

    Attributes:
        variant_id: its name.
        weight: its share of those who take part.
        model: version of the model that answers.
        rules: version of the rules in force.
        diversity: level of lists whose caller asks for none.
    """

    variant_id: Name
    weight: Annotated[float, Field(gt=0, le=1)]
    model: Text = CURRENT
    rules: Text = CURRENT
    diversity: Diversity | None = None


class PlaceCondition(Strict):
    """A place that a request must name, each field that is given."""

    store_id: str = ""
    postal_code: str = ""
    subdivision_code: str = ""
    country_code: str = ""

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if not self.location:
            raise ValueError("names no place; give store_id, postal_code, subdivision_code or so")
        return self

    @property
    def location(self) -> Location:
        """The place."""
        return Location(**self.model_dump())

    def holds(self, location: Location) -> bool:
        """Whether a location lies within it."""
        pairs = zip(self.location.keys(), location.keys(), strict=True)
        return all(wanted in {"", given} for wanted, given in pairs)


class Participants(Strict):
    """Who takes part: a share of the shoppers whose request meets every condition.

    Attributes:
        share: of the shoppers.
        channels: one of them; empty for any.
        placements: likewise, placement ids.
        places: likewise, places that the request names.
        segments: likewise, of the shopper, as the current model knows them.
    """

    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    channels: tuple[Channel, ...] = ()
    placements: tuple[Text, ...] = ()
    places: tuple[PlaceCondition, ...] = ()
    segments: tuple[Text, ...] = ()

    def include(self, channel: str, placement_id: str, location: Location) -> bool:
        """Whether a request meets every condition, share and segments aside."""
        return (
            (not self.channels or channel in self.channels)
            and (not self.placements or placement_id in self.placements)
            and (not self.places or any(place.holds(location) for place in self.places))
        )


class Experiment(Strict):
    """An experiment.

    Attributes:
        experiment_id: its name, which is never used again.
        description: what is hoped for, for people.
        variants: the first one is the control that the others are compared with.
        salt: of its lot; the id unless given.
        participants: who takes part.
        start_time: nobody takes part before; None for from its activation.
        end_time: nobody takes part from then on; None for until it is stopped.
        metric: what it is decided by.
        smallest_lift: the lift that is worth finding, .05 for 5 %; decides where its intervals
            are narrowest.
        alpha: how often it may raise a false alarm, over all looks and variants.
    """

    experiment_id: Name
    description: Annotated[str, Field(max_length=4096)] = ""
    variants: Annotated[tuple[Variant, ...], Field(min_length=2, max_length=MAX_VARIANTS)]
    salt: Annotated[str, Field(max_length=256)] = ""
    participants: Participants = Participants()
    start_time: AwareDatetime | None = None
    end_time: AwareDatetime | None = None
    metric: Metric = Metric.CLICK_THROUGH
    smallest_lift: Annotated[float, Field(gt=0, le=10)] = 0.05
    alpha: Annotated[float, Field(gt=0, le=0.5)] = 0.05

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        names = sorted(variant.variant_id for variant in self.variants)
        for one, two in pairwise(names):
            if one == two:
                raise ValueError(f"two variants are called {one!r}; give each its own variant_id")
        total = sum(self.weights)
        if abs(total - 1) > _TOLERANCE:
            raise ValueError(f"the weights of the variants add up to {total:g}; make it 1")
        if self.start_time and self.end_time and self.end_time <= self.start_time:
            raise ValueError("end_time is not after start_time")
        return self

    @property
    def weights(self) -> tuple[float, ...]:
        """Of the variants."""
        return tuple(variant.weight for variant in self.variants)

    @property
    def lot(self) -> str:
        """The salt of its lot."""
        return self.salt or self.experiment_id

    @property
    def number(self) -> int:
        """What stands for it in the names of lists."""
        return experiment_number(self.experiment_id)

    def is_on(self, now: float) -> bool:
        """Whether shoppers take part at a moment, unix seconds."""
        return (self.start_time is None or self.start_time.timestamp() <= now) and (
            self.end_time is None or now < self.end_time.timestamp()
        )

    def may_meet(self, other: Self) -> bool:
        """Whether one request could be meant by both."""
        mine, theirs = self.participants, other.participants
        apart = (
            mine.channels and theirs.channels and not {*mine.channels} & {*theirs.channels},
            mine.placements and theirs.placements and not {*mine.placements} & {*theirs.placements},
            self.end_time and other.start_time and self.end_time <= other.start_time,
            other.end_time and self.start_time and other.end_time <= self.start_time,
        )
        return not any(apart)


class Running(Strict):
    """The document of the shelf: every experiment that runs, in the order of their ids."""

    experiments: tuple[Experiment, ...] = ()


def read_experiment(text: str | bytes, where: str) -> Experiment:
    """Read what somebody wrote.

    Args:
        text: JSON.
        where: the file, for the message.

    Raises:
        InputError: it is no experiment; the message names each field that is wrong.
    """
    try:
        return Experiment.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"{where}: {'; '.join(_complaints(error))}") from None


def _complaints(error: ValidationError) -> Iterator[str]:
    for each in error.errors(include_url=False, include_input=False):
        path = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in each["loc"]
        ).removeprefix(".")
        message = each["msg"].removeprefix("Value error, ")
        yield f"{path}: {message}" if path else message


def read_running(text: str) -> tuple[Experiment, ...]:
    """Read a document of the shelf.

    Raises:
        InputError: it was not written by this or an older recsvc.
    """
    try:
        return Running.model_validate_json(text).experiments
    except ValidationError as error:
        raise InputError(f"experiments: {'; '.join(_complaints(error))}") from None


def running(shelf: Documents) -> tuple[Experiment, ...]:
    """The experiments that run, in the order in which they are asked whether a request is theirs.

    Raises:
        RegistryError: the shelf cannot be read.
        InputError: as for ``read_running``.
    """
    return read_running(shelf.read()[1]) if shelf.pointer() else ()


def known(shelf: Documents) -> dict[str, Experiment]:
    """Every experiment that ever ran, by id.

    Raises:
        RegistryError: the shelf cannot be read.
        InputError: as for ``read_running``.
    """
    return {
        experiment.experiment_id: experiment
        for version_id in shelf.versions()
        for experiment in read_running(shelf.read(version_id)[1])
    }


def find(shelf: Documents, experiment_id: str) -> Experiment:
    """An experiment that runs or ran.

    Raises:
        NotFoundError: there is none of that id (EXPERIMENT_NOT_FOUND).
        RegistryError: the shelf cannot be read.
    """
    try:
        return known(shelf)[experiment_id]
    except KeyError:
        raise NotFoundError(
            f"experiment {experiment_id[:80]!r} never ran here; "
            "see which did: recsvc-train experiment list",
            reason="EXPERIMENT_NOT_FOUND",
            metadata={"experiment_id": experiment_id[:80]},
        ) from None


def activate(shelf: Documents, experiment: Experiment, now: datetime, note: Note) -> Pointer:
    """Let an experiment run.

    Raises:
        PreconditionError: it runs already, or another one was called so; nothing was changed.
        RegistryError: the shelf cannot be written.
    """
    before = known(shelf)
    same = before.get(experiment.experiment_id)
    if same is not None and same != experiment:
        raise PreconditionError(
            f"experiment {experiment.experiment_id!r} ran before with another definition, and its "
            "lists go by that name; give this one another experiment_id",
            reason="EXPERIMENT_EXISTS",
        )
    if experiment.number in {other.number for other in before.values() if other != experiment}:
        raise PreconditionError(
            f"experiment_id {experiment.experiment_id!r} has the same short number as another one; "
            "change a letter of it",
            reason="EXPERIMENT_EXISTS",
        )

    def add(text: str | None) -> str:
        others = read_running(text) if text else ()
        if experiment in others:
            raise PreconditionError(
                f"experiment {experiment.experiment_id!r} runs already", reason="EXPERIMENT_EXISTS"
            )
        return _written((*others, experiment))

    return shelf.edit(add, now, note)


def stop(shelf: Documents, experiment_id: str, now: datetime, note: Note) -> Pointer:
    """Let an experiment run no more; its lists keep their names.

    Raises:
        NotFoundError: it does not run (EXPERIMENT_NOT_FOUND); nothing was changed.
        RegistryError: the shelf cannot be written.
    """

    def remove(text: str | None) -> str:
        others = read_running(text) if text else ()
        left = tuple(other for other in others if other.experiment_id != experiment_id)
        if len(left) == len(others):
            raise NotFoundError(
                f"experiment {experiment_id[:80]!r} does not run; "
                "see which do: recsvc-train experiment list",
                reason="EXPERIMENT_NOT_FOUND",
                metadata={"experiment_id": experiment_id[:80]},
            )
        return _written(left)

    return shelf.edit(remove, now, note)


def _written(experiments: tuple[Experiment, ...]) -> str:
    ordered = tuple(sorted(experiments, key=lambda each: each.experiment_id))
    return Running(experiments=ordered).model_dump_json(indent=1) + "\n"
