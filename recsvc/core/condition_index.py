"""Which rules hold, looked up instead of asked one by one.

A set of rules is an integer here, with bit ``i`` for the rule at ``i``: what meets one condition is
one look into a table, and what meets all of them is an ``&``.
"""

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from recsvc.core.conditions import Conditions, Hours, Occasion, WallClock
from recsvc.core.place_sets import Keys, Levels, at

Bits = int


@dataclass(frozen=True, slots=True)
class _OneOf:
    """A condition that wants one of some values.

    Attributes:
        unsaid: the rules that want none in particular.
        by_value: the others, by each value that they want.
    """

    unsaid: Bits
    by_value: Mapping[Hashable, Bits]

    @classmethod
    def of(cls, wanted: Iterable[frozenset[Hashable]]) -> Self:
        unsaid, by_value = 0, defaultdict[Hashable, Bits](int)
        for rule, values in enumerate(wanted):
            unsaid |= (not values) << rule
            for value in values:
                by_value[value] |= 1 << rule
        return cls(unsaid, dict(by_value))

    def met(self, value: Hashable) -> Bits:
        return self.unsaid | self.by_value.get(value, 0)

    def met_by_any(self, values: Iterable[Hashable]) -> Bits:
        met = self.unsaid
        for value in values:
            met |= self.by_value.get(value, 0)
        return met


def _next_minute(now: float) -> float:
    return (now // 60 + 1) * 60


@dataclass(frozen=True, slots=True)
class ConditionIndex:
    """The conditions of all rules of a shop; built once a version of them.

    Attributes:
        surfaces, channels, placement_ids, stages, segments: those conditions.
        always: the rules that do not look at the clock.
        hours: the others, by when they hold.
        anywhere: the rules that do not look at the place.
        places: the others, by levels and keys of each place, see :class:`PlaceSet`.
    """

    surfaces: _OneOf
    channels: _OneOf
    placement_ids: _OneOf
    stages: _OneOf
    segments: _OneOf
    always: Bits
    hours: Sequence[tuple[Hours, Bits]]
    anywhere: Bits
    places: Mapping[Levels, Mapping[Keys, Bits]]

    @classmethod
    def of(cls, conditions: Sequence[Conditions]) -> Self:
        """Index the conditions of rules; the rule at ``i`` is bit ``i``."""
        always, hours = 0, defaultdict[Hours, Bits](int)
        anywhere, places = 0, defaultdict[Levels, dict[Keys, Bits]](dict)
        for rule, each in enumerate(conditions):
            anywhere |= (not each.places) << rule
            for levels, keys_of_places in each.places.by_levels.items():
                known = places[levels]
                for keys in keys_of_places:
                    known[keys] = known.get(keys, 0) | 1 << rule
            if each.hours is None:
                always |= 1 << rule
            else:
                hours[each.hours] |= 1 << rule
        return cls(
            surfaces=_OneOf.of(each.surfaces for each in conditions),
            channels=_OneOf.of(each.channels for each in conditions),
            placement_ids=_OneOf.of(each.placement_ids for each in conditions),
            stages=_OneOf.of(each.stages for each in conditions),
            segments=_OneOf.of(each.segments for each in conditions),
            always=always,
            hours=tuple(hours.items()),
            anywhere=anywhere,
            places=dict(places),
        )

    def unchanged_until(self, now: float) -> float:
        """A moment until which the clock changes nothing, as far as that is easily told.

        Args:
            now: seconds since 1970.

        Returns:
            Infinity where no rule looks at the clock; else the next full minute at most.
        """
        if not self.hours:
            return math.inf
        edges = (edge for hours, _ in self.hours for edge in (hours.starts, hours.ends))
        return min(_next_minute(now), *(edge for edge in edges if edge > now), math.inf)

    def may_hold(self, occasion: Occasion) -> Bits:
        """The rules that hold as far as the question itself tells: who and where left aside."""
        met = (
            self.surfaces.met(occasion.surface)
            & self.channels.met(occasion.channel)
            & self.placement_ids.met(occasion.placement_id)
            & self.stages.met(occasion.stage)
        )
        held = met & self.always
        clock = WallClock(occasion.now)
        for hours, rules in self.hours:
            if met & rules and hours.include(clock):
                held |= met & rules
        return held

    def hold(self, occasion: Occasion) -> Bits:
        """The rules that hold."""
        met = self.may_hold(occasion) & self.segments.met_by_any(occasion.segments)
        there = self.anywhere
        if met & ~there:
            keys = occasion.location.keys()
            for levels, rules in self.places.items():
                there |= rules.get(at(keys, levels), 0)
        return met & there
