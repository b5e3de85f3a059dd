"""Who needs what soon, and when to say so: the whole-base form of what is needed again."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import polars as pl

from recsvc.errors import InputError

COLUMNS = (
    "customer_id",
    "product_id",
    "due_time",
    "send_time",
    "usual_interval_days",
    "usual_quantity",
    "score",
)
_CLOCK = r"\s*((?:[01][0-9]|2[0-3]):[0-5][0-9])\s*"
_HOURS = re.compile(f"{_CLOCK}-{_CLOCK}")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """When nobody is written to, every day by the clock of a zone.

    Attributes:
        start, end: from and to, over midnight where the end is earlier; equal is never.
        zone: whose clock.
    """

    start: time
    end: time
    zone: ZoneInfo

    @classmethod
    def of(cls, hours: str, timezone: str) -> "QuietHours":
        """Read ``21:00-08:00``; ``""`` is never.

        Raises:
            InputError: it is not written so, or nobody knows the zone.
        """
        try:
            zone = ZoneInfo(timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise InputError(
                f"--timezone {timezone}: no such zone; write it as in Europe/Berlin"
            ) from None
        found = _HOURS.fullmatch(hours or "00:00-00:00")
        if found is None:
            raise InputError(
                f"--quiet-hours {hours}: write it as 21:00-08:00, by the clock of --timezone"
            )
        start, end = (time.fromisoformat(each) for each in found.groups())
        return cls(start, end, zone)

    def are_at(self, moment: datetime) -> bool:
        """Whether a moment is within them."""
        clock = moment.astimezone(self.zone).time()
        if self.start <= self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end

    def send_time(self, due: datetime, earliest: datetime) -> datetime:
        """The last moment up to ``due`` outside of them, else the first from ``earliest`` on."""
        moment = max(due, earliest)
        if not self.are_at(moment):
            return moment
        before = self._turn(moment, self.start, back=True) - timedelta(minutes=1)
        return before if before >= earliest else self._turn(moment, self.end, back=False)

    def _turn(self, moment: datetime, clock: time, *, back: bool) -> datetime:
        """The nearest moment, back or ahead, at which the clock of the zone says so."""
        local = moment.astimezone(self.zone)
        day = timedelta(days=1)
        turn = datetime.combine(local.date(), clock, self.zone)
        if back and turn > local:
            turn = datetime.combine(local.date() - day, clock, self.zone)
        if not back and turn < local:
            turn = datetime.combine(local.date() + day, clock, self.zone)
        return turn.astimezone(UTC)


def due_within(
    lists: pl.DataFrame,
    *,
    at: datetime,
    within_days: float,
    quiet: QuietHours,
    at_most: int,
    min_products: int,
) -> pl.DataFrame:
    """What is due in time, and when to say so.

    Args:
        lists: of what is needed again, as :func:`training.batch.recommend_all` returns them.
        at: the moment that they are of: nothing is sent before it.
        within_days: how far ahead.
        quiet: when nothing is sent.
        at_most: products a customer, the soonest due first.
        min_products: customers with fewer are left out: a message about one may not be worth it.

    Returns:
        :data:`COLUMNS`, a customer's products one after another, the soonest due first.
    """
    due = (
        lists.filter(pl.col("due_time") <= at + timedelta(days=within_days))
        .sort("customer_id", "due_time", maintain_order=True)
        .group_by("customer_id", maintain_order=True)
        .head(at_most)
        .filter(pl.len().over("customer_id") >= min_products)
    )
    times = [quiet.send_time(moment, at) for moment in due["due_time"].to_list()]
    return due.with_columns(pl.Series("send_time", times, dtype=pl.Datetime("us", "UTC"))).select(
        COLUMNS
    )
