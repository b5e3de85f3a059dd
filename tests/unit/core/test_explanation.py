"""Reasons: each sentence is true of the purchases."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import Product
from recsvc.core.explanation import Explanation, ReasonCode, explain, explain_similar
from recsvc.core.model import Model
from recsvc.core.places import Location
from recsvc.core.recommender import Query, Ranking, Recommender
from recsvc.core.sources import Collaborative, ItemToItem, Strategy
from recsvc.core.sparse import SparseRows
from recsvc.core.vocabulary import MISSING
from tests.counting import DATA_END, DATA_END_TIME, DAY, RECENT_DAYS, Purchase
from tests.rankers import weigh_alike
from tests.samples import PRODUCTS, PURCHASES, SIMILARITY, STORES, item_indices, tiny_model

TITLES = {product.product_id: product.title or product.product_id for product in PRODUCTS}
BY_STORE = {store.store_id: store for store in STORES}


def rank(model: Model, customer: str = "", store: str = "", **query: Any) -> Ranking:  # noqa: ANN401  # the fields of Query
    """Return a long list for a customer at a store, else at home."""
    recommender = Recommender(model)
    index = model.customers.index(customer)
    place = recommender.place(index, Location(store_id=store))
    fields = {"customer": index, "place": place, "now": DATA_END, "size": 50, **query}
    return recommender.recommend(Query(**fields))


def reasons(model: Model, ranking: Ranking) -> dict[str, Explanation]:
    """Return the reason of each product."""
    names = model.catalogue.items.ids.take(ranking.items)
    return dict(
        zip(names, explain(model, Assortment.learnt(model.catalogue), ranking), strict=True)
    )


def alone(*scores: str, **changes: Any) -> Model:  # noqa: ANN401  # those of tiny_model
    """Return the small model with the weights of all tasks on some scores."""
    return weigh_alike(tiny_model(**changes), **dict.fromkeys(scores, 1.0))


def day(days_ago: float) -> str:
    """Return the day of a purchase as a sentence says it."""
    then = datetime.fromtimestamp(DATA_END - days_ago * DAY, UTC)
    return f"{then.day} {then:%B %Y}"


def test_a_repeat_purchase_says_how_often_and_when() -> None:
    """Anna's three orders of espresso, the last on 28 March, are told as they are."""
    model = tiny_model()
    found = reasons(model, rank(model, "anna"))
    espresso, milk = item_indices(model, "espresso", "milk").tolist()
    assert found["espresso"] == Explanation(
        ReasonCode.BOUGHT_BEFORE,
        "You have bought this 3 times, last on 28 March 2026.",
        (espresso,),
    )
    assert found["milk"] == Explanation(
        ReasonCode.BOUGHT_BEFORE, "You bought this on 28 March 2026.", (milk,)
    )


def test_purchases_without_a_time_have_no_date() -> None:
    """Data that does not tell when still tells how often."""
    model = tiny_model()
    histories = model.histories
    timeless = replace(histories, last_time=np.zeros_like(histories.last_time))
    model = tiny_model(histories=timeless)
    found = reasons(model, rank(model, "anna"))
    assert found["espresso"].text == "You have bought this 3 times."
    assert found["milk"].text == "You bought this."


def test_a_neighbour_is_named() -> None:
    """The own product that brought the suggestion in is named and given as evidence."""
    model = alone("neighbours")
    found = reasons(model, rank(model, "anna", only_new=True))
    espresso, milk = item_indices(model, "espresso", "milk").tolist()
    assert found["filter"] == Explanation(
        ReasonCode.SIMILAR_TO_BOUGHT,
        "Customers who buy Espresso beans also buy this.",
        (espresso,),
    )
    assert found["butter"].evidence == (milk,)  # .45 of two cartons, .5 of an old loaf


