"""What goes with a basket, and what is needed again: lists with rankers of their own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.conditions import Occasion
from recsvc.core.lists import Ranking
from recsvc.core.model import Model
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.ranking import PLAIN, Ranker, Task, plain_ranker
from recsvc.core.recommender import Recommender
from recsvc.core.rules import Effect, Rule, Rulebook, Selection
from recsvc.core.ruling import PreparedRules
from recsvc.core.sources import Strategy
from recsvc.core.stages import Stage
from recsvc.core.vocabulary import MISSING
from tests.acts import acts_of, added, bought, moment, rated, returned, viewed
from tests.counting import DATA_END
from tests.pairs import with_baskets
from tests.rankers import Stump, grow, weigh
from tests.samples import item_indices, tiny_model

BASKETS = ("milk bread", "milk bread", "milk butter", "bread jam", "soap", "filter milk tea")
MODEL = with_baskets(tiny_model(), *BASKETS)
ESPRESSO, TEA, MILK, BREAD, SOAP = item_indices(
    MODEL, "espresso", "tea", "milk", "bread", "soap"
).tolist()


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    return Recommender(MODEL)


def ask(recommender: Recommender, customer: str = "", *basket: str, **query: Any) -> Query:
    index = recommender.model.customers.index(customer)
    place = recommender.place(index, Location())
    items = item_indices(recommender.model, *basket)
    return Query(**{"customer": index, "place": place, "now": DATA_END, "basket": items, **query})


def ids(ranking: Ranking) -> list[str]:
    return MODEL.catalogue.items.ids.take(ranking.items)


def beside_basket() -> Ranker:
    """Trees that read how a candidate goes with a basket."""
    model = weigh(MODEL, {Task.TOGETHER: {}})
    return grow(model, Task.TOGETHER, Stump("share_sum", 0.1, 0, 1)).rankers[Task.TOGETHER]


# Which sources and which ranker.


def test_only_baskets_are_asked_what_goes_with_a_basket(recommender: Recommender) -> None:
    """Lists for a shopper and of what is needed again know nothing of them."""
    beside = {task for task in Task if "together" in recommender.panel(task).scores}
    assert beside == {Task.TOGETHER, Task.TOGETHER_COLD}
    with_columns = {task for task in Task if "together" in recommender.panel(task).features.groups}
    assert with_columns == beside
    assert recommender.panel(Task.ALL).scores == recommender.scores


def test_what_was_not_learnt_is_ranked_by_plain_weights(recommender: Recommender) -> None:
    """One a score of the task's sources; what was learnt takes their place."""
    for task in (Task.TOGETHER, Task.TOGETHER_COLD, Task.AGAIN):
        scores = recommender.panel(task).scores
        found = dict(zip(scores, recommender.ranker(task).weights.tolist(), strict=True))
        expected = {name: weight for name, weight in PLAIN[task].items() if name in scores}
        assert {name: w for name, w in found.items() if w} == pytest.approx(expected)
    learnt = weigh(MODEL, {Task.AGAIN: {"popularity": 2}})
    assert Recommender(learnt).ranker(Task.AGAIN) is learnt.rankers[Task.AGAIN]


@pytest.mark.parametrize("task", [Task.TOGETHER, Task.TOGETHER_COLD])
def test_trees_of_a_basket_need_its_columns(task: Task) -> None:
    """Those that have learnt beside baskets are refused without, and the other way round."""
    model = weigh(MODEL, {task: {"together": 1}})
    Recommender(grow(model, task, Stump("share_sum", 0.1, 0, 1)))
    with pytest.raises(ValueError, match=f"trees of '{task.value}' read"):
        Recommender(replace(grow(model, task, Stump("share_sum", 0.1, 0, 1)), baskets=None))
    without = replace(model, baskets=None)
    with pytest.raises(ValueError, match=f"trees of '{task.value}' read"):
        Recommender(replace(grow(without, task, Stump("own_long", 1, 0, 1)), baskets=MODEL.baskets))


def test_trees_of_what_is_needed_again_read_no_basket() -> None:
    """They are as wide as those of lists."""
    model = grow(weigh(MODEL, {Task.AGAIN: {}}), Task.AGAIN, Stump("own_long", 1, 0, 1))
    Recommender(replace(model, baskets=None))
    misplaced = replace(model.rankers[Task.AGAIN], trees=beside_basket().trees)
    with pytest.raises(ValueError, match="trees of 'again' read"):
        Recommender(replace(model, rankers={Task.AGAIN: misplaced}))


# What goes with a basket.


def test_what_was_in_baskets_with_it_leads(recommender: Recommender) -> None:
    """For nobody in particular: bread was with milk twice, alone; and it is said why."""
    ranking = recommender.together(ask(recommender, "", "milk"))

    assert ids(ranking)[0] == "bread"
    assert ranking.strategies[0] == Strategy.BOUGHT_TOGETHER
    assert ranking.basket.tolist() == [MILK]


