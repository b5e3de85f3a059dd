"""What a shop wants of its lists beside what the model thinks best: rules, and when they hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum

from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.diversity import Diversity
from recsvc.core.places import Location
from recsvc.core.recommendation_id import Surface
from recsvc.core.stages import Stage

ANONYMOUS = "anonymous"
"""The segment of everybody whom nobody knows, or may know."""

_MINUTES_A_DAY = 1440


class Effect(StrEnum):
    """What a rule does with the products that it selects."""

    PIN = "pin"
    BOOST = "boost"
    BURY = "bury"
    AT_MOST = "at_most"
    EXCLUDE = "exclude"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which products a rule is about: those that meet everything given.

    Attributes:
        product_ids: one of these; empty is any.
        wanted: category, brand, price and attributes.
    """

    product_ids: tuple[str, ...] = ()
    wanted: CatalogueFilter = field(default_factory=CatalogueFilter)

    def __bool__(self) -> bool:
        return bool(self.product_ids) or bool(self.wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When a rule holds, by the calendar and the clock of one zone.

    Attributes:
        starts, ends: seconds since 1970; it holds from the first (inclusive) to the second.
        days: of the week, 0 is Monday; empty is every day.
        opens, closes: minutes of the day, likewise; past midnight where the second is the smaller,
            and then it is the day before that must be among ``days``. Equal is all day.
        zone: of days and minutes.
    """

    starts: float = float("-inf")
    ends: float = float("inf")
    days: frozenset[int] = frozenset()
    opens: int = 0
    closes: int = 0
    zone: tzinfo

    def include(self, now: float) -> bool:
        """Whether ``now``, seconds since 1970, is one of them."""
        if not self.starts <= now < self.ends:
            return False
        if not self.days and self.opens == self.closes:
            return True
        local = datetime.fromtimestamp(now, self.zone)
        day, minute = local.weekday(), local.hour * 60 + local.minute
        is_all_day = self.opens == self.closes
        if not is_all_day and self.opens > self.closes and minute < self.closes:
            day, minute = (day - 1) % 7, minute + _MINUTES_A_DAY
        closes = self.closes + _MINUTES_A_DAY * (self.opens >= self.closes)
        return (not self.days or day in self.days) and (is_all_day or self.opens <= minute < closes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """What rules look at of one question.

    Attributes:
        surface: which list.
        channel, placement_id: as in the question, ``""`` not said.
        stage: how far the shopper has come.
        now: the moment, seconds since 1970.
        location: where, with all that is known of it.
        segments: of the shopper.
    """

    surface: Surface = Surface.RECOMMEND
    channel: str = ""
    placement_id: str = ""
    stage: Stage = Stage.ANY
    now: float
    location: Location = field(default_factory=Location)
    segments: frozenset[str] = frozenset({ANONYMOUS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """When a rule holds: all that is given must be so; what is empty is any.

    Attributes:
        surfaces, channels, placement_ids, stages, segments: one of these.
        places: one of these; a place is met where all that it names is so.
        hours: None is always.
    """

    surfaces: frozenset[Surface] = frozenset()
    channels: frozenset[str] = frozenset()
    placement_ids: frozenset[str] = frozenset()
    stages: frozenset[Stage] = frozenset()
    segments: frozenset[str] = frozenset()
    places: tuple[Location, ...] = ()
    hours: Hours | None = None

    def may_hold(self, occasion: Occasion) -> bool:
        """Whether they hold as far as the question itself tells: who and where left aside."""
        return (
            (not self.surfaces or occasion.surface in self.surfaces)
            and (not self.channels or occasion.channel in self.channels)
            and (not self.placement_ids or occasion.placement_id in self.placement_ids)
            and (not self.stages or occasion.stage in self.stages)
            and (self.hours is None or self.hours.include(occasion.now))
        )

    def hold(self, occasion: Occasion) -> bool:
        """Whether they hold."""
        return (
            self.may_hold(occasion)
            and (not self.segments or not self.segments.isdisjoint(occasion.segments))
            and (not self.places or any(is_at(p, occasion.location) for p in self.places))
        )


def is_at(place: Location, location: Location) -> bool:
    """Whether ``location`` is at all levels that ``place`` names what ``place`` says."""
    pairs = zip(place.keys(), location.keys(), strict=True)
    return all(not named or named == key for named, key in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule.

    Attributes:
        rule_id: its name.
        effect: what it does.
        selection: with which products.
        conditions: when.
        position: of a pin, from 1.
        factor: of a boost or a bury, above 1.
        limit: of an at-most.
        first: within so many products of a list.
        per: what an at-most counts by: ``""`` all that are selected together, ``category:N`` their
            N uppermost names, ``category`` the whole path, ``brand``, ``attribute:NAME``.
        says: of a pin, why it is there, by language.
    """

    rule_id: str
    effect: Effect
    selection: Selection = field(default_factory=Selection)
    conditions: Conditions = field(default_factory=Conditions)
    position: int = 0
    factor: float = 1.0
    limit: int = 0
    first: int = 0
    per: str = ""
    says: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rulebook:
    """All rules of a shop.

    Attributes:
        version_id: ``""`` where there are none.
        rules: the first one wins where two want the same place.
        in_stock_only, exclude_purchased, diversity: where a question leaves it open; None leaves it
            to the service.
        sensitive_again: whether sensitive products are on the lists of what is needed again.
    """

    version_id: str = ""
    rules: tuple[Rule, ...] = ()
    in_stock_only: bool | None = None
    exclude_purchased: bool | None = None
    diversity: Diversity | None = None
    sensitive_again: bool = True


NO_RULES = Rulebook()