def test_factors_name_what_fits() -> None:
    """The own product with the largest part in the score is named."""
    model = alone("collaborative")
    ranking = rank(model, "filipa", only_new=True)
    found = reasons(model, ranking)["jam"]
    source = model.source("collaborative")
    assert isinstance(source, Collaborative)
    terms = source.contributions(ranking.profile, item_indices(model, "jam"))[0]
    expected = int(ranking.profile.items[terms.argmax()])
    title = model.catalogue.title(expected)
    assert found.text == f"Fits what you buy, such as {title}."
    assert (found.code, found.evidence) == (ReasonCode.SIMILAR_CUSTOMERS, (expected,))


def test_what_was_only_seen_is_not_called_bought() -> None:
    """A session is called an interest, for nobody has bought anything."""
    model = alone("collaborative")
    session = item_indices(model, "espresso")
    found = reasons(model, rank(model, session=session))
    assert found["filter"].text == "Fits what interests you now, such as Espresso beans."
    assert found["espresso"].text == "You showed interest in this."
    assert found["espresso"].code is ReasonCode.SIMILAR_CUSTOMERS


def test_an_own_product_does_not_fit_itself() -> None:
    """A single purchase that the factors bring back is told as the purchase that it was."""
    model = alone("collaborative", leave_out=["own"])
    found = reasons(model, rank(model, "dora"))
    assert found["punch"].text == f"You bought this on {day(75)}."
    assert found["punch"].code is ReasonCode.BOUGHT_BEFORE


def test_the_source_that_knows_is_asked() -> None:
    """Where neighbours are silent, the product that another was bought after is named."""
    model = alone("transitions")
    ranking = rank(model, "filipa")
    neighbours = model.source("neighbours")
    assert isinstance(neighbours, ItemToItem)
    espresso, bread = item_indices(model, "espresso", "bread")
    assert not neighbours.contributions(ranking.profile, espresso[None]).any()
    assert reasons(model, ranking)["espresso"] == Explanation(
        ReasonCode.SIMILAR_TO_BOUGHT, "Customers who buy Rye bread also buy this.", (int(bread),)
    )


def test_customers_alike_stand_for_themselves() -> None:
    """A source that cannot name a product of the shopper's own names none."""
    model = alone("like_customers", leave_out=["collaborative"])
    found = reasons(model, rank(model, "anna", only_new=True))
    assert found["filter"] == Explanation(
        ReasonCode.SIMILAR_CUSTOMERS, "Bought by customers whose purchases are like yours."
    )


def test_what_nobody_else_buys_is_not_laid_to_others() -> None:
    """Dora's punch, in her next basket because it was in her last, is told as her purchase."""
    model = alone("next_basket", leave_out=["collaborative"])
    ranking = rank(model, "dora")
    punch = int(item_indices(model, "punch")[0])
    assert ranking.items[0] == punch
    assert ranking.strategies[0] == Strategy.COLLABORATIVE
    assert reasons(model, ranking)["punch"] == Explanation(
        ReasonCode.BOUGHT_BEFORE, f"You bought this on {day(75)}.", (punch,)
    )


@pytest.mark.parametrize(
    ("location", "product_id", "text"),
    [
        (
            Location(store_id="leeds-1"),
            "espresso",
            "Bought 2 times at Leeds Station in the 28 days to 31 March 2026.",
        ),
        (Location(store_id="leeds-1"), "soap", "Bought once at Leeds Station."),
        (
            Location(store_id="porto-1"),
            "bread",
            "Bought once at store porto-1 in the 28 days to 31 March 2026.",
        ),
        (
            Location(postal_code="ls1 4dy", country_code="gb"),
            "filter",
            "Bought once in postal code LS14DY in the 28 days to 31 March 2026.",
        ),
        (
            Location(cell=STORES[1].cell),
            "tea",
            "Bought 2 times in this area in the 28 days to 31 March 2026.",
        ),
        (
            Location(subdivision_code="GB-ENG"),
            "milk",
            "Bought 2 times in GB-ENG in the 28 days to 31 March 2026.",
        ),
        (Location(country_code="PT"), "punch", "Bought once in PT."),
    ],
)
def test_a_place_tells_what_it_sells(location: Location, product_id: str, text: str) -> None:
    """Each level of place is named in its own way, with its own count."""
    model = alone("place", "place_lift")
    place = model.places.resolve(location)
    found = reasons(model, rank(model, place=place))[product_id]
    assert found == Explanation(ReasonCode.POPULAR_NEARBY, text)


