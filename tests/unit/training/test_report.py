"""What a run says of an evaluation and of a comparison."""

import json

import numpy as np
import pytest
from scipy.sparse import csr_array

from recsvc.core.model import Model
from recsvc.core.ranking import Task
from tests.purchases import built, interactions_of
from training.column import Column
from training.compare import TOTAL, Comparison, Difference
from training.report import (
    comparison_json,
    comparison_lines,
    slice_report,
    summaries,
    table_lines,
)
from training.significance import Interval

N_ITEMS = 3


@pytest.fixture(scope="module")
def model() -> Model:
    """Five customers: 0, 1 and 2 at home in GB, 3 in PT, 4 nowhere; product 2 is new."""
    rows = [("a", "p0", 0, "GB"), ("b", "p0", 1, "GB"), ("c", "p1", 2, "GB"), ("d", "p1", 3, "PT")]
    return built(
        interactions_of(
            *(
                {"customer_id": c, "product_id": p, "day": day, "country_code": country}
                for c, p, day, country in rows
            ),
            {"customer_id": "e", "product_id": "p1", "day": 4},
            {"customer_id": "e", "product_id": "p2", "day": 99},
        )
    )


def column(values: dict[int, float], wanted: dict[int, list[int]] | None = None) -> Column:
    """A column whose recall is half of its nDCG; its lists are ``0, 1, 2``."""
    relevant = np.zeros((len(values), N_ITEMS), np.float32)
    for row, customer in enumerate(values):
        relevant[row, (wanted or {}).get(customer, [0])] = 1
    ndcg = np.array(list(values.values()), np.float64)
    return Column(
        np.array(list(values), np.int32),
        np.tile(np.arange(N_ITEMS, dtype=np.int32), (len(values), 1)),
        csr_array(relevant),
        {"ndcg@10": ndcg, "recall@20": ndcg / 2},
    )


def test_slices_are_means_with_intervals(model: Model) -> None:
    """Each kind that divides the measured customers lists its slices, for every task."""
    columns = {
        Task.ALL: column({0: 1.0, 1: 0.5, 2: 0.0, 3: 0.0, 4: 1.0}),
        Task.NEW: column({1: 0.5}),
    }

    report = slice_report(model, columns)

    britain, portugal = report["country"]
    assert (britain["name"], portugal["name"]) == ("GB", "PT")
    assert britain["all"] == {
        "customers": 3,
        "ndcg@10": 0.5,
        "recall@20": 0.25,
        "intervals": {"ndcg@10": [0.0, 1.0], "recall@20": [0.0, 0.5]},
    }
    assert britain["new"]["customers"] == 1
    assert portugal["new"] == {"customers": 0}
    assert [row["name"] for row in report["history"]] == ["1", "2-4"]
    # Nobody is new, no store is known, no target is a new product: nothing to tell.
    assert set(report) == {"country", "history"}


def test_only_measured_customers_make_slices(model: Model) -> None:
    """A place in which nobody was measured is no slice, nor is one where all are."""
    assert "country" not in slice_report(model, {Task.ALL: column({0: 1.0, 1: 0.5, 4: 0.0})})


def test_products_new_to_the_catalogue_are_apart(model: Model) -> None:
    """Targets among new products are measured by themselves, in the same lists."""
    wanted = {0: [0], 1: [0, 2], 2: [1]}
    columns = {Task.ALL: column({0: 0.0, 1: 0.0, 2: 0.0}, wanted)}

    new, established = slice_report(model, columns)["product"]

    assert (new["name"], established["name"]) == ("new", "established")
    assert new["all"]["customers"] == 1
    assert new["all"]["ndcg@10"] == 0.5  # third of the list
    assert established["all"]["customers"] == 3
    assert established["all"]["recall@20"] == 1.0


def test_segments_are_slices(model: Model) -> None:
    """Segments that the user gives are listed, the largest first."""
    columns = {Task.ALL: column({0: 1.0, 1: 0.5, 2: 0.0, 3: 0.0})}

    report = slice_report(model, columns, {"a": "gold", "b": "tin", "c": "tin", "x": "gold"})

    assert [(row["name"], row["all"]["customers"]) for row in report["segment"]] == [
        ("tin", 2),
        ("gold", 1),
    ]


