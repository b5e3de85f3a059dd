"""The correspondence between ids and indices."""

import numpy as np
import pytest

from recsvc.core.vocabulary import MISSING, StringTable, Vocabulary, _hash


def test_a_table_gives_back_its_strings() -> None:
    """Empty, non-ASCII and repeated strings come back as they were given."""
    strings = ["", "Käse", "x", "", "日本茶", "x"]
    table = StringTable.from_strings(strings)
    assert len(table) == 6
    assert [table[i] for i in range(6)] == strings
    assert list(table) == strings
    assert table.take([4, 1]) == ["日本茶", "Käse"]


def test_a_table_may_be_empty() -> None:
    """No strings make a table of length 0."""
    empty = StringTable.from_strings([])
    assert len(empty) == 0
    assert list(empty) == []


def test_equal_strings_are_found_once() -> None:
    """The distinct strings come in the order in which they come up, and each is one of them."""
    distinct, each = StringTable.from_strings(["x", "", "Käse", "x", "X", ""]).distinct()
    assert distinct == ["x", "", "Käse", "X"]
    assert each.tolist() == [0, 1, 2, 0, 3, 1]
    assert each.dtype == np.int32
    distinct, each = StringTable.from_strings([]).distinct()
    assert distinct == []
    assert each.tolist() == []


def test_ids_are_numbered_in_their_order() -> None:
    """The first id has index 0, whatever its hash."""
    vocabulary = Vocabulary.from_ids(["pear", "apple", "fig"])
    assert len(vocabulary) == 3
    assert [vocabulary.index(name) for name in ("pear", "apple", "fig")] == [0, 1, 2]


@pytest.mark.parametrize("unknown", ["plum", "", "Pear", "pear "])
def test_an_unknown_id_is_missing(unknown: str) -> None:
    """Only the very same id is found."""
    assert Vocabulary.from_ids(["pear", "apple"]).index(unknown) == MISSING


def test_an_empty_vocabulary_knows_nothing() -> None:
    """A vocabulary without ids answers every id with MISSING."""
    assert Vocabulary.from_ids([]).index("pear") == MISSING


def test_colliding_hashes_are_told_apart() -> None:
    """Ids with one hash each keep their index, since the ids themselves are compared."""
    shared = np.full(2, _hash("b"), np.uint64)
    both = Vocabulary(StringTable.from_strings(["a", "b"]), shared, np.array([0, 1], np.int32))
    assert both.index("b") == 1
    other = Vocabulary(StringTable.from_strings(["a", "c"]), shared, np.array([0, 1], np.int32))
    assert other.index("b") == MISSING


def test_indices_leave_out_unknown_ids_and_repeats() -> None:
    """A list of ids becomes distinct indices in the order of the list."""
    found = Vocabulary.from_ids(["a", "b", "c"]).indices(["c", "x", "a", "c"])
    assert found.tolist() == [2, 0]
    assert found.dtype == np.int32


def test_no_known_ids_make_an_empty_array() -> None:
    """Indices of nothing are an empty array that can index another."""
    found = Vocabulary.from_ids(["a"]).indices(["x"])
    assert found.dtype == np.int32
    assert np.zeros(1)[found].shape == (0,)


@pytest.mark.parametrize(
    ("strings", "added"),
    [
        ({}, []),
        ({}, ["neu", ""]),
        ({0: "longer than before"}, []),
        ({1: "", 2: "日本茶", 5: "y"}, ["Ä"]),
        ({5: "last", 4: "", 3: "3", 2: "2", 1: "1", 0: "0"}, ["x"]),
    ],
)
def test_a_table_is_changed_in_a_copy(strings: dict[int, str], added: list[str]) -> None:
    """Strings of any length take the place of others, more follow; the table itself stays."""
    before = ["", "Käse", "x", "", "日本茶", "x"]
    table = StringTable.from_strings(before)
    changed = table.changed(strings, added)
    assert list(changed) == [strings.get(i, old) for i, old in enumerate(before)] + added
    assert list(table) == before
    assert changed.blob.dtype == np.uint8
    assert changed.offsets.dtype == np.int64


def test_a_table_of_nothing_grows() -> None:
    """Strings may be added to none."""
    assert list(StringTable.from_strings([]).changed({}, ["a", "b"])) == ["a", "b"]


def test_added_ids_are_numbered_after_the_others() -> None:
    """All are found, wherever their hashes fall; the vocabulary itself stays as it was."""
    first, more = [f"first-{i}" for i in range(40)], [f"more-{i}" for i in range(60)]
    vocabulary = Vocabulary.from_ids(first)
    grown = vocabulary.with_added(more)
    assert [grown.index(name) for name in [*first, *more]] == list(range(100))
    assert list(grown.ids) == [*first, *more]
    assert grown.index("more-60") == MISSING
    assert (np.diff(grown.hashes.astype(np.float64)) >= 0).all()
    assert grown.hashes.dtype == np.uint64
    assert grown.order.dtype == np.int32
    assert len(vocabulary) == 40
    assert vocabulary.index("more-0") == MISSING


def test_ids_are_added_to_none_and_none_to_ids() -> None:
    """A vocabulary may have been empty, and nothing may come."""
    grown = Vocabulary.from_ids([]).with_added(["a", "b"]).with_added([]).with_added(["c"])
    assert [grown.index(name) for name in ("a", "b", "c", "d")] == [0, 1, 2, MISSING]


def test_an_added_id_may_share_its_hash() -> None:
    """Where an id was known by the same hash, both are told apart."""
    shared = np.full(1, _hash("b"), np.uint64)
    known = Vocabulary(StringTable.from_strings(["a"]), shared, np.zeros(1, np.int32))
    grown = known.with_added(["b", "c"])
    assert (grown.index("b"), grown.index("c")) == (1, 2)
    assert grown.ids[0] == "a"