def test_trees_may_order_what_goes_with_a_basket() -> None:
    """They read how a candidate goes with it: here, the least share first."""
    model = weigh(MODEL, {Task.TOGETHER_COLD: {"together": 1}})
    turned = grow(model, Task.TOGETHER_COLD, Stump("share_sum", 0.2, 1, 0))
    recommender = Recommender(turned)

    ranking = recommender.together(ask(recommender, "", "milk", size=9))

    # Of milk's four baskets and five more two had bread: 2 / 9, and 1 / 9 is the next.
    assert ids(ranking)[-1] == "bread"


@pytest.mark.parametrize("customer", ["", "anna"])
def test_nothing_of_the_basket_and_nothing_forbidden_is_on_it(
    recommender: Recommender, customer: str
) -> None:
    """What was put in the basket live, or displeased, is not either; nor is the list about it."""
    query = ask(
        recommender,
        customer,
        "milk",
        size=20,
        excluded=item_indices(MODEL, "jam"),
        catalogue_filter=CatalogueFilter(category_paths=("Food", "Household")),
        acts=acts_of(added(BREAD, -0.01), rated(SOAP, -1, rating=1)),
    )

    ranking = recommender.together(query)

    assert set(ids(ranking)) == {"butter", "bag"}
    assert ranking.basket.tolist() == [MILK]


@pytest.mark.parametrize("customer", ["", "anna"])
def test_what_was_put_in_the_basket_is_left_out_and_shapes_nothing(
    recommender: Recommender, customer: str
) -> None:
    """The list is about the given products alone: all the others stand where they stood."""
    plain = ask(recommender, customer, "milk")
    filling = replace(plain, acts=acts_of(added(TEA, -0.01)))

    assert TEA in recommender.together(plain).items
    without = recommender.together(replace(plain, excluded=item_indices(MODEL, "tea")))
    found = recommender.together(filling)

    assert found.items.tolist() == without.items.tolist()
    assert found.scores.tolist() == without.scores.tolist()


def test_in_the_basket_stage_both_count(recommender: Recommender) -> None:
    """What the caller says is in it, and what was put in it live."""
    query = ask(recommender, "anna", "milk", stage=Stage.CART, acts=acts_of(added(BREAD, -0.01)))

    assert recommender.recommend(query).basket.tolist() == [MILK, BREAD]


def test_a_known_shopper_has_another_list(recommender: Recommender) -> None:
    """The history is taken in: butter calls for more of anna's espresso than of anybody's."""
    own = ids(recommender.together(ask(recommender, "anna", "butter", size=9)))
    anybodys = ids(recommender.together(ask(recommender, "", "butter", size=9)))

    assert own.index("espresso") < anybodys.index("espresso")


def test_a_purchase_makes_a_shopper_known() -> None:
    """From then on the other ranker serves; a look alone does not do it."""
    learnt = weigh(MODEL, {Task.TOGETHER: {"own_long": 1}, Task.TOGETHER_COLD: {"popularity": 1}})
    recommender = Recommender(learnt)
    nobody = ask(recommender, "", "milk", now=moment(60))
    looked = replace(nobody, acts=acts_of(viewed(TEA, 59.9)))
    customer = replace(nobody, acts=acts_of(bought(TEA, 1)))

    assert ids(recommender.together(looked)) == ids(recommender.together(nobody))
    assert ids(recommender.together(nobody))[0] != "tea"
    assert ids(recommender.together(customer))[0] == "tea"


def test_nobodys_list_is_the_same_whoever_asks() -> None:
    """Trees that would know the customer by the usual places see none, at the same place."""
    model = weigh(MODEL, {Task.TOGETHER_COLD: {"together": 1}})
    model = grow(model, Task.TOGETHER_COLD, Stump("surplus_usual", 0, 0, 9))
    recommender = Recommender(model)
    anna = ask(recommender, "anna", "milk", size=9)
    # All that the model knows of dora was returned; her usual place is known all the same.
    dora = ask(recommender, "dora", "milk", size=9, place=anna.place)
    punch = item_indices(MODEL, "punch")[0]
    dora = replace(dora, acts=acts_of(returned(int(punch), 0.01)), now=DATA_END + 100_000)
    nobody = replace(dora, customer=MISSING, acts=ask(recommender).acts)

    assert not len(recommender.live(dora).profile.purchased)
    for other in (replace(nobody, customer=anna.customer), dora):
        features, expected = (
            case.panel.features.of(case)
            for case in (recommender.candidates(q, Task.TOGETHER_COLD) for q in (other, nobody))
        )
        np.testing.assert_array_equal(features, expected)
    assert ids(recommender.together(dora)) == ids(recommender.together(nobody))


