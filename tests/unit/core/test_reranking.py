"""From scores to a list."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import Product
from recsvc.core.diversity import Diversity, Likeness
from recsvc.core.mixing import WINDOW
from recsvc.core.reranking import Form, Reranker
from tests.distance import mean_distance
from tests.samples import PRODUCTS, item_indices, tiny_model

N = len(PRODUCTS)
EVERY = np.arange(N, dtype=np.int32)
FALLING = np.linspace(1, 0, N, dtype=np.float32)
"""Scores in the order of the catalogue: coffee, coffee, tea, milk, butter, bread, ..."""


def reranker(assortment: Assortment | None = None) -> Reranker:
    """Of the small model's products, by their categories alone."""
    assortment = assortment or Assortment.learnt(tiny_model().catalogue)
    nothing = np.zeros(N, np.float32)
    return Reranker(assortment, Likeness.of(assortment.catalogue, None, nothing), EVERY)


def listed(form: Form, items: NDArray[np.int32] = EVERY) -> list[str]:
    """The list as ids, of scores that fall in the order of the catalogue."""
    best = reranker().listed(items, FALLING[items], form).best
    return tiny_model().catalogue.items.ids.take(items[best].tolist())


def distance(names: list[str]) -> float:
    """Intra-list distance of some products."""
    return mean_distance(reranker().likeness.among(item_indices(tiny_model(), *names)))


def test_without_diversity_the_scores_order_the_list() -> None:
    """The best first, and of equal scores the lower rank of ties first."""
    assert listed(Form(size=3)) == ["espresso", "filter", "tea"]
    best = reranker().listed(EVERY, np.ones(N, np.float32), Form(size=4)).best
    assert best.tolist() == [0, 1, 2, 3]


def test_the_best_product_stays_first_and_the_like_of_it_moves_down() -> None:
    """The second coffee makes room for what is not coffee."""
    assert listed(Form(size=3, diversity=Diversity.HIGH)) == ["espresso", "tea", "milk"]


def test_each_level_is_more_varied_than_the_one_below() -> None:
    """Intra-list distance never falls from level to level, and is higher at the end."""
    distances = [distance(listed(Form(size=3, diversity=level))) for level in Diversity]
    assert distances == sorted(distances)
    assert distances[-1] > distances[0]


@pytest.mark.parametrize("level", Diversity)
def test_a_list_is_mixed_not_cut(level: Diversity) -> None:
    """Whatever the level, all candidates are there when there is room, each once."""
    assert sorted(listed(Form(size=50, diversity=level))) == sorted(listed(Form(size=N)))


def test_a_page_is_unlike_the_page_before_it() -> None:
    """What was shown counts as if it stood above: coffee was there, so tea begins."""
    shown = item_indices(tiny_model(), "espresso")
    rest = np.setdiff1d(EVERY, shown).astype(np.int32)
    form = Form(size=1, shown=shown, diversity=Diversity.HIGH)
    assert listed(form, rest) != ["filter"]
    assert listed(Form(size=1, diversity=Diversity.HIGH), rest) == ["filter"]


def test_what_stands_far_above_is_forgotten() -> None:
    """A list may come back to what it had more than a window ago."""
    others = np.full(WINDOW, item_indices(tiny_model(), "bag")[0], np.int32)
    shown = np.concatenate([item_indices(tiny_model(), "espresso"), others])
    rest = np.setdiff1d(EVERY, shown).astype(np.int32)
    assert listed(Form(size=1, shown=shown, diversity=Diversity.HIGH), rest) == ["filter"]


def test_a_list_longer_than_the_window_lets_go_of_its_head() -> None:
    """In many coffees and teas by turns, the two go on by turns to the end."""
    coffee, tea = item_indices(tiny_model(), "espresso", "tea")
    items = np.array([coffee, tea] * 15, np.int32)
    scores = np.tile(np.array([1.0, 0.9], np.float32), 15)
    best = reranker().listed(items, scores, Form(size=30, diversity=Diversity.HIGH)).best
    tail = items[best][20:]
    assert set(tail.tolist()) == {coffee, tea}
    assert sorted(best.tolist()) == list(range(30))


def test_one_of_each_group_is_listed() -> None:
    """Of two variants the better one; the other makes room."""
    variants = [Product(product_id=name, group_id="coffee") for name in ("espresso", "filter")]
    assortment = Assortment.learnt(tiny_model().catalogue).with_products(variants)
    best = reranker(assortment).listed(EVERY, FALLING, Form(size=2)).best
    assert best.tolist() == [0, 2]


def test_nothing_can_be_listed_of_nothing() -> None:
    """No candidates, no list, at any level."""
    nothing = np.zeros(0, np.int32)
    for level in Diversity:
        assert listed(Form(size=5, diversity=level), nothing) == []


def test_only_the_best_are_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others follow in the order of their scores."""
    monkeypatch.setattr("recsvc.core.mixing.POOL", 3)
    mixed = listed(Form(size=5, diversity=Diversity.HIGH))
    assert set(mixed[:3]) == {"espresso", "filter", "tea"}
    assert mixed[3:] == ["milk", "butter"]
