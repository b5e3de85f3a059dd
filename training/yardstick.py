"""What a candidate that is to be fitted on everything can be measured by.

No purchase is fresh to tonight's candidate, and none from before last night to the current
model. So the candidate's recipe (this code, these settings, this history) is fitted once more
on what the current model had: the purchases up to the end of its data. What was bought since
is fresh to both, and their data is of one age. ``docs/decisions/0007-promotion-gate.md``
compares the ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from recsvc.artifacts.journal import Gate
from recsvc.artifacts.pointer import Pointer
from recsvc.artifacts.registry import Registry
from recsvc.core.recommender import Recommender
from recsvc.errors import ArtifactError, InputError, NotFoundError
from training.events import read_events
from training.interactions import Interactions
from training.options import day_of, load
from training.purchases import FitInput
from training.schema import PURCHASE

MIN_KEPT = 0.8
"""Share of what the current version has learnt from that must still be there. Returns and erased
customers take a little away, half an export takes half."""


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The served version that a candidate is compared with.

    Attributes:
        version_id: the current version, or one that was current before it.
        recommender: of its model.
    """

    version_id: str
    recommender: Recommender


def find_yardstick(
    registry: Registry, pointer: Pointer, purchases: Interactions, min_customers: int
) -> tuple[Yardstick | None, list[str]]:
    """The latest served version since whose data enough customers have bought.

    That is the current one, except where few customers buy in a day: a gate that never has
    enough to judge by would let a slow decay through. It goes back no further than to a version
    that somebody has forced: that one was promoted against the gate's advice from before it.

    Args:
        registry: of the versions.
        pointer: which have been served.
        purchases: tonight's.
        min_customers: how many are enough.

    Returns:
        the version, and a line for each later one that could not be used.
    """
    overruled = {e.version_id for e in registry.history() if e.note.gate is Gate.OVERRULED}
    passed_over = []
    for version_id in (pointer.version_id, *pointer.previous):
        try:
            _, recommender = load(str(registry.root), version_id)
        except (ArtifactError, NotFoundError) as error:
            # Also the model of an older release, which a fit of this one is to replace.
            passed_over.append(str(error))
        else:
            data_end = recommender.model.data_end
            n_customers = customers_since(purchases, data_end)
            if n_customers >= min_customers:
                return Yardstick(version_id, recommender), passed_over
            passed_over.append(
                f"{version_id}: {n_customers} customers have bought since its data ended "
                f"({day_of(data_end)}), {min_customers} are needed"
            )
        if version_id in overruled:
            break
    return None, passed_over


def require_whole(registry: Registry, version_id: str, purchases: Interactions) -> None:
    """Make sure that tonight's files are the whole history that the current version knew, and more.

    Of half a file no purchase is fresh, so that the gate would have nothing to refuse it by.

    Args:
        registry: of the versions.
        version_id: the current one; one that cannot be read says nothing.
        purchases: tonight's.

    Raises:
        InputError: the files end earlier, or have lost much of what was in them.
    """
    try:
        manifest = registry.manifest(version_id)
    except (ArtifactError, NotFoundError):
        return
    end, n_before = manifest.parameters["data_end"], manifest.data["n_interactions"]
    if purchases.has_times and purchases.end < end:
        raise InputError(
            f"the last purchase is of {day_of(purchases.end)}, before the end of what {version_id} "
            f"has learnt from ({day_of(end)}); give the whole history, or --force"
        )
    n_kept = purchases.lines.filter(pl.col("time") <= end).height
    if n_kept < MIN_KEPT * n_before:
        raise InputError(
            f"{n_kept:,} purchases are left of the {n_before:,} that {version_id} has learnt from; "
            "give the whole history, or --force"
        )


def customers_since(purchases: Interactions, moment: float) -> int:
    """How many customers have bought anything after ``moment``, seconds since 1970."""
    return purchases.lines.filter(pl.col("time") > moment)["customer"].n_unique()


def history_of(source: FitInput, until: float, path: Path) -> FitInput:
    """Write what had happened ``until`` then, and return how to fit on that alone.

    Args:
        source: all files of a run.
        until: seconds since 1970; the end of it is left in.
        path: Parquet file to write; appears as a whole.

    Raises:
        InputError: the files hold no purchase as old as that.
        OSError: ``path`` cannot be written.
    """
    events, _ = read_events(
        source.events,
        mapping=source.mapping,
        timezone=source.timezone,
        max_quarantined_share=source.max_quarantined_share,
    )
    known = events.filter(pl.col("event_time").dt.epoch("s").fill_null(0) <= until)
    if known.filter(pl.col("event_type") == PURCHASE).is_empty():
        raise InputError(
            f"{_named(source.events)}: no purchase up to the end of the current model's data "
            f"({day_of(until)}); give the whole history, not what is new alone"
        )
    partial = path.with_suffix(".partial")
    known.write_parquet(partial)
    partial.replace(path)
    return replace(
        source, events=[path], mapping={}, timezone="UTC", quarantine=None, test_events=()
    )


def _named(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths))
