"""Whether what was acknowledged is in the history, once, and nobody there who was erased."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from tests.chaos.deeds import Sent

SETTLED_SECONDS = 1.0
"""What came in so shortly before a collection is left for the next one."""


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when something was, monotonic seconds."""

    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Found:
    """What became of the events that were acknowledged.

    Attributes:
        n_acknowledged: different events.
        n_found: of them in the history.
        n_wiped: of them not there, since Redis was wiped before they were collected.
        lost: the others.
        n_repeated_after_wipe: there twice, since Redis forgot them between two attempts.
        twice: others that are there more than once.
        n_erased_rows: rows of people who were erased.
    """

    n_acknowledged: int
    n_found: int
    n_wiped: int
    lost: tuple[str, ...]
    n_repeated_after_wipe: int
    twice: tuple[str, ...]
    n_erased_rows: int


def read(folder: Path) -> pl.DataFrame:
    """Which events the history has, of whom; one row each time that it has one."""
    return pl.read_parquet(folder / "live-*.parquet", columns=["event_id", "customer_id"])


def check(
    sent: Sequence[Sent],
    rows: pl.DataFrame,
    wipes: Sequence[Span],
    collections: Sequence[Span],
    erased: Collection[str],
) -> Found:
    """Compare what was acknowledged with what was collected.

    Args:
        sent: the events.
        rows: of the history.
        wipes: when Redis forgot what it had.
        collections: runs of ``collect`` that came to their end.
        erased: people.
    """
    counts = Counter(rows["event_id"].to_list())
    missing = [event for event in sent if not counts[event.event_id]]
    lost = [event for event in missing if not _was_wiped(event, wipes, collections)]
    more = [event for event in sent if counts[event.event_id] > 1]
    twice = [event for event in more if not _was_forgotten(event, wipes)]
    return Found(
        n_acknowledged=len(sent),
        n_found=len(sent) - len(missing),
        n_wiped=len(missing) - len(lost),
        lost=tuple(event.event_id for event in lost),
        n_repeated_after_wipe=len(more) - len(twice),
        twice=tuple(event.event_id for event in twice),
        n_erased_rows=rows.filter(pl.col("customer_id").is_in(list(erased))).height,
    )


def _was_wiped(event: Sent, wipes: Sequence[Span], collections: Sequence[Span]) -> bool:
    """Whether Redis may have lost an event before any run could have collected it."""
    for wipe in wipes:
        began = [run.began for run in collections if run.ended < wipe.began]
        collected_until = max(began, default=float("-inf")) - SETTLED_SECONDS
        if event.began <= wipe.ended and event.ended >= collected_until:
            return True
    return False


def _was_forgotten(event: Sent, wipes: Sequence[Span]) -> bool:
    """Whether a wipe came between an event's first attempt and its acknowledgement."""
    return any(event.began <= wipe.ended and event.ended >= wipe.began for wipe in wipes)