def test_the_table_has_a_line_a_ranker() -> None:
    """All rankers' means and margins are in one table, as wide as its head."""
    half = dict.fromkeys(range(20), 0.5)
    columns = {
        "recsvc": {Task.ALL: column(half | {0: 1.0, 1: 0.0}), Task.NEW: column(half)},
        "popularity": {Task.ALL: column(half), Task.NEW: column(half)},
    }

    lines = table_lines(columns)

    assert [" ".join(line.split()) for line in lines] == [
        "all purchases new to the customer",
        "nDCG@10 recall@20 nDCG@10 recall@20",
        "recsvc 0.5000 ±0.0750 0.2500 ±0.0375 0.5000 ±0.0000 0.2500 ±0.0000",
        "popularity 0.5000 ±0.0000 0.2500 ±0.0000 0.5000 ±0.0000 0.2500 ±0.0000",
    ]
    assert len({len(line) for line in lines}) == 1


def test_the_table_says_where_it_tells_nothing() -> None:
    """A column of few customers is said to be one, and one of nobody has no figures."""
    columns = {"recsvc": {Task.ALL: column({0: 1.0, 1: 0.5}), Task.NEW: column({})}}

    *_, figures, few, nobody = table_lines(columns)

    assert figures.split() == ["recsvc", "0.7500", "±0.2500", "0.3750", "±0.1250", "-", "-"]
    assert few == "  all purchases: 2 measured, too few to tell"
    assert nobody == "  new to the customer: nobody to measure"


def test_summaries_are_by_ranker_and_task() -> None:
    """The manifest's means are keyed by the names of rankers and tasks."""
    full = column({3: 0.5})

    found = summaries({"x": {Task.ALL: full, Task.NEW: column({})}})

    assert found == {"x": {"all": full.summary(), "new": {"customers": 0}}}
    assert found["x"]["all"]["ndcg@10"] == 0.5


def difference(
    kind: str, name: str, task: Task, mean: float, metric: str = "ndcg@10"
) -> Difference:
    """A difference with an interval of .1 to either side."""
    interval = Interval(mean, mean - 0.1, mean + 0.1)
    return Difference(kind, name, task, metric, 1234, 0.5 + mean, 0.5, interval)


@pytest.fixture
def comparison() -> Comparison:
    return Comparison(
        since=1_735_689_600.0,
        n_customers=2_000,
        differences=(
            difference(TOTAL, "", Task.ALL, 0.25),
            difference(TOTAL, "", Task.ALL, 0.05, metric="recall@20"),
            difference(TOTAL, "", Task.NEW, -0.2),
            difference("country", "GB", Task.ALL, 0.05),
            difference("country", "PT", Task.ALL, -0.05),
            difference("country", "GB", Task.NEW, 0.05),
        ),
    )


def test_a_comparison_is_written_by_slice(comparison: Comparison) -> None:
    """JSON has the totals, then by kind each slice, with both tasks and metrics."""
    found = json.loads(json.dumps(comparison_json(comparison)))

    assert found["since"] == "2025-01-01T00:00:00+00:00"
    assert found["customers"] == 2_000
    assert found["total"]["all"]["ndcg@10"] == {
        "a": 0.75,
        "b": 0.5,
        "difference": 0.25,
        "interval": [0.15, 0.35],
    }
    assert found["total"]["all"]["recall@20"]["difference"] == 0.05
    assert found["total"]["all"]["customers"] == 1234
    assert found["total"]["new"]["ndcg@10"]["difference"] == -0.2
    britain, portugal = found["slices"]["country"]
    assert set(britain) == {"name", "all", "new"}
    assert set(portugal) == {"name", "all"}


def test_a_comparison_is_shown_as_two_tables(comparison: Comparison) -> None:
    """A line a slice under each task; what is clear of 0 is marked."""
    lines = [" ".join(line.split()) for line in comparison_lines(comparison)]

    assert lines == [
        "",
        "all purchases, nDCG@10 customers A B A - B 95 % interval",
        "total 1,234 0.7500 0.5000 +0.2500 [+0.1500, +0.3500] *",
        "country GB 1,234 0.5500 0.5000 +0.0500 [-0.0500, +0.1500]",
        "country PT 1,234 0.4500 0.5000 -0.0500 [-0.1500, +0.0500]",
        "",
        "new to the customer, nDCG@10 customers A B A - B 95 % interval",
        "total 1,234 0.3000 0.5000 -0.2000 [-0.3000, -0.1000] *",
        "country GB 1,234 0.5500 0.5000 +0.0500 [-0.0500, +0.1500]",
    ]
