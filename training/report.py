"""What a run says of an evaluation: means, slices, a table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsvc.core.places import PLACE_LEVELS
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.core.vocabulary import MISSING
from training.column import Column

N_SLICES = 10
"""Places of a level that are reported, the largest."""


def slices_by_place(
    recommender: Recommender, columns: Mapping[Task, Column]
) -> dict[str, list[dict[str, Any]]]:
    """Means and intervals for the largest home places of each level that has at least two."""
    homes = recommender.model.histories.homes
    report: dict[str, list[dict[str, Any]]] = {}
    for level in PLACE_LEVELS:
        keys = recommender.model.places.levels[level].keys
        home = homes[columns[Task.ALL].customers, level]
        places, sizes = np.unique(home[home != MISSING], return_counts=True)
        largest = places[np.argsort(-sizes, kind="stable")][:N_SLICES]
        if len(places) > 1:
            report[level.name.lower()] = [
                {"place": keys.ids[int(place)]}
                | {task.value: _at(columns[task], homes[:, level], place) for task in columns}
                for place in largest
            ]
    return report


def _at(column: Column, homes: NDArray[np.int32], place: int) -> dict[str, Any]:
    return column.where(homes[column.customers] == place).headline()


def summaries(columns: Mapping[str, Mapping[Task, Column]]) -> dict[str, dict[str, Any]]:
    """All metrics of every ranker and task, as JSON."""
    return {
        name: {task.value: column.summary() for task, column in by_task.items()}
        for name, by_task in columns.items()
    }


def table_lines(columns: Mapping[str, Mapping[Task, Column]]) -> list[str]:
    """The means that matter most as the lines of a table, with half of their 95 % intervals."""
    lines = [
        f"{'':20}{'all purchases':>34}{'new to the customer':>34}",
        f"{'':20}" + f"{'nDCG@10':>17}{'recall@20':>17}" * 2,
    ]
    for name, by_task in columns.items():
        cells = [cell for task in (Task.ALL, Task.NEW) for cell in _cells(by_task[task])]
        lines.append(f"{name:20}" + "".join(f"{cell:>17}" for cell in cells))
    return lines


def _cells(column: Column) -> list[str]:
    return [f"{each.mean:.4f} ±{each.margin:.4f}" for each in column.intervals().values()]