def test_everybody_is_counted_everywhere() -> None:
    """Popularity without a place counts all purchases, the online ones too."""
    model = alone("popularity")
    found = reasons(model, rank(model, "stranger"))
    window = " in the 28 days to 31 March 2026"
    assert found["milk"].text == f"Bought 3 times by all customers together{window}."
    assert found["punch"].text == "Bought once by all customers together."
    assert found["milk"].code is ReasonCode.POPULAR


def test_thousands_are_grouped() -> None:
    """Large counts are written as people read them."""
    model = alone("popularity")
    places = replace(model.places, n_recent=np.full(10, 12_345, np.float32))
    model = replace(model, places=places)
    assert reasons(model, rank(model))["milk"].text.startswith("Bought 12,345 times by all")


def test_like_products_are_explained_by_the_product() -> None:
    """A list of similar products names the product that it was asked for."""
    model = tiny_model()
    ranking = Recommender(model).similar(0, Query(now=DATA_END, size=2))
    expected = Explanation(
        ReasonCode.SIMILAR_PRODUCT,
        "Bought by customers with a taste for Espresso beans.",
        (0,),
    )
    assert explain_similar(Assortment.learnt(model.catalogue), 0, ranking) == [expected, expected]


def test_an_empty_list_has_no_reasons() -> None:
    """Nothing to explain is no error."""
    model = tiny_model()
    assert explain(model, Assortment.learnt(model.catalogue), rank(model, size=0)) == []


def times(text: str) -> int:
    """Return the number that a sentence says."""
    found = re.search(r"(\d+) times", text)
    return int(found[1]) if found else 1


def is_there(purchase: Purchase, where: str) -> bool:
    """Whether a purchase was made at the place that a sentence names."""
    store = BY_STORE.get(purchase.store_id)
    if where == "by all customers together":
        return True
    if store is None:
        return False
    return where in {
        f"at {store.name}",
        f"at store {store.store_id}",
        f"in {store.subdivision_code}",
        f"in {store.country_code}",
    }


@pytest.mark.parametrize("only_new", [False, True])
@pytest.mark.parametrize("store", ["", *BY_STORE])
@pytest.mark.parametrize("customer", ["anna", "ben", "clara", "dora", "emil", "filipa", ""])
def test_every_sentence_is_true_of_the_purchases(
    customer: str, store: str, *, only_new: bool
) -> None:
    """Counted again from the list of purchases, every sentence on every list holds."""
    model = tiny_model()
    titles = {title: product_id for product_id, title in TITLES.items()}
    similar = {frozenset(pair[:2]) for pair in SIMILARITY}
    own = [p for p in PURCHASES if p.customer_id == customer]
    found = reasons(model, rank(model, customer, store, only_new=only_new))
    for product_id, reason in found.items():
        sold = [p for p in PURCHASES if p.product_id == product_id]
        mine = [p for p in own if p.product_id == product_id]
        text = reason.text
        if reason.code is ReasonCode.BOUGHT_BEFORE:
            assert times(text) == len(mine)
            assert text.endswith(f" on {day(min(p.days_ago for p in mine))}.")
        elif reason.code is ReasonCode.SIMILAR_TO_BOUGHT:
            named = titles[text.removeprefix("Customers who buy ").removesuffix(" also buy this.")]
            assert frozenset({named, product_id}) in similar
            assert named in {p.product_id for p in own}
        elif reason.code is ReasonCode.SIMILAR_CUSTOMERS:
            named = titles[text.removeprefix("Fits what you buy, such as ").removesuffix(".")]
            assert named in {p.product_id for p in own} - {product_id}
        else:
            told = re.fullmatch(
                r"Bought (?:once|\d+ times) (.*?)(?: in the 28 days to (.*))?\.", text
            )
            if product_id == "bag":
                assert text == "Bought 0 times by all customers together."
                continue
            assert told is not None
            there = [p for p in sold if is_there(p, told[1])]
            recent = [p for p in there if p.days_ago <= RECENT_DAYS]
            assert times(text) == len(recent if told[2] else there)
            assert told[2] in {None, f"{DATA_END_TIME.day} {DATA_END_TIME:%B %Y}"}
            assert bool(told[2]) == bool(recent)


