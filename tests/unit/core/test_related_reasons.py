"""Reasons on lists that were asked about products, and on what is due again."""

from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import Product
from recsvc.core.claims import Claim, Explanation, ReasonCode
from recsvc.core.lists import Ranking
from recsvc.core.model import Model
from recsvc.core.places import Level
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.related_reasons import explain_again, explain_similar, explain_together
from recsvc.core.sparse import SparseRows
from tests.acts import acts_of, bought, returned
from tests.counting import DATA_END, DAY
from tests.pairs import pairs_of, with_pairs
from tests.samples import item_indices, tiny_model

MODEL = tiny_model()
SOLD = Assortment.learnt(MODEL.catalogue)
ESPRESSO, COFFEE, TEA, MILK, BUTTER, BREAD, JAM, SOAP, PUNCH, BAG = range(10)


def similar(model: Model, item: int, *unnamed: int) -> dict[int, Explanation]:
    """Return the reasons of what is like a product."""
    ranking = Recommender(model).similar(item, Query(now=DATA_END, size=50))
    told = explain_similar(item, model, SOLD, ranking, np.array(unnamed, np.int32))
    return dict(zip(ranking.items.tolist(), told, strict=True))


def test_like_products_were_bought_by_the_same_customers() -> None:
    """That is counted of neighbours alone; the others are near in the factors."""
    found = similar(MODEL, ESPRESSO)
    assert found[COFFEE] == Explanation(claim=Claim.SAME_BUYERS, evidence=(ESPRESSO,))
    assert found[TEA] == Explanation(claim=Claim.SAME_TASTE, evidence=(ESPRESSO,))
    assert {why.code for why in found.values()} == {ReasonCode.SIMILAR_PRODUCT}


def test_like_products_have_their_lift() -> None:
    """Where it is telling; a basket with both is a customer with both."""
    singles = {ESPRESSO: 10, COFFEE: 4, TEA: 50}
    counts = pairs_of(100, singles, {(COFFEE, ESPRESSO): 4, (TEA, ESPRESSO): 1})
    found = similar(with_pairs(MODEL, counts), ESPRESSO)
    assert found[COFFEE] == Explanation(
        claim=Claim.SIMILAR_LIFT, evidence=(ESPRESSO,), n_purchases=4, lift=10
    )
    assert found[COFFEE].code is ReasonCode.SIMILAR_PRODUCT
    assert found[TEA] == Explanation(claim=Claim.SAME_BUYERS, evidence=(ESPRESSO,))


def test_without_neighbours_there_are_only_factors() -> None:
    """Nobody has counted who bought both."""
    found = similar(tiny_model(leave_out=["neighbours"]), ESPRESSO)
    assert {why.claim for why in found.values()} == {Claim.SAME_TASTE}


def test_a_hidden_product_is_not_named_to_who_looks_at_it() -> None:
    """The list is like it without a word of it."""
    found = similar(MODEL, ESPRESSO, ESPRESSO)
    assert set(map(repr, found.values())) == {repr(Explanation(claim=Claim.SIMILAR_UNNAMED))}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (ESPRESSO, {10: Claim.LIKE_GOES_WITH, 11: Claim.ALIKE, COFFEE: Claim.SAME_BUYERS}),
        (10, {11: Claim.GOES_WITH_LIKE, COFFEE: Claim.ALIKE}),
    ],
)
def test_what_nobody_has_bought_is_like_what_it_is(item: int, expected: dict[int, Claim]) -> None:
    """Buyers speak for a pair of learnt products alone: of a newcomer there are none."""
    rows = [
        (np.array([COFFEE], np.int32), np.array([0.8], np.float32)),
        (np.array([ESPRESSO, COFFEE], np.int32), np.array([0.5, 0.5], np.float32)),
    ]
    newcomers = [Product(product_id="new-0"), Product(product_id="new-1")]
    catalogue = MODEL.catalogue.with_products(newcomers)
    assortment = Assortment(catalogue, len(MODEL.catalogue), SparseRows.from_rows(rows))
    recommender = Recommender(MODEL).selling(assortment)
    ranking = recommender.similar(item, Query(now=DATA_END, size=50))
    told = explain_similar(item, MODEL, assortment, ranking)
    found = dict(zip(ranking.items.tolist(), told, strict=True))
    for other, claim in expected.items():
        assert found[other] == Explanation(claim=claim, evidence=(item,))


def together(
    model: Model, *basket: int, unnamed: tuple[int, ...] = (), assortment: Assortment = SOLD
) -> dict[int, Explanation]:
    """Return the reasons of what goes with a basket."""
    query = Query(now=DATA_END, size=50, basket=np.array(basket, np.int32))
    ranking = Recommender(model).selling(assortment).together(query)
    hidden = np.array(unnamed, np.int32)
    told = explain_together(model, assortment, ranking, hidden)
    return dict(zip(ranking.items.tolist(), told, strict=True))


COUNTS = pairs_of(
    100,
    {ESPRESSO: 10, MILK: 20, COFFEE: 4, BUTTER: 10, BREAD: 10},
    {(COFFEE, ESPRESSO): 4, (COFFEE, MILK): 3, (BUTTER, MILK): 2, (BUTTER, ESPRESSO): 1},
)


