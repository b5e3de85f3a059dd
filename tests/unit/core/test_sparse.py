"""Compressed rows against scipy, and the small selections that requests are made of."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from recsvc.core.sparse import SparseRows, Sum, distinct, gather, top

DENSE = np.array([[0, 2, 0, 1], [0, 0, 0, 0], [3, 0, 0, 5]], np.float32)


def int32(*values: int) -> np.ndarray:
    """Return an array of indices."""
    return np.array(values, np.int32)


@pytest.fixture
def rows() -> SparseRows:
    """Three rows, the second empty."""
    return SparseRows.from_csr(csr_array(DENSE))


def test_duplicates_are_summed_and_indices_sorted() -> None:
    """A matrix of unsorted pairs becomes rows of ascending, distinct columns."""
    pairs = ([0, 0, 0], [2, 1, 2])
    rows = SparseRows.from_csr(csr_array(([1.0, 5.0, 2.0], pairs), (1, 3)))
    assert rows.indices.tolist() == [1, 2]
    assert rows.values.tolist() == [5, 3]
    assert rows.indptr.dtype == np.int64
    assert rows.indices.dtype == np.int32


def test_a_row_is_its_columns_and_values(rows: SparseRows) -> None:
    """A row holds what the matrix holds, an empty one nothing."""
    assert len(rows) == 3
    columns, values = rows.row(2)
    assert (columns.tolist(), values.tolist()) == ([0, 3], [3, 5])
    assert rows.row(1)[0].tolist() == []


def test_values_at_columns(rows: SparseRows) -> None:
    """Columns that a row does not hold are 0, in any order of asking."""
    assert rows.at(0, int32(3, 0, 1)).tolist() == [1, 0, 2]
    assert rows.at(1, int32(0, 3)).tolist() == [0, 0]


@pytest.mark.parametrize("chosen", [[2, 0], [1], [0, 1, 2], [0, 2, 0], []])
def test_weighted_sum_is_scipys(rows: SparseRows, chosen: list[int]) -> None:
    """The sum of weighted rows is the matrix product, for empty rows and no rows too."""
    weights = np.array([0.5, 2, 3], np.float32)[: len(chosen)]
    expected = weights @ csr_array(DENSE)[chosen] if chosen else np.zeros(4)
    found = rows.weighted_sum(int32(*chosen), weights, 4)
    assert np.allclose(found, expected)
    assert found.dtype == np.float32


def test_a_weighted_sum_needs_room_for_every_column(rows: SparseRows) -> None:
    """Also for those of rows that are not chosen; more room is filled with zeros."""
    one = np.ones(1, np.float32)
    assert rows.weighted_sum(int32(0), one, 6).tolist() == [0, 2, 0, 1, 0, 0]
    with pytest.raises(ValueError, match="3 columns do not hold the 4 of the rows"):
        rows.weighted_sum(int32(1), one, 3)
    assert SparseRows.from_rows([]).weighted_sum(int32(), one[:0], 0).tolist() == []


def test_a_negative_column_is_refused() -> None:
    """It would be a place before the first one."""
    with pytest.raises(ValueError, match="column -2: sparse rows have none below 0"):
        SparseRows.from_rows([(int32(-2, 0), np.ones(2, np.float32))])


def test_more_entries_than_a_pointer_counts_are_refused() -> None:
    """2**31 of them, none of which takes memory here."""
    indices = np.broadcast_to(np.int32(0), 2**31)
    values = np.broadcast_to(np.float32(0), 2**31)
    with pytest.raises(ValueError, match="less than"):
        SparseRows(np.array([0, 2**31]), indices, values)


def test_gather_reads_at_keys() -> None:
    """Keys that are there give their value, those before, between and after them 0."""
    found = gather(int32(2, 4, 7), np.array([20, 40, 70], np.int32), int32(7, 1, 4, 5, 9, 2))
    assert found.tolist() == [70, 0, 40, 0, 0, 20]


def test_gather_does_not_touch_what_it_reads() -> None:
    """Asking for a missing key leaves the values as they were."""
    values = np.array([1, 2], np.float32)
    gather(int32(3, 5), values, int32(4, 9))
    assert values.tolist() == [1, 2]


def test_gather_from_nothing() -> None:
    """Without keys every wanted key gives 0 of the values' type."""
    found = gather(int32(), np.zeros(0, np.float32), int32(1, 2))
    assert found.tolist() == [0, 0]
    assert found.dtype == np.float32


def test_distinct_merges_and_sorts() -> None:
    """Values of all arrays come once each, ascending."""
    assert distinct([int32(5, 1), int32(), int32(1, 3, 5)]).tolist() == [1, 3, 5]


def test_distinct_of_empty_arrays() -> None:
    """Empty arrays merge to an empty one."""
    assert distinct([int32(), int32()]).tolist() == []


SCORES = np.array([0.5, 3, 0, -1, 2, 1], np.float32)


def test_top_takes_the_largest() -> None:
    """The largest positive scores are found, as a set."""
    assert set(top(SCORES, 3).tolist()) == {1, 4, 5}


def test_top_leaves_out_what_is_not_positive() -> None:
    """Zero and negative scores are never among the top, however much room there is."""
    assert set(top(SCORES, 10).tolist()) == {0, 1, 4, 5}


def test_top_excludes_before_the_cut() -> None:
    """What is not allowed leaves its room to the next best."""
    allowed = np.array([True, False, True, True, True, True])
    assert set(top(SCORES, 2, allowed).tolist()) == {4, 5}


@pytest.mark.parametrize("limit", [0, 4])
def test_top_at_the_edges(limit: int) -> None:
    """A limit of nothing finds nothing, one of exactly what there is finds all."""
    assert len(top(SCORES, limit)) == limit


