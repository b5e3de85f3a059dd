"""What is told of candidates beside a basket, against loops over the baskets themselves."""

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsvc.core.baskets import COLUMNS, POPULARITY_POWER, PRIOR, basket_columns
from recsvc.core.histories import NO_HISTORY
from recsvc.core.places import ANYWHERE
from recsvc.core.sources import Moment
from recsvc.core.vocabulary import MISSING
from tests.pairs import counted_baskets

pytestmark = pytest.mark.usefixtures("unmeasured")

N_ITEMS = 8
SOME = st.sets(st.integers(0, N_ITEMS - 1))
BASKETS = st.lists(SOME.filter(bool), min_size=1, max_size=12)
KINDS = st.lists(st.sampled_from([MISSING, 0, 1, 2]), min_size=N_ITEMS, max_size=N_ITEMS)


def lift(baskets: list[set[int]], one: int, other: int, prior: float) -> float:
    """Logarithm of how many times as often as chance both are in a basket, shrunk."""
    n_one, n_other = (sum(thing in basket for basket in baskets) for thing in (one, other))
    n_both = sum({one, other} <= basket for basket in baskets) if one != other else 0
    return log((n_both + prior) / (n_one * n_other / len(baskets) + prior))


def told(baskets: list[set[int]], kind: list[int], basket: list[int], item: int) -> list[float]:
    """The columns of one candidate, its ranks left out."""
    n = [sum(thing in each for each in baskets) for thing in range(N_ITEMS)]
    both = [[each for each in baskets if {own, item} <= each] for own in basket]
    scales = [1 / (n[own] + float(PRIOR)) for own in basket]
    shares = [len(found) * scale for found, scale in zip(both, scales, strict=True)]
    closeness = [
        sum(1 / (len(each) - 1) for each in found) * scale
        for found, scale in zip(both, scales, strict=True)
    ]
    leaning = [value / max(n[item], 1) ** float(POPULARITY_POWER) for value in closeness]
    lifts = [lift(baskets, own, item, 1) for own in basket]
    logs = [log(1 + len(found)) for found in both]
    kinds = [{kind[thing] for thing in each} - {MISSING} for each in baskets]
    theirs = {kind[own] for own in basket} - {MISSING}
    kind_lifts = [0.0]
    if theirs and kind[item] != MISSING:
        kind_lifts = [lift(kinds, own, kind[item], float(PRIOR)) for own in theirs]
    alike = [thing for thing in range(N_ITEMS) if kind[thing] == kind[item] != MISSING]
    of_kind = sum(n[thing] for thing in alike)
    return [
        *(f(values) for values in (shares, closeness, leaning) for f in (sum, max)),
        *(f(lifts) for f in (sum, max, min)),
        *(f(logs) for f in (sum, max)),
        sum(kind_lifts) / len(kind_lifts), max(kind_lifts), min(kind_lifts),
        sum(own in alike for own in basket),
        n[item] / of_kind if of_kind else 0,
        len(basket),
    ]  # fmt: skip


@given(BASKETS, KINDS, SOME.filter(bool), st.data())
def test_columns_are_those_of_loops_over_the_baskets(
    baskets: list[set[int]], kind: list[int], basket: set[int], data: st.DataObject
) -> None:
    """Of every candidate that is not in the basket, in any order; and so is the source's score."""
    left = sorted(set(range(N_ITEMS)) - basket)
    items = data.draw(st.permutations(left)) if left else []
    counted = counted_baskets(baskets, np.array(kind, np.int32))
    own, others = np.array(sorted(basket), np.int32), np.array(items, np.int32)

    table = np.stack([np.asarray(c) for c in basket_columns(counted, own, others)], axis=1)

    assert table.shape == (len(items), len(COLUMNS))
    assert np.isfinite(table).all()
    expected = [told(baskets, kind, own.tolist(), item) for item in items]
    for row, values in zip(table, expected, strict=True):
        assert row[: len(values)].tolist() == pytest.approx(values, rel=1e-4, abs=1e-5)
    for column in ("share", "close", "leaning", "lift"):
        ranks = table[:, COLUMNS.index(f"{column}_rank")]
        assert sorted(ranks) == list(range(len(items)))
        ranked = table[np.argsort(ranks), COLUMNS.index(f"{column}_sum")]
        assert (np.diff(ranked) <= 0).all()
    moment = Moment(NO_HISTORY, ANYWHERE, np.ones(N_ITEMS, np.bool_), 0.0, basket=own)
    (scores,) = counted.score(moment, others)
    leaning = table[:, COLUMNS.index("leaning_sum")]
    assert scores.tolist() == pytest.approx(leaning.tolist(), rel=1e-4, abs=1e-6)