def test_the_highest_lift_of_the_basket_is_told() -> None:
    """With the product that it is of; where it is not telling, how often both were bought."""
    found = together(with_pairs(MODEL, COUNTS), ESPRESSO, MILK)
    assert found[COFFEE] == Explanation(
        claim=Claim.LIFT, evidence=(ESPRESSO,), n_purchases=4, lift=10
    )
    assert found[BUTTER] == Explanation(claim=Claim.TOGETHER, evidence=(MILK,), n_purchases=2)
    assert {found[item].code for item in (COFFEE, BUTTER)} == {ReasonCode.BOUGHT_TOGETHER}


def test_what_was_never_in_one_basket_is_there_for_another_reason() -> None:
    """So is everything where nobody has counted baskets, and what is new."""
    found = together(with_pairs(MODEL, COUNTS), ESPRESSO, MILK)
    plain = together(MODEL, ESPRESSO, MILK)
    assert found[BREAD] == plain[BREAD]
    assert ReasonCode.BOUGHT_TOGETHER not in {why.code for why in plain.values()}
    catalogue = MODEL.catalogue.with_products([Product(product_id="new-0")])
    row = (np.array([MILK], np.int32), np.array([0.5], np.float32))
    assortment = Assortment(catalogue, len(MODEL.catalogue), SparseRows.from_rows([row]))
    found = together(with_pairs(MODEL, COUNTS), ESPRESSO, 10, assortment=assortment)
    assert found[COFFEE].evidence == (ESPRESSO,)
    found = together(with_pairs(MODEL, COUNTS), ESPRESSO, assortment=assortment)
    assert found[10] == Explanation(claim=Claim.NEW_LIKE, evidence=(MILK,))


def test_a_hidden_product_of_the_basket_is_not_named() -> None:
    """Another one speaks instead, or the basket as a whole."""
    found = together(with_pairs(MODEL, COUNTS), ESPRESSO, MILK, unnamed=(ESPRESSO,))
    assert found[COFFEE] == Explanation(
        claim=Claim.LIFT, evidence=(MILK,), n_purchases=3, lift=3.75
    )
    found = together(with_pairs(MODEL, COUNTS), ESPRESSO, MILK, unnamed=(ESPRESSO, MILK))
    assert found[COFFEE] == Explanation(claim=Claim.TOGETHER_UNNAMED)


def again(
    customer: str, *unnamed: int, model: Model = MODEL, **query: object
) -> dict[int, Explanation]:
    """Return the reasons of what a customer has bought."""
    ranking = again_ranking(customer, model, **query)
    told = explain_again(model, SOLD, ranking, np.array(unnamed, np.int32))
    return dict(zip(ranking.items.tolist(), told, strict=True))


def again_ranking(customer: str, model: Model, **query: object) -> Ranking:
    asked = replace(Query(now=DATA_END, customer=model.customers.index(customer)), **query)  # type: ignore[arg-type]  # the fields of Query
    return Recommender(model).again(asked).ranking


def test_regular_purchases_have_an_interval() -> None:
    """Anna's espresso 3, 30 and 60 days ago: every 28.5 days on average."""
    found = again("anna")
    assert found[ESPRESSO] == Explanation(
        claim=Claim.DUE_AGAIN,
        evidence=(ESPRESSO,),
        n_purchases=3,
        last_time=int(DATA_END - 3 * DAY),
        interval_seconds=28.5 * DAY,
    )
    assert found[ESPRESSO].code is ReasonCode.DUE_AGAIN
    assert found[MILK].claim is Claim.BOUGHT_ON  # once, and so at no interval
    assert again("clara")[TEA].claim is Claim.BOUGHT_ON  # twice: a single interval is no habit


def test_purchases_since_are_in_the_interval() -> None:
    """As they are in the number and the last time; of what was returned there is none."""
    acts = acts_of(bought(ESPRESSO, day=1))
    found = again("anna", acts=acts, now=DATA_END + 60 * DAY)[ESPRESSO]
    assert (found.n_purchases, found.interval_seconds) == (4, 61 * DAY / 3)
    assert found.last_time == DATA_END + DAY
    acts = acts_of(returned(ESPRESSO, day=1), bought(ESPRESSO, day=2))
    found = again("anna", acts=acts, now=DATA_END + 60 * DAY)[ESPRESSO]
    assert found == Explanation(claim=Claim.BOUGHT, evidence=(ESPRESSO,), n_purchases=3)


def test_three_orders_of_one_day_are_no_interval() -> None:
    """Nobody buys it every zero days."""
    histories = MODEL.histories
    at_once = replace(histories, first_time=histories.last_time)
    model = replace(MODEL, histories=at_once)
    assert again("anna", model=model)[ESPRESSO].claim is Claim.BOUGHT_ON


def test_nobody_is_reminded_of_what_is_sensitive() -> None:
    """If it is on the list at all, it is told as what it is to all."""
    found = again("anna", ESPRESSO)[ESPRESSO]
    assert (found.claim, found.level) == (Claim.SOLD, Level.EVERYWHERE)


def test_the_indices_are_those_of_the_sample() -> None:
    """The constants above name what they say."""
    names = ("espresso", "filter", "tea", "milk", "butter", "bread", "jam", "soap", "punch", "bag")
    assert item_indices(MODEL, *names).tolist() == list(range(10))
