"""What a run says of an evaluation: means, slices, a table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsvc.core.places import PLACE_LEVELS
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.core.vocabulary import MISSING
from training.metrics import Column

N_SLICES = 10
"""Places of a level that are reported, the largest."""


def slices_by_place(
    recommender: Recommender, columns: Mapping[Task, Column]
) -> dict[str, list[dict[str, Any]]]:
    """Means for the largest home places of each level that has at least two."""
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


def _at(column: Column, homes: NDArray[np.int32], place: int) -> dict[str, float]:
    here = homes[column.customers] == place
    return Column(column.customers[here], column.ndcg[here], column.recall[here]).summary()


def summaries(
    columns: Mapping[str, Mapping[Task, Column]],
) -> dict[str, dict[str, dict[str, float]]]:
    """All means, as JSON."""
    return {
        name: {task.value: column.summary() for task, column in by_task.items()}
        for name, by_task in columns.items()
    }


def table_lines(columns: Mapping[str, Mapping[Task, Column]]) -> list[str]:
    """All means as the lines of a table."""
    lines = [
        f"{'':22}{'all purchases':>24}{'new to the customer':>24}",
        f"{'':22}{'nDCG@10':>12}{'recall@20':>12}{'nDCG@10':>12}{'recall@20':>12}",
    ]
    for name, by_task in columns.items():
        values = [v for task in (Task.ALL, Task.NEW) for v in _means(by_task[task])]
        lines.append(f"{name:22}" + "".join(f"{value:12.4f}" for value in values))
    return lines


def _means(column: Column) -> tuple[float, float]:
    if not len(column.customers):
        return float("nan"), float("nan")
    return float(column.ndcg.mean()), float(column.recall.mean())
