"""Sets of places: whether a location is at one of many, looked up instead of searched for."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from recsvc.core.places import Location

Keys = tuple[str, ...]
Levels = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PlaceSet:
    """Some places; a location is at one where all levels that the place names are so.

    Attributes:
        by_levels: by the levels that a place names, the keys that places have there; levels and
            keys are those of :meth:`Location.keys`. No place names no level.
    """

    by_levels: Mapping[Levels, frozenset[Keys]] = field(default_factory=dict)

    @classmethod
    def of(cls, places: Iterable[Location]) -> Self:
        """Make a set of places, each of which names at least one level."""
        found: dict[Levels, set[Keys]] = defaultdict(set)
        for place in places:
            named = [(level, key) for level, key in enumerate(place.keys()) if key]
            found[tuple(level for level, _ in named)].add(tuple(key for _, key in named))
        return cls({levels: frozenset(keys) for levels, keys in found.items()})

    def __bool__(self) -> bool:
        return bool(self.by_levels)

    def has(self, location: Location) -> bool:
        """Whether a location is at one of the places."""
        keys = location.keys()
        return any(at(keys, levels) in places for levels, places in self.by_levels.items())

    def may_meet(self, other: Self) -> bool:
        """Whether some location may be at a place of this set and at one of the other."""
        return any(
            _may_meet(mine, my_levels, others, levels)
            for my_levels, mine in self.by_levels.items()
            for levels, others in other.by_levels.items()
        )


def at(keys: Keys, levels: Levels) -> Keys:
    """The keys of some levels."""
    return tuple([keys[level] for level in levels])  # a list is twice as fast as a generator


def _may_meet(
    mine: frozenset[Keys], my_levels: Levels, others: frozenset[Keys], levels: Levels
) -> bool:
    if my_levels == levels:
        return not mine.isdisjoint(others)
    both = [level for level in my_levels if level in levels]
    if not both:
        return True
    my_positions = tuple(my_levels.index(level) for level in both)
    positions = tuple(levels.index(level) for level in both)
    shared = {at(keys, my_positions) for keys in mine}
    return any(at(keys, positions) in shared for keys in others)
