"""The file that a shop writes its rules in: JSON or TOML, checked whole before it counts.

``docs/rules.md`` is the user's side of it.
"""

import json
from datetime import datetime
from typing import Annotated, Final, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.conditions import Conditions, Hours
from recsvc.core.diversity import Diversity
from recsvc.core.place_sets import PlaceSet
from recsvc.core.places import Location
from recsvc.core.recommendation_id import Surface
from recsvc.core.rules import Effect, Rule, Rulebook, Selection
from recsvc.core.stages import Stage

KIND: Final = "rules"
"""Of the shelf that rules lie on."""

MAX_RULES: Final = 500
MAX_IDS: Final = 1_000
MAX_PLACE: Final = 100

_TIME: Final = r"([01]\d|2[0-3]):[0-5]\d"
_HOURS: Final = f"^({_TIME}-({_TIME}|24:00))?$"
_CURRENCY: Final = r"^([A-Z]{3})?$"
_COUNTRY: Final = r"^([A-Z]{2})?$"
_SUBDIVISION: Final = r"^([A-Z]{2}-[A-Z0-9]{1,3})?$"
_RULE_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_PER: Final = r"^(category(:[1-9])?|brand|attribute:.{1,256})$"
_LANGUAGE: Final = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
IN_WORDS: Final = {
    _HOURS: "must be two times of a day, as in 09:00-18:00",
    _CURRENCY: "must be three capital letters, as in EUR",
    _COUNTRY: "must be two capital letters, as in GB",
    _SUBDIVISION: "must be the code of a country and of its part, in capitals, as in GB-ENG",
    _RULE_ID: "must be 1 to 64 letters, digits, '.', '_' and '-', the first a letter or a digit",
    _PER: "must be category, category:1 to category:9, brand, or attribute:NAME",
    _LANGUAGE: "must be the code of a language, as in en or pt-BR",
}
"""What must be written, by the regular expression of a text."""

SURFACES: Final = {
    "recommend": Surface.RECOMMEND,
    "similar": Surface.SIMILAR,
    "together": Surface.TOGETHER,
    "buy_again": Surface.AGAIN,
}
"""Kinds of list, as files of rules call them."""
Channel = Literal["WEB", "APP", "STORE", "EMAIL", "CHAT", "AGENT"]
CHANNELS: Final[tuple[str, ...]] = get_args(Channel)
"""Where shoppers meet the shop, as ``context.channel`` says it."""
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_OWN_FIELDS: Final = {
    Effect.PIN: {"position"},
    Effect.BOOST: {"factor"},
    Effect.BURY: {"factor"},
    Effect.AT_MOST: {"limit", "first"},
    Effect.EXCLUDE: set[str](),
}
_OPTIONAL: Final = {Effect.PIN: {"says"}, Effect.AT_MOST: {"per"}}
_EVERYWHERE: Final = frozenset(Surface)
_TURNING: Final = frozenset({Effect.PIN, Effect.BOOST, Effect.BURY})


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"{name!r} is no time zone, such as Europe/Berlin") from None
    return name