def test_no_basket_is_a_list_all_the_same(recommender: Recommender) -> None:
    """Nothing goes with nothing; what is popular and the shopper's own fills it."""
    for customer in ("", "anna"):
        ranking = recommender.together(ask(recommender, customer, size=3))
        assert len(ranking.items) == 3
        assert Strategy.BOUGHT_TOGETHER not in ranking.strategies


# Versions from before.


def old() -> Model:
    """The model as a release that counted no baskets has stored and this one has read it."""
    parameters = tiny_model().to_parameters()
    del parameters["baskets"]
    return Model.from_arrays(tiny_model().to_arrays(), parameters)


def test_a_version_without_baskets_answers() -> None:
    """By neighbours, habits and popularity, as its plain weights say."""
    recommender = Recommender(old())

    assert recommender.model.baskets is None
    for task in (Task.TOGETHER, Task.TOGETHER_COLD, Task.AGAIN):
        plain = plain_ranker(task, recommender.scores)
        assert recommender.ranker(task).weights.tolist() == plain.weights.tolist()
        assert recommender.panel(task).scores == recommender.scores
    for customer in ("", "anna"):
        ranking = recommender.together(ask(recommender, customer, "butter", size=4))
        assert len(ranking.items) == 4
        assert "butter" not in ids(ranking)
    assert len(recommender.again(ask(recommender, "anna")).ranking.items)


def test_baskets_and_their_rankers_go_through_the_artifact() -> None:
    """What was stored answers as before, trees and all."""
    model = weigh(MODEL, {Task.TOGETHER: {"together": 1}, Task.AGAIN: {"own_long": 1}})
    model = grow(model, Task.TOGETHER, Stump("close_sum", 0.1, 0, 1))
    restored = Model.from_arrays(model.to_arrays(), model.to_parameters())

    one, other = Recommender(model), Recommender(restored)
    for customer in ("", "anna", "ben"):
        query = ask(one, customer, "milk", "jam")
        for a, b in [
            (one.together(query), other.together(query)),
            (one.again(query).ranking, other.again(query).ranking),
        ]:
            assert a.items.tolist() == b.items.tolist()
            assert a.scores.tolist() == b.scores.tolist()


# What is needed again.


def test_only_what_was_bought_is_needed_again(recommender: Recommender) -> None:
    """All of it, also what was bought once; nothing that was looked at, and nobody needs any."""
    query = ask(recommender, "anna", acts=acts_of(viewed(SOAP, -0.01)))

    found = recommender.again(query).ranking

    assert set(ids(found)) == {"espresso", "milk", "bread"}
    assert set(found.strategies.tolist()) == {Strategy.BUY_AGAIN}
    assert not len(recommender.again(ask(recommender)).ranking.items)


def test_what_is_not_allowed_is_not_needed_again(recommender: Recommender) -> None:
    """Nor what is in the basket, nor what was just bought again."""
    query = ask(recommender, "anna", "milk", excluded=item_indices(MODEL, "bread"))
    assert ids(recommender.again(query).ranking) == ["espresso"]
    rests = replace(query, acts=acts_of(bought(ESPRESSO, 0.01)), now=DATA_END + 2_000)
    assert ids(recommender.again(rests).ranking) == []


def test_a_short_list_has_what_the_ranker_prefers() -> None:
    """It chooses; what was chosen is in the order in which it is due."""
    for weights, expected in [({"own_long": 1.0}, "espresso"), ({"popularity": 1.0}, "milk")]:
        recommender = Recommender(weigh(MODEL, {Task.AGAIN: weights}))
        found = recommender.again(ask(recommender, "anna", size=1))
        assert ids(found.ranking) == [expected]
        whole = recommender.again(ask(recommender, "anna"))
        assert (np.diff(whole.due_time) >= 0).all()


def test_an_at_most_that_kept_something_back_is_told() -> None:
    """Also where it did so in what was chosen, and the order that is shown holds it anyway."""
    at_most = Rule(
        rule_id="one-of-dairy",
        effect=Effect.AT_MOST,
        selection=Selection(product_ids=("milk", "butter")),
        limit=1,
        first=2,
    )
    recommender = Recommender(MODEL)
    rules = PreparedRules.of(Rulebook(rules=(at_most,)), recommender.assortment)
    ruling = rules.ruling(Occasion(now=DATA_END))
    emil = ask(recommender, "emil", size=2)
    both = recommender.again(emil).ranking
    assert set(ids(both)) == {"milk", "butter"}

    found = recommender.again(replace(emil, ruling=ruling)).ranking

    assert len(found.items) == 1
    assert found.applied == ("one-of-dairy",)
    assert recommender.again(emil).ranking.applied == ()
