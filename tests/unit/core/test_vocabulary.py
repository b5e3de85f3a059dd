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
    assert table.take([4, 1]) == ["日本茶", "Käse"]


def test_a_table_may_be_empty() -> None:
    """No strings make a table of length 0."""
    assert len(StringTable.from_strings([])) == 0


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