def test_the_sample_is_known() -> None:
    """The customers of the parameters above exist, but for the stranger."""
    model = tiny_model()
    assert model.customers.index("filipa") != MISSING
    assert model.customers.index("") == MISSING


# Products that the model has not learnt.


def sell(model: Model, *near: dict[str, float]) -> Recommender:
    """Return a recommender with newcomers, each given by what it is like."""
    rows = []
    for likeness in near:
        items = item_indices(model, *likeness)
        rows.append((items, np.array(list(likeness.values()), np.float32)))
    products = [Product(product_id=f"new-{i}", title=f"New {i}") for i in range(len(near))]
    catalogue = model.catalogue.with_products(products)
    assortment = Assortment(catalogue, len(model.catalogue), SparseRows.from_rows(rows))
    return Recommender(model).selling(assortment)


def tell(recommender: Recommender, customer: str = "", **query: Any) -> dict[str, Explanation]:  # noqa: ANN401  # the fields of Query
    """Return the reason of each product of a long list."""
    index = recommender.model.customers.index(customer)
    fields = {"customer": index, "now": DATA_END, "size": 50, **query}
    ranking = recommender.recommend(Query(**fields))
    assortment = recommender.assortment
    told = explain(recommender.model, assortment, ranking)
    return dict(zip(assortment.catalogue.items.ids.take(ranking.items), told, strict=True))


def test_a_newcomer_is_like_something_that_was_bought() -> None:
    """Of what it is like what was bought goes first, unless another is far more so."""
    recommender = sell(
        tiny_model(),
        {"espresso": 0.5, "tea": 0.9, "milk": 0.6},
        {"milk": 0.4, "bread": 0.3},
        {"tea": 0.5, "jam": 0.6},
        {"tea": 0.9, "espresso": 0.44},
        {"tea": 0.19},
        {},
    )
    found = tell(recommender, "anna")
    tea, milk, jam = item_indices(recommender.model, "tea", "milk", "jam").tolist()
    code = ReasonCode.SIMILAR_PRODUCT
    like = "New, and like"
    assert [found[f"new-{i}"] for i in range(6)] == [
        Explanation(code, f"{like} Whole milk, which you have bought.", (milk,)),
        Explanation(code, f"{like} Whole milk, which you have bought.", (milk,)),
        Explanation(code, f"{like} Plum jam.", (jam,)),
        Explanation(code, f"{like} Green tea.", (tea,)),
        Explanation(code, "New here."),
        Explanation(code, "New here."),
    ]


