"""Trees as bit tables against walking them node by node."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recsvc.core.trees import MAX_LEAVES, Tree, Trees

N_FEATURES = 4
VALUES = [-np.inf, -2.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, np.inf]
LIMITS = [-2.0, -0.5, 0.0, 0.5, 1.0]


def leaf(value: float) -> Tree:
    """Return a tree that answers ``value`` to every row."""
    none = np.zeros(0, np.int32)
    return Tree(none, np.zeros(0), none, none, np.array([value]))


def stump(feature: int, threshold: float, low: float, high: float) -> Tree:
    """Return a tree of one split whose leaves are numbered right to left."""
    children = np.array([~1], np.int32), np.array([~0], np.int32)
    return Tree(
        np.array([feature], np.int32), np.array([threshold]), *children, np.array([high, low])
    )


def grown(seed: int, n_leaves: int) -> Tree:
    """Return a random tree, grown by splitting a random leaf until there are ``n_leaves``."""
    rng = np.random.default_rng(seed)
    left: list[int] = []
    right: list[int] = []
    hangs = [([0], 0)]  # for each leaf, the entry that refers to it
    for node in range(n_leaves - 1):
        split = int(rng.integers(len(hangs)))
        children, parent = hangs[split]
        children[parent] = node
        left.append(~split)
        right.append(~(node + 1))
        hangs[split] = (left, node)
        hangs.append((right, node))
    return Tree(
        rng.integers(N_FEATURES - 1, size=n_leaves - 1).astype(np.int32),
        rng.choice(LIMITS, n_leaves - 1),
        np.array(left, np.int32),
        np.array(right, np.int32),
        rng.normal(size=n_leaves),
    )


def walk(trees: list[Tree], features: NDArray[np.float32]) -> list[float]:
    """Sum the leaves that each row reaches, node by node."""
    sums = []
    for row in features:
        total = 0.0
        for tree in trees:
            node = 0 if len(tree.feature) else ~0
            while node >= 0:
                right = row[tree.feature[node]] > tree.threshold[node]
                node = int((tree.right if right else tree.left)[node])
            total += tree.leaf_values[~node]
        sums.append(total)
    return sums


def rows(*values: float) -> NDArray[np.float32]:
    """Return rows whose first feature is one of ``values`` and the others 0."""
    features = np.zeros((len(values), N_FEATURES), np.float32)
    features[:, 0] = values
    return features


@settings(deadline=None)  # a busy machine is no failure
@given(
    shapes=st.lists(st.tuples(st.integers(0, 2**32), st.integers(1, MAX_LEAVES)), max_size=4),
    features=st.lists(
        st.lists(st.sampled_from(VALUES), min_size=N_FEATURES, max_size=N_FEATURES), max_size=8
    ),
)
def test_tables_find_the_leaves_that_walking_finds(
    shapes: list[tuple[int, int]], features: list[list[float]]
) -> None:
    """Any trees give any rows the sums of a walk, at thresholds and beyond all of them too."""
    trees = [grown(seed, n_leaves) for seed, n_leaves in shapes]
    table = np.array(features, np.float32).reshape(-1, N_FEATURES)
    predicted = Trees.from_trees(trees, N_FEATURES).predict(table)
    assert predicted.dtype == np.float32
    assert predicted.tolist() == pytest.approx(walk(trees, table), abs=1e-5)


def test_a_chain_of_splits_reaches_every_bit() -> None:
    """A tree of 64 leaves, as deep as it can be, tells all of them apart."""
    thresholds = np.arange(MAX_LEAVES - 1, dtype=np.float64)
    right = np.arange(1, MAX_LEAVES, dtype=np.int32)
    right[-1] = ~(MAX_LEAVES - 1)
    chain = Tree(
        np.zeros(MAX_LEAVES - 1, np.int32),
        thresholds,
        ~np.arange(MAX_LEAVES - 1, dtype=np.int32),
        right,
        np.arange(MAX_LEAVES, dtype=np.float64),
    )
    predicted = Trees.from_trees([chain], N_FEATURES).predict(rows(*range(MAX_LEAVES)))
    assert predicted.tolist() == list(range(MAX_LEAVES))


def test_a_wider_word_is_taken_only_when_it_is_needed() -> None:
    """32 leaves fit 32 bits; one leaf more doubles the word."""
    assert Trees.from_trees([grown(1, 32)], N_FEATURES).masks.dtype == np.uint32
    assert Trees.from_trees([grown(1, 33), leaf(1)], N_FEATURES).masks.dtype == np.uint64


def test_too_many_leaves_are_refused() -> None:
    """A tree that no word can hold is an error that says so."""
    with pytest.raises(ValueError, match="a tree has 65 leaves: fit at most 64"):
        Trees.from_trees([grown(1, 65)], N_FEATURES)


def test_thresholds_between_floats_split_as_doubles_do() -> None:
    """A double threshold is rounded so that no float32 value changes sides."""
    below, value, above = (
        float(np.float32(0.1) + k * np.spacing(np.float32(0.1))) for k in (-1, 0, 1)
    )
    for threshold, expected in (
        (np.nextafter(value, 0), [-1, 1, 1]),
        (value, [-1, -1, 1]),
        (np.nextafter(value, 1), [-1, -1, 1]),
    ):
        trees = Trees.from_trees([stump(0, float(threshold), -1, 1)], N_FEATURES)
        assert trees.predict(rows(below, value, above)).tolist() == expected


@pytest.mark.parametrize(("threshold", "expected"), [(1e300, [-1, -1, 1]), (-1e300, [-1, 1, 1])])
def test_thresholds_beyond_float32_part_infinity_only(
    threshold: float, expected: list[float]
) -> None:
    """What is beyond every finite float32 leaves those on one side."""
    largest = float(np.finfo(np.float32).max) * np.sign(threshold)
    trees = Trees.from_trees([stump(0, threshold, -1, 1)], N_FEATURES)
    assert trees.predict(rows(-np.inf, largest, np.inf)).tolist() == expected


def test_values_are_summed_in_double_precision() -> None:
    """A small tree between two large ones that cancel is not lost."""
    trees = Trees.from_trees([leaf(1e9), leaf(0.25), leaf(-1e9)], N_FEATURES)
    assert trees.predict(rows(0)).tolist() == [0.25]


def test_nothing_to_do() -> None:
    """No rows give no predictions, no trees 0, and trees of one leaf a constant."""
    one = Trees.from_trees([stump(0, 0, -1, 1)], N_FEATURES)
    assert one.predict(rows()).shape == (0,)
    assert Trees.from_trees([], N_FEATURES).predict(rows(1, 2)).tolist() == [0, 0]
    constants = Trees.from_trees([leaf(1), leaf(0.5)], N_FEATURES)
    assert constants.predict(rows(1, 2)).tolist() == [1.5, 1.5]
    assert Trees.from_trees([leaf(1)], 0).predict(np.zeros((2, 0), np.float32)).tolist() == [1, 1]


@pytest.mark.parametrize("n_leaves", [20, 40])
def test_round_trip_through_arrays(n_leaves: int) -> None:
    """Trees read back from their arrays predict the same, for both widths of the word."""
    trees = Trees.from_trees([grown(seed, n_leaves) for seed in range(5)], N_FEATURES)
    arrays = trees.to_arrays("ranker")
    back = Trees.from_arrays(arrays, "ranker")
    features = np.random.default_rng(0).normal(size=(50, N_FEATURES)).astype(np.float32)
    assert set(arrays) == {
        f"ranker.{name}" for name in ("indptr", "thresholds", "masks", "leaf_values")
    }
    assert back.n_features == N_FEATURES
    assert back.predict(features).tolist() == trees.predict(features).tolist()
    assert all(np.shares_memory(back.to_arrays("ranker")[name], arrays[name]) for name in arrays)


def test_a_row_is_predicted_alike_in_any_company_and_order() -> None:
    """Neither the other rows nor the memory order of the features change a prediction."""
    trees = Trees.from_trees([grown(seed, 31) for seed in range(20)], N_FEATURES)
    features = np.random.default_rng(0).normal(size=(30, N_FEATURES)).astype(np.float32)
    together = trees.predict(features).tolist()
    assert trees.predict(np.asfortranarray(features)).tolist() == together
    assert trees.predict(features[::-1]).tolist() == together[::-1]
    assert [trees.predict(features[[row]]).item() for row in range(30)] == together