Name = Annotated[str, Field(min_length=1, max_length=256)]
Names = Annotated[tuple[Name, ...], Field(max_length=MAX_IDS)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SelectPart(_Part):
    """Which products; all that is given must be so."""

    product_ids: Names = ()
    categories: Names = ()
    brands: Names = ()
    attributes: dict[Name, Names] = Field(default_factory=dict, max_length=20)
    price_min: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    price_max: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    currency: str = Field(default="", pattern=_CURRENCY)

    @model_validator(mode="after")
    def _has_currency(self) -> Self:
        prices = [price for price in (self.price_min, self.price_max) if price is not None]
        if bool(prices) != bool(self.currency):
            raise ValueError("a price needs a currency, such as EUR, and a currency a price")
        if prices != sorted(prices):
            raise ValueError("price_min is above price_max")
        if any(not values for values in self.attributes.values()):
            raise ValueError("an attribute has no values; give at least one")
        return self

    def selection(self) -> Selection:
        """The same for the ranking."""
        return Selection(
            product_ids=self.product_ids,
            wanted=CatalogueFilter(
                category_paths=self.categories,
                brands=self.brands,
                price_min=self.price_min,
                price_max=self.price_max,
                currency=self.currency,
                attributes=self.attributes,
            ),
        )


class PlacePart(_Part):
    """A place; all that is given must be so."""

    store_id: str = ""
    postal_code: str = ""
    cell: str = ""
    subdivision_code: str = Field(default="", pattern=_SUBDIVISION)
    country_code: str = Field(default="", pattern=_COUNTRY)

    @model_validator(mode="after")
    def _is_somewhere(self) -> Self:
        if not self.location():
            raise ValueError("names no place; give store_id, postal_code or country_code")
        if self.postal_code and not (self.country_code or self.subdivision_code):
            raise ValueError("a postal_code needs its country_code")
        return self

    def location(self) -> Location:
        """The same for the ranking."""
        return Location(  # not by model_dump, which takes ten times as long
            store_id=self.store_id,
            postal_code=self.postal_code,
            cell=self.cell,
            subdivision_code=self.subdivision_code,
            country_code=self.country_code,
        )


class WhenPart(_Part):
    """When a rule holds; what is not given is any."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    surfaces: tuple[Literal["recommend", "similar", "together", "buy_again"], ...] = ()
    places: Annotated[tuple[PlacePart, ...], Field(max_length=MAX_IDS)] = ()
    channels: tuple[Channel, ...] = ()
    placement_ids: Names = ()
    stages: tuple[Stage, ...] = ()
    segments: Names = ()
    starts: AwareDatetime | None = Field(default=None, alias="from")
    ends: AwareDatetime | None = Field(default=None, alias="to")
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = ()
    hours: str = Field(default="", pattern=_HOURS)
    time_zone: Annotated[str, AfterValidator(_zone)] = "UTC"

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.starts and self.ends and self.starts >= self.ends:
            raise ValueError("'to' is not after 'from'")
        return self

    def conditions(self, surfaces: frozenset[Surface]) -> Conditions:
        """The same for the ranking; ``surfaces`` hold where none are given."""
        return Conditions(
            surfaces=frozenset(SURFACES[name] for name in self.surfaces) or surfaces,
            channels=frozenset(self.channels),
            placement_ids=frozenset(self.placement_ids),
            stages=frozenset(self.stages),
            segments=frozenset(self.segments),
            places=PlaceSet.of(place.location() for place in self.places),
            hours=self._hours(),
        )

    def _hours(self) -> Hours | None:
        if not (self.starts or self.ends or self.days or self.hours):
            return None
        opens, closes = self._minutes()
        return Hours(
            starts=_seconds(self.starts, float("-inf")),
            ends=_seconds(self.ends, float("inf")),
            days=frozenset(_DAYS.index(day) for day in self.days),
            opens=opens,
            closes=closes % 1440,
            zone=ZoneInfo(self.time_zone),
        )

    def _minutes(self) -> tuple[int, int]:
        if not self.hours:
            return 0, 0
        opens, closes = (
            int(hour) * 60 + int(minute)
            for hour, minute in (text.split(":") for text in self.hours.split("-"))
        )
        return opens, closes


class RulePart(_Part):
    """One rule."""

    rule_id: str = Field(pattern=_RULE_ID)
    note: str = ""
    action: Effect
    select: SelectPart = SelectPart()
    when: WhenPart = WhenPart()
    position: int | None = Field(default=None, ge=1, le=MAX_PLACE)
    factor: float | None = Field(default=None, gt=1, le=1000)
    limit: int | None = Field(default=None, ge=1, le=MAX_PLACE)
    first: int | None = Field(default=None, ge=1, le=1000)
    per: str | None = Field(default=None, pattern=_PER)
    says: dict[Annotated[str, Field(pattern=_LANGUAGE)], Name] = Field(
        default_factory=dict, max_length=50
    )

    @model_validator(mode="after")
    def _has_its_own_fields(self) -> Self:
        given = {
            name
            for name in ("position", "factor", "limit", "first", "per", "says")
            if getattr(self, name)
        }
        needed = _OWN_FIELDS[self.action]
        if missing := sorted(needed - given):
            raise ValueError(f"{self.action.value} needs {' and '.join(missing)}")
        if odd := sorted(given - needed - _OPTIONAL.get(self.action, set())):
            raise ValueError(f"{self.action.value} has no {' and '.join(odd)}; leave it out")
        if self.action is not Effect.AT_MOST and not self.select.selection():
            raise ValueError(f"{self.action.value} selects nothing; give select")
        if self.action in _TURNING and "buy_again" in self.when.surfaces:
            raise ValueError(
                f"{self.action.value} does not act on buy_again, which is in the order of what is "
                "due; exclude and at_most do"
            )
        return self

    def rule(self) -> Rule:
        """The same for the ranking."""
        usual = frozenset({Surface.RECOMMEND}) if self.action in _TURNING else _EVERYWHERE
        return Rule(
            rule_id=self.rule_id,
            effect=self.action,
            selection=self.select.selection(),
            conditions=self.when.conditions(usual),
            position=self.position or 0,
            factor=self.factor or 1.0,
            limit=self.limit or 0,
            first=self.first or 0,
            per=self.per or "",
            says=self.says,
        )


class DefaultsPart(_Part):
    """What holds where a question leaves it open."""

    in_stock_only: bool | None = None
    exclude_purchased: bool | None = None
    diversity: Diversity | None = None
    buy_again_sensitive: bool = True


class RulesFile(_Part):
    """The whole file."""

    defaults: DefaultsPart = DefaultsPart()
    rules: Annotated[tuple[RulePart, ...], Field(max_length=MAX_RULES)] = ()

    def rulebook(self, version_id: str = "") -> Rulebook:
        """The same for the ranking."""
        return Rulebook(
            version_id=version_id,
            rules=tuple(part.rule() for part in self.rules),
            in_stock_only=self.defaults.in_stock_only,
            exclude_purchased=self.defaults.exclude_purchased,
            diversity=self.defaults.diversity,
            sensitive_again=self.defaults.buy_again_sensitive,
        )

    def to_json(self) -> str:
        """The file as a registry keeps it: what was given, and no more."""
        document = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _seconds(moment: datetime | None, otherwise: float) -> float:
    return otherwise if moment is None else moment.timestamp()
