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
    _narrowed: dict[tuple[Levels, Levels], frozenset[Keys]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

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
            self._may_meet(mine, other, theirs)
            for mine in self.by_levels
            for theirs in other.by_levels
        )

    def _may_meet(self, mine: Levels, other: Self, theirs: Levels) -> bool:
        """The same of the places that name some levels."""
        both = tuple(level for level in mine if level in theirs)
        return not both or not self.narrowed(mine, both).isdisjoint(other.narrowed(theirs, both))

    def narrowed(self, levels: Levels, kept: Levels) -> frozenset[Keys]:
        """Of the places that name ``levels`` the keys of some of these, ``kept``.

        Found once: a set is compared with hundreds of others where many rules want one place.
        """
        if levels == kept:
            return self.by_levels[levels]
        found = self._narrowed.get((levels, kept))
        if found is None:
            positions = tuple(levels.index(level) for level in kept)
            found = frozenset(at(keys, positions) for keys in self.by_levels[levels])
            self._narrowed[levels, kept] = found
        return found


def at(keys: Keys, levels: Levels) -> Keys:
    """The keys of some levels."""
    return tuple([keys[level] for level in levels])  # a list is twice as fast as a generator
