"""Experiments as people write them: variants, who takes part, what is measured.

One JSON file an experiment. It never changes: another one has another id.
"""

from collections.abc import Iterator
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Final, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from recsvc.artifacts.plain_words import in_words, told
from recsvc.artifacts.version_ids import CURRENT
from recsvc.core.diversity import Diversity
from recsvc.core.place_sets import PlaceSet
from recsvc.core.places import Location
from recsvc.core.recommendation_id import MAX_VARIANTS, experiment_number
from recsvc.errors import FaultyFileError

_TOLERANCE: Final = 1e-6

_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_IN_WORDS: Final = {
    _NAME: "must be 1 to 64 letters, digits, '.', '_' and '-', the first a letter or a digit"
}

Name = Annotated[str, Field(pattern=_NAME)]
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
    _places: PlaceSet = PrivateAttr(default_factory=PlaceSet)

    def model_post_init(self, _: object, /) -> None:
        """Look up what no request should."""
        self._places = PlaceSet.of(place.location for place in self.places)

    def include(self, channel: str, placement_id: str, location: Location) -> bool:
        """Whether a request meets every condition, share and segments aside."""
        return (
            (not self.channels or channel in self.channels)
            and (not self.placements or placement_id in self.placements)
            and (not self.places or self._places.has(location))
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


def read_experiment(text: str | bytes, where: str) -> Experiment:
    """Read what somebody wrote.

    Args:
        text: JSON.
        where: the file, for the message.

    Raises:
        FaultyFileError: it is no experiment; each fault names the field that is wrong.
    """
    try:
        return Experiment.model_validate_json(text)
    except ValidationError as error:
        raise FaultyFileError(f"{where}: cannot be used", complaints(error, Experiment)) from None


def complaints(error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """What is wrong with what was read as ``model``, a line for each field.

    Without what was given.
    """
    for each in told(error.errors(include_url=False, include_input=False)):
        path = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in each["loc"]
        ).removeprefix(".")
        message = in_words(each, model, _IN_WORDS)
        yield f"{path}: {message}" if path else message
