"""How a profile is weighed, and what a call remembers."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core.histories import NO_HISTORY, Profile
from recsvc.core.sources import Memory, Strategy
from tests.samples import item_indices, tiny_model
from tests.unit.core.sources.behaviour import Call


@pytest.fixture
def anna() -> Profile:
    """Three products bought, soap only looked at."""
    model = tiny_model()
    profile = model.histories.profile(model.customers.index("anna"))
    return profile.with_session(item_indices(model, "soap"))


def test_each_memory_reads_its_own_column(anna: Profile) -> None:
    """Decayed purchases, weights, their logarithms, or that there is something at all."""
    expected = {
        Memory.SHORT: anna.short,
        Memory.LONG: anna.long,
        Memory.WEIGHT: anna.weight,
        Memory.CONFIDENCE: np.log1p(anna.weight),
        Memory.PRESENCE: np.ones(4),
    }
    for memory in Memory:
        assert memory.of(anna).tolist() == expected[memory].tolist()
        assert memory.of(anna).dtype == np.float32


@pytest.mark.parametrize("memory", Memory)
def test_nobody_has_nothing_in_memory(memory: Memory) -> None:
    """An empty profile is an empty array."""
    assert memory.of(NO_HISTORY).shape == (0,)


def test_a_moment_computes_dense_scores_once() -> None:
    """A second asking under one name reads the first one's scores; another call is anew."""
    computed: list[NDArray[np.float32]] = []

    def compute() -> NDArray[np.float32]:
        computed.append(np.zeros(10, np.float32))
        return computed[-1]

    model = tiny_model()
    asked = Call().moment(model)
    assert asked.dense("mine", compute) is asked.dense("mine", compute)
    assert len(computed) == 1
    asked.dense("other", compute)
    Call().moment(model).dense("mine", compute)
    assert len(computed) == 3


def test_scores_name_their_strategies() -> None:
    """Every score stands for one strategy, and no two sources share a name."""
    sources = tiny_model().sources
    named = [score for source in sources for score in source.features.items()]
    assert dict(named) == {
        "own_short": Strategy.BUY_AGAIN,
        "own_long": Strategy.BUY_AGAIN,
        "collaborative": Strategy.COLLABORATIVE,
        "neighbours": Strategy.SIMILAR,
        "transitions": Strategy.SIMILAR,
        "like_customers": Strategy.COLLABORATIVE,
        "next_basket": Strategy.COLLABORATIVE,
        "place": Strategy.POPULAR_NEARBY,
        "place_lift": Strategy.POPULAR_NEARBY,
        "popularity": Strategy.POPULAR,
        "popularity_long": Strategy.POPULAR,
        "popularity_first": Strategy.POPULAR,
    }
    assert len(dict(named)) == len(named)
    assert len({source.name for source in sources}) == len(sources)
