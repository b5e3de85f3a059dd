"""The guard: which ranker is deployed."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recsvc.core.ranking import Ranker, Task
from training.column import Column
from training.guard import FUSION, TREES, contestants, judge

N_CUSTOMERS = 30


def column(place: int, n_right: int = N_CUSTOMERS, first: int = 0) -> dict[Task, Column]:
    """Everybody buys product 0; it stands at ``place`` of ``n_right`` lists from ``first`` on."""
    lists = np.tile(np.arange(1, 11, dtype=np.int32), (N_CUSTOMERS, 1))
    lists[first : first + n_right, place] = 0
    relevant = csr_array(np.eye(1, 12, dtype=np.float32).repeat(N_CUSTOMERS, axis=0))
    return {Task.NEW: Column.of(np.arange(N_CUSTOMERS, dtype=np.int32), lists, relevant)}


def test_trees_that_lose_do_not_serve() -> None:
    """On the guard's window, whatever they were fitted on."""
    verdict = judge(
        Task.NEW, {FUSION: column(place=1), TREES: column(place=4), "popularity": column(place=7)}
    )

    assert (verdict.served, verdict.runner_up) == (FUSION, TREES)
    assert verdict.ndcg[FUSION] > verdict.ndcg[TREES] > verdict.ndcg["popularity"]
    assert verdict.margin.is_above_zero
    assert verdict.line().endswith("the fusion will serve")
    assert "noise" not in verdict.line()
    assert verdict.as_json()["served"] == FUSION
    assert verdict.as_json()["margin"][0] == pytest.approx(verdict.margin.mean, abs=1e-5)


def test_a_lead_of_chance_replaces_nothing() -> None:
    """Fusion and score win two lists and lose one: the trees stay, and the log says so."""
    ahead = column(place=0, n_right=11, first=1)
    verdict = judge(
        Task.NEW, {FUSION: ahead, TREES: column(place=0, n_right=10), "popularity": ahead}
    )

    assert verdict.served == TREES
    assert verdict.ndcg[FUSION] > verdict.ndcg[TREES]
    assert verdict.line().startswith("  guard, new: the trees (0.3333) behind the fusion (0.3667;")
    assert verdict.line().endswith(", within the noise): the trees will serve")


def test_of_equals_the_first_serves() -> None:
    """Without a difference the fusion stays, and the log says that the margin is noise."""
    verdict = judge(Task.NEW, {FUSION: column(place=2), "place": column(place=2)})

    assert verdict.served == FUSION
    assert "before place alone" in verdict.line()
    assert "within the noise" in verdict.line()


def test_one_score_alone_may_win() -> None:
    """A source that beats all that was learnt is what serves."""
    verdict = judge(Task.NEW, {FUSION: column(0, n_right=5), "own_long": column(0)})

    assert verdict.served == "own_long"
    assert verdict.line().endswith("own_long alone will serve")


def test_who_contends() -> None:
    """The fusion, the trees where there are any, and every score alone, for the same tasks."""
    weights = np.array([1, 2], np.float32)
    fusion = {task: Ranker(weights) for task in (Task.ALL, Task.NEW)}
    learnt = {Task.NEW: Ranker(weights, fusion=1.0)}

    rankers = contestants(("popularity", "place"), fusion, learnt)

    assert list(rankers) == [FUSION, TREES, "popularity", "place"]
    assert rankers[TREES] == {Task.ALL: fusion[Task.ALL], Task.NEW: learnt[Task.NEW]}
    assert rankers["place"][Task.ALL].weights.tolist() == [0, 1]
    assert TREES not in contestants(("popularity",), fusion, {})
