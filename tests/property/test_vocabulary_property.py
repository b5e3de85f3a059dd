"""Whatever the ids, a vocabulary is the correspondence that it was built from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsvc.core.vocabulary import MISSING, StringTable, Vocabulary

pytestmark = pytest.mark.usefixtures("unmeasured")

# Surrogates are no text: no UTF-8 file or protobuf string can hold one.
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(texts))
def test_a_table_gives_back_any_strings(strings: list[str]) -> None:
    """Every string comes back from the table and from its arrays."""
    table = StringTable.from_strings(strings)
    restored = StringTable.from_arrays(table.to_arrays("t"), "t")
    assert table.take(range(len(table))) == strings
    assert restored.take(range(len(restored))) == strings


@given(st.lists(texts, unique=True), texts)
def test_every_id_has_its_index(ids: list[str], other: str) -> None:
    """Ids are numbered in their order, and nothing else is known."""
    vocabulary = Vocabulary.from_ids(ids)
    restored = Vocabulary.from_arrays(vocabulary.to_arrays("v"), "v")
    for known in (vocabulary, restored):
        assert [known.index(name) for name in ids] == list(range(len(ids)))
        assert known.ids.take(range(len(known))) == ids
        assert known.index(other) == (ids.index(other) if other in ids else MISSING)


@given(st.lists(texts, unique=True), st.lists(texts), st.data())
def test_indices_are_distinct_and_in_order(
    ids: list[str], others: list[str], data: st.DataObject
) -> None:
    """Known ids among a list give their indices once each, in the order of the list."""
    asked = data.draw(st.permutations([*ids, *ids, *others]))
    found = Vocabulary.from_ids(ids).indices(asked)
    expected = dict.fromkeys(name for name in asked if name in ids)
    assert [ids[i] for i in found.tolist()] == list(expected)
    assert found.dtype == np.int32
