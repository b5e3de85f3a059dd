"""What a run says of an evaluation."""

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from tests.samples import tiny_model
from training.column import Column
from training.report import N_SLICES, slices_by_place, summaries, table_lines


def column(values: dict[int, float]) -> Column:
    """A column whose recall is half of its nDCG."""
    ndcg = np.array(list(values.values()), np.float64)
    n = len(values)
    return Column(
        np.array(list(values), np.int32),
        np.zeros((n, 1), np.int32),
        csr_array(np.zeros((n, 6), np.float32)),
        {"ndcg@10": ndcg, "recall@20": ndcg / 2},
    )


def means(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a report without its intervals."""
    return {name: value for name, value in row.items() if name != "intervals"}


def test_slices_are_means_by_home_place() -> None:
    """Each level with two places or more lists them, the largest first, with their means."""
    # Homes: anna 0 and ben 1 in Leeds, clara 2 in York, dora 3 in Porto, emil 4 nowhere.
    columns = {
        Task.ALL: column({0: 1.0, 1: 0.5, 2: 0.25, 3: 0.0, 4: 1.0}),
        Task.NEW: column({1: 0.5}),
    }

    slices = slices_by_place(Recommender(tiny_model()), columns)

    britain, portugal = slices["country"]
    assert (britain["place"], portugal["place"]) == ("GB", "PT")
    assert means(britain["all"]) == {"customers": 3, "ndcg@10": 0.58333, "recall@20": 0.29167}
    assert britain["all"]["intervals"] == {"ndcg@10": [0.25, 1.0], "recall@20": [0.125, 0.5]}
    assert means(britain["new"]) == {"customers": 1, "ndcg@10": 0.5, "recall@20": 0.25}
    assert means(portugal["all"]) == {"customers": 1, "ndcg@10": 0.0, "recall@20": 0.0}
    assert portugal["new"] == {"customers": 0}
    assert [row["place"] for row in slices["store"]] == ["leeds-1", "york-1", "porto-1"]
    assert N_SLICES >= 3


def test_a_level_with_one_place_is_no_slice() -> None:
    """Where all are at home in one place, the level says nothing that the total does not."""
    columns = {Task.ALL: column({0: 1.0, 1: 0.5})}

    assert slices_by_place(Recommender(tiny_model()), columns) == {}


def test_the_table_has_a_line_a_ranker() -> None:
    """All rankers' means and margins are in one table; a column without customers is nan."""
    columns = {
        "recsvc": {Task.ALL: column({0: 1.0, 1: 0.5}), Task.NEW: column({})},
        "popularity": {Task.ALL: column({0: 0.25}), Task.NEW: column({0: 0.5})},
    }

    lines = table_lines(columns)

    assert [line.split() for line in lines[2:]] == [
        ["recsvc", "0.7500", "±0.2500", "0.3750", "±0.1250", *["nan", "±nan"] * 2],
        ["popularity", "0.2500", "±0.0000", "0.1250", "±0.0000", "0.5000", "±0.0000"]
        + ["0.2500", "±0.0000"],
    ]
    assert len({len(line) for line in lines}) == 1


def test_summaries_are_by_ranker_and_task() -> None:
    """The manifest's means are keyed by the names of rankers and tasks."""
    full = column({3: 0.5})

    found = summaries({"x": {Task.ALL: full, Task.NEW: column({})}})

    assert found == {"x": {"all": full.summary(), "new": {"customers": 0}}}
    assert found["x"]["all"]["ndcg@10"] == 0.5