@pytest.mark.parametrize("limit", [0, 1, 40, 156, 157, 2_000, 20_000])
@pytest.mark.parametrize("share", [0.001, 0.01, 1.0])
def test_top_of_many_is_what_sorting_finds(limit: int, share: float) -> None:
    """Also where few scores are positive, few allowed, or the best lie side by side."""
    random = np.random.default_rng(3)
    scores = random.normal(size=10_007).astype(np.float32)
    scores[random.random(len(scores)) > share] = 0
    scores[-50:] = np.arange(50)
    for allowed in (np.ones(len(scores), np.bool_), random.random(len(scores)) < 0.5):
        usable = np.flatnonzero(allowed & (scores > 0))
        best = usable[np.argsort(-scores[usable])][:limit]
        assert sorted(top(scores, limit, allowed).tolist()) == sorted(best.tolist())
    assert len(top(scores, limit)) == min(limit, np.count_nonzero(scores > 0))


def test_top_of_nothing() -> None:
    """No scores, no indices."""
    assert top(np.zeros(0, np.float32), 3).tolist() == []


def test_rows_are_put_one_under_another(rows: SparseRows) -> None:
    """Rows taken out come back in the order given, empty ones too."""
    found = SparseRows.from_rows([rows.row(i) for i in (2, 1, 0, 2)])
    assert found.indptr.tolist() == [0, 2, 2, 4, 6]
    assert found.indices.tolist() == [0, 3, 1, 3, 0, 3]
    assert found.values.tolist() == [3, 5, 2, 1, 3, 5]
    assert found.indptr.dtype == np.int64
    assert found.indices.dtype == np.int32
    assert found.values.dtype == np.float32


def test_no_rows() -> None:
    """Without rows there is a matrix without rows."""
    found = SparseRows.from_rows([])
    assert len(found) == 0
    assert found.indices.dtype == np.int32
    assert found.values.dtype == np.float32
    assert found.means(np.ones(4, np.float32)).tolist() == []


@pytest.mark.parametrize("chosen", [[0, 1, 2], [1, 0, 1, 1, 2, 1], [1], [2], [0, 2, 1]])
def test_means_are_weighed_by_a_row_and_no_larger_than_its_largest(
    rows: SparseRows, chosen: list[int]
) -> None:
    """Rows that hold nothing give 0, at either end and between."""
    vector = np.array([2, 3, 100, 7], np.float32)
    means = {0: 2 * (2 * 3 + 1 * 7) / 3, 1: 0, 2: 5 * (3 * 2 + 5 * 7) / 8}
    found = SparseRows.from_rows([rows.row(i) for i in chosen]).means(vector)
    assert found.tolist() == pytest.approx([means[i] for i in chosen])
    assert found.dtype == np.float32


N_WIDE = 200_000


def wide_rows(n_rows: int, seed: int) -> SparseRows:
    """Rows of 300 columns out of many, some of which are in most rows; some values negative."""
    rng = np.random.default_rng(seed)
    chosen = rng.integers(0, N_WIDE, (n_rows, 300)) ** 3 // N_WIDE**2
    values = rng.standard_normal(chosen.size, np.float32)
    pairs = (np.repeat(np.arange(n_rows), 300), chosen.ravel())
    return SparseRows.from_csr(csr_array((values, pairs), (n_rows, N_WIDE)))


@pytest.mark.parametrize("limit", [1, 7, 40, 5_000])
@pytest.mark.parametrize("share_allowed", [1.0, 0.5, 0.001, 0.0])
def test_the_top_of_a_sum_is_that_of_all_its_values(limit: int, share_allowed: float) -> None:
    """However few entries it was made of, and however few columns are allowed."""
    rows, rng = wide_rows(30, seed=limit), np.random.default_rng(limit)
    weights = rng.random(30, np.float32)
    allowed = rng.random(N_WIDE) < share_allowed

    found = rows.sum(np.arange(30, dtype=np.int32), weights, N_WIDE)

    assert found.reached is not None
    assert not np.delete(found.values, found.reached).any()
    best = np.sort(np.where(allowed, found.values, 0))[::-1][:limit]
    chosen = found.top(limit, allowed)
    assert allowed[chosen].all()
    assert len(distinct([chosen])) == len(chosen)
    assert np.sort(found.values[chosen])[::-1].tolist() == best[best > 0].tolist()
    everywhere = np.sort(found.values)[::-1][:limit]
    top_of_all = np.sort(found.values[found.top(limit)])[::-1]
    assert top_of_all.tolist() == everywhere[everywhere > 0].tolist()


def test_a_column_of_many_entries_counts_once() -> None:
    """The best columns come from all rows, and leave room for those of one."""
    row = np.arange(10, dtype=np.int32), np.linspace(2, 3, 10, dtype=np.float32)
    lone = np.array([50], np.int32), np.array([1], np.float32)
    rows = SparseRows.from_rows([row] * 40 + [lone])
    found = rows.sum(np.arange(41, dtype=np.int32), np.ones(41, np.float32), N_WIDE)
    assert found.reached is not None
    assert sorted(found.top(11).tolist()) == [*range(10), 50]
    assert sorted(found.top(500).tolist()) == [*range(10), 50]


def test_all_values_are_read_where_that_is_as_quick(rows: SparseRows) -> None:
    """In a small catalogue, and where most of a large one was added up."""
    one, many = np.ones(1, np.float32), np.ones(600, np.float32)
    assert rows.sum(int32(0), one, 4).reached is None
    assert sorted(rows.sum(int32(0), one, 4).top(5).tolist()) == [1, 3]
    wide = wide_rows(600, seed=1)
    assert wide.sum(np.arange(600, dtype=np.int32), many, N_WIDE).reached is None
    assert Sum.is_sparse(1, N_WIDE)