def test_what_must_not_be_named_is_not() -> None:
    """Neither a sensitive product nor one that was withdrawn is a reason, or in one."""
    model = tiny_model()
    recommender = sell(model, {"milk": 0.9, "butter": 0.5})
    learnt = recommender.assortment
    milk, espresso = item_indices(model, "milk", "espresso")
    sensitive = replace(learnt.product(int(milk)), is_sensitive=True)
    recommender = recommender.selling(replace(learnt, described={"milk": sensitive}))
    customer = model.customers.index("anna")
    place = recommender.place(customer, Location())
    query = Query(customer=customer, place=place, now=DATA_END, size=50)
    ranking = recommender.recommend(query)
    withdrawn = np.array([espresso], np.int32)
    told = explain(model, recommender.assortment, ranking, withdrawn)
    for item, one in zip(ranking.items.tolist(), told, strict=True):
        assert not {int(milk), int(espresso)} & (set(one.evidence) - {item})
        assert "milk" not in one.text
        assert "Espresso" not in one.text
    similar = recommender.similar(int(milk), query)
    told = explain_similar(recommender.assortment, int(milk), similar)
    assert {one.evidence for one in told} == {()}
    assert "Bought by customers with a taste for what you are looking at." in {
        one.text for one in told
    }


def test_what_was_seen_was_not_bought() -> None:
    """A look at milk does not make it a purchase."""
    recommender = sell(tiny_model(), {"tea": 0.9, "milk": 0.5})
    session = item_indices(recommender.model, "milk")
    assert tell(recommender, session=session)["new-0"].text == "New, and like Green tea."


def test_newcomers_leave_other_reasons_alone() -> None:
    """What is said of learnt products is what is said without newcomers."""
    model = tiny_model()
    plain = tell(Recommender(model), "anna")
    found = tell(sell(model, {"milk": 0.9}, {"bread": 0.5}), "anna")
    assert {name: found[name] for name in plain} == plain
    assert set(found) == set(plain) | {"new-0", "new-1"}


def test_products_are_called_what_they_are_called_now() -> None:
    """A title that was said since is the one in every sentence."""
    anew = [Product(product_id="espresso", title="Roast"), Product(product_id="milk", title="Moo")]
    for score, text in (
        ("neighbours", "Customers who buy Roast also buy this."),
        ("collaborative", "Fits what you buy, such as Roast."),
    ):
        recommender = sell(alone(score), {"milk": 1})
        catalogue = recommender.assortment.catalogue.with_products(anew)
        renamed = recommender.selling(replace(recommender.assortment, catalogue=catalogue))
        found = tell(renamed, "anna", only_new=True)
        assert found["filter"].text == text
        assert found["new-0"].text == "New, and like Moo, which you have bought."
        similar = renamed.similar(0, Query(now=DATA_END, size=1))
        assert explain_similar(renamed.assortment, 0, similar)[0].text.endswith(" for Roast.")


def test_newcomers_alone_have_reasons() -> None:
    """A list without any learnt product is explained."""
    recommender = sell(tiny_model(), {"milk": 1}, {})
    found = tell(recommender, "anna", excluded=np.arange(10, dtype=np.int32))
    assert {name: reason.text for name, reason in found.items()} == {
        "new-0": "New, and like Whole milk, which you have bought.",
        "new-1": "New here.",
    }


def test_what_nobody_has_bought_is_like_what_it_is() -> None:
    """Buyers speak for a pair of learnt products alone: of a newcomer there are none."""
    recommender = sell(tiny_model(), {"filter": 0.8}, {"espresso": 0.5, "filter": 0.5})
    ids = recommender.assortment.catalogue.items.ids
    taste = "Bought by customers with a taste for Espresso beans."
    for item, expected in (
        (0, {
            "filter": taste,
            "new-0": "Like products that go with Espresso beans.",
            "new-1": "Like Espresso beans in what it is.",
        }),
        (10, {
            "filter": "Like New 0 in what it is.",
            "new-1": "Goes with products like New 0.",
        }),
    ):  # fmt: skip
        ranking = recommender.similar(item, Query(now=DATA_END, size=50))
        told = explain_similar(recommender.assortment, item, ranking)
        found = dict(zip(ids.take(ranking.items), told, strict=True))
        for name, text in expected.items():
            assert found[name] == Explanation(ReasonCode.SIMILAR_PRODUCT, text, (item,))
