"""When a rule holds, and what that depends on."""

from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from recsvc.core.place_sets import PlaceSet
from recsvc.core.places import Location
from recsvc.core.recommendation_id import Surface
from recsvc.core.stages import Stage

ANONYMOUS = "anonymous"
"""The segment of everybody whom nobody knows, or may know."""

_MINUTES_A_DAY = 1440


class WallClock:
    """A moment by the clocks of any zones, each of which is looked at once.

    Args:
        now: the moment, seconds since 1970.
    """

    __slots__ = ("_read", "now")

    def __init__(self, now: float) -> None:
        self.now = now
        self._read: dict[tzinfo, tuple[int, int]] = {}

    def day_and_minute(self, zone: tzinfo) -> tuple[int, int]:
        """The day of the week, 0 is Monday, and the minute of the day."""
        read = self._read.get(zone)
        if read is None:
            local = datetime.fromtimestamp(self.now, zone)
            read = self._read[zone] = local.weekday(), local.hour * 60 + local.minute
        return read


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

    def include(self, clock: WallClock) -> bool:
        """Whether a moment is one of them."""
        if not self.starts <= clock.now < self.ends:
            return False
        is_all_day = self.opens == self.closes
        if is_all_day and not self.days:
            return True
        day, minute = clock.day_and_minute(self.zone)
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
        places: at one of these.
        hours: None is always.
    """

    surfaces: frozenset[Surface] = frozenset()
    channels: frozenset[str] = frozenset()
    placement_ids: frozenset[str] = frozenset()
    stages: frozenset[Stage] = frozenset()
    segments: frozenset[str] = frozenset()
    places: PlaceSet = field(default_factory=PlaceSet)
    hours: Hours | None = None
