"""Reasons on a shopper's list: each claim is true of the purchases."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import Product
from recsvc.core.claims import Claim, Explanation, ReasonCode
from recsvc.core.explanation import explain
from recsvc.core.lists import Ranking
from recsvc.core.model import Model
from recsvc.core.places import Level, Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.sources import Collaborative, ItemToItem, LikeCustomers, Memory, Strategy
from recsvc.core.sparse import SparseRows
from recsvc.core.vocabulary import MISSING
from tests.acts import acts_of, bought, returned
from tests.counting import DATA_END, DAY, RECENT_DAYS, Purchase
from tests.pairs import pairs_of, with_pairs
from tests.rankers import weigh_alike
from tests.samples import PURCHASES, SIMILARITY, STORES, item_indices, tiny_model

BY_STORE = {store.store_id: store for store in STORES}


def rank(model: Model, customer: str = "", store: str = "", **query: Any) -> Ranking:
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


def alone(*scores: str, **changes: Any) -> Model:
    """Return the small model with the weights of all tasks on some scores."""
    return weigh_alike(tiny_model(**changes), **dict.fromkeys(scores, 1.0))


def time(days_ago: float) -> int:
    """Return the moment of a purchase."""
    return int(DATA_END - days_ago * DAY)


WINDOW: dict[str, Any] = {
    "window_days": 28,
    "window_start": time(28),
    "window_end": time(0) + 1,
}
"""What is told of purchases that were counted of late."""


def test_a_repeat_purchase_says_how_often_and_when() -> None:
    """Anna's three orders of espresso, the last on 28 March, are told as they are."""
    model = tiny_model()
    found = reasons(model, rank(model, "anna"))
    espresso, milk = item_indices(model, "espresso", "milk").tolist()
    assert found["espresso"] == Explanation(
        claim=Claim.BOUGHT_ON, evidence=(espresso,), n_purchases=3, last_time=time(3)
    )
    assert found["milk"] == Explanation(
        claim=Claim.BOUGHT_ON, evidence=(milk,), n_purchases=1, last_time=time(3)
    )
    assert found["milk"].code is ReasonCode.BOUGHT_BEFORE


def test_purchases_without_a_time_have_no_date() -> None:
    """Data that does not tell when still tells how often."""
    model = tiny_model()
    histories = model.histories
    timeless = replace(histories, last_time=np.zeros_like(histories.last_time))
    model = tiny_model(histories=timeless)
    found = reasons(model, rank(model, "anna"))["espresso"]
    assert (found.claim, found.n_purchases, found.last_time) == (Claim.BOUGHT, 3, 0)
    assert found.code is ReasonCode.BOUGHT_BEFORE


def test_what_was_returned_has_no_date() -> None:
    """How often is known, and when is not: nobody knows which of three was brought back."""
    model = tiny_model()
    espresso = int(item_indices(model, "espresso")[0])
    acts = acts_of(returned(espresso, day=1))
    ranking = rank(model, "anna", acts=acts, now=DATA_END + 3 * DAY)
    found = reasons(model, ranking)["espresso"]
    assert found == Explanation(claim=Claim.BOUGHT, evidence=(espresso,), n_purchases=2)


def test_a_purchase_since_counts() -> None:
    """What was bought after the model learnt is in the number, and is the last one."""
    model = tiny_model()
    espresso = int(item_indices(model, "espresso")[0])
    acts = acts_of(bought(espresso, day=1))
    found = reasons(model, rank(model, "anna", acts=acts, now=DATA_END + 9 * DAY))["espresso"]
    assert (found.n_purchases, found.last_time) == (4, time(-1))


def test_a_neighbour_is_named() -> None:
    """The own product that brought the suggestion in is named and given as evidence."""
    model = alone("neighbours")
    found = reasons(model, rank(model, "anna", only_new=True))
    espresso, milk = item_indices(model, "espresso", "milk").tolist()
    assert found["filter"] == Explanation(claim=Claim.ALSO_BOUGHT, evidence=(espresso,))
    assert found["filter"].code is ReasonCode.SIMILAR_TO_BOUGHT
    assert found["butter"].evidence == (milk,)  # .45 of two cartons, .5 of an old loaf


def test_a_neighbour_has_its_lift() -> None:
    """Where baskets were counted, it is said how much more often than by chance."""
    model = alone("neighbours")
    espresso, coffee, butter = item_indices(model, "espresso", "filter", "butter").tolist()
    milk = int(item_indices(model, "milk")[0])
    singles = {espresso: 10, coffee: 4, butter: 10, milk: 10}
    both = {(coffee, espresso): 4, (butter, milk): 2}
    model = with_pairs(model, pairs_of(100, singles, both))
    found = reasons(model, rank(model, "anna", only_new=True))
    assert found["filter"] == Explanation(
        claim=Claim.OWN_LIFT, evidence=(espresso,), n_purchases=4, lift=10
    )
    assert found["filter"].code is ReasonCode.SIMILAR_TO_BOUGHT
    assert found["butter"] == Explanation(claim=Claim.ALSO_BOUGHT, evidence=(milk,))
    seen = reasons(model, rank(model, session=np.array([espresso], np.int32)))["filter"]
    assert (seen.claim, seen.code) == (Claim.LIFT, ReasonCode.BOUGHT_TOGETHER)


def test_a_regression_claims_no_purchases() -> None:
    """EASE may tie together what nobody has bought both; who counts baskets knows better."""
    model = alone("neighbours")
    sources = tuple(
        replace(source, name="ease") if isinstance(source, ItemToItem) else source
        for source in model.sources
        if source.name != "transitions"
    )
    model = weigh_alike(replace(model, sources=sources), ease=1.0)
    espresso, coffee = item_indices(model, "espresso", "filter").tolist()
    found = reasons(model, rank(model, "anna", only_new=True))["filter"]
    assert found == Explanation(claim=Claim.FITS_BOUGHT, evidence=(espresso,))
    counted = pairs_of(100, {espresso: 50, coffee: 50}, {(coffee, espresso): 1})
    found = reasons(with_pairs(model, counted), rank(model, "anna", only_new=True))["filter"]
    assert found == Explanation(claim=Claim.ALSO_BOUGHT, evidence=(espresso,))


def test_factors_name_what_fits() -> None:
    """The own product with the largest part in the score is named."""
    model = alone("collaborative")
    ranking = rank(model, "filipa", only_new=True)
    found = reasons(model, ranking)["jam"]
    source = model.source("collaborative")
    assert isinstance(source, Collaborative)
    terms = source.contributions(ranking.profile, item_indices(model, "jam"))[0]
    expected = int(ranking.profile.items[terms.argmax()])
    assert found == Explanation(claim=Claim.FITS_BOUGHT, evidence=(expected,))
    assert found.code is ReasonCode.SIMILAR_CUSTOMERS


def test_what_was_only_seen_is_not_called_bought() -> None:
    """A session is called an interest, for nobody has bought anything."""
    model = alone("collaborative")
    session = item_indices(model, "espresso")
    found = reasons(model, rank(model, session=session))
    espresso = int(session[0])
    assert found["filter"] == Explanation(claim=Claim.FITS_SEEN, evidence=(espresso,))
    assert found["espresso"] == Explanation(claim=Claim.SEEN, evidence=(espresso,))
    assert found["espresso"].code is ReasonCode.SIMILAR_CUSTOMERS


def test_an_own_product_does_not_fit_itself() -> None:
    """A single purchase that the factors bring back is told as the purchase that it was."""
    model = alone("collaborative", leave_out=["own"])
    found = reasons(model, rank(model, "dora"))["punch"]
    assert (found.claim, found.last_time) == (Claim.BOUGHT_ON, time(75))


def test_the_source_that_knows_is_asked() -> None:
    """Where neighbours are silent, the product that another was bought after is named."""
    model = alone("transitions")
    ranking = rank(model, "filipa")
    neighbours = model.source("neighbours")
    assert isinstance(neighbours, ItemToItem)
    espresso, bread = item_indices(model, "espresso", "bread")
    assert not neighbours.contributions(ranking.profile, espresso[None]).any()
    assert reasons(model, ranking)["espresso"] == Explanation(
        claim=Claim.ALSO_BOUGHT, evidence=(int(bread),)
    )


def test_customers_alike_stand_for_themselves() -> None:
    """A source that cannot name a product of the shopper's own names none."""
    model = alone("like_customers", leave_out=["collaborative"])
    found = reasons(model, rank(model, "anna", only_new=True))
    assert found["filter"] == Explanation(claim=Claim.LIKE_CUSTOMERS)
    sources = tuple(
        replace(source, memory=Memory.PRESENCE) if isinstance(source, LikeCustomers) else source
        for source in model.sources
    )
    model = replace(model, sources=sources)
    found = reasons(model, rank(model, session=item_indices(model, "espresso")))
    assert found["filter"] == Explanation(claim=Claim.LIKE_MINDED)  # who asks has bought nothing


def test_what_nobody_else_buys_is_not_laid_to_others() -> None:
    """Dora's punch, in her next basket because it was in her last, is told as her purchase."""
    model = alone("next_basket", leave_out=["collaborative"])
    ranking = rank(model, "dora")
    punch = int(item_indices(model, "punch")[0])
    assert ranking.items[0] == punch
    assert ranking.strategies[0] == Strategy.COLLABORATIVE
    assert reasons(model, ranking)["punch"] == Explanation(
        claim=Claim.BOUGHT_ON, evidence=(punch,), n_purchases=1, last_time=time(75)
    )


def test_what_is_not_in_the_profile_was_seen() -> None:
    """What was returned whole is on the list for what the shopper once saw in it."""
    model = tiny_model()
    ranking = rank(model, "dora")
    nothing = replace(ranking, profile=ranking.profile.where(ranking.profile.items < 0))
    assert reasons(model, nothing)["punch"].claim is Claim.SEEN


@pytest.mark.parametrize(
    ("location", "product_id", "level", "told"),
    [
        (
            Location(store_id="leeds-1"),
            "espresso",
            Level.STORE,
            {"n_purchases": 2, "place": "Leeds Station", **WINDOW},
        ),
        (
            Location(store_id="leeds-1"),
            "soap",
            Level.STORE,
            {"n_purchases": 1, "place": "Leeds Station"},
        ),
        (
            Location(store_id="porto-1"),
            "bread",
            Level.STORE,
            {"n_purchases": 1, "store_id": "porto-1", **WINDOW},
        ),
        (
            Location(postal_code="ls1 4dy", country_code="gb"),
            "filter",
            Level.POSTAL_CODE,
            {"n_purchases": 1, "place": "LS14DY", **WINDOW},
        ),
        (Location(cell=STORES[1].cell), "tea", Level.CELL, {"n_purchases": 2, **WINDOW}),
        (
            Location(subdivision_code="GB-ENG"),
            "milk",
            Level.SUBDIVISION,
            {"n_purchases": 2, **WINDOW},
        ),
        (Location(country_code="PT"), "punch", Level.COUNTRY, {"n_purchases": 1}),
    ],
)
def test_a_place_tells_what_it_sells(
    location: Location, product_id: str, level: Level, told: dict[str, Any]
) -> None:
    """Each level of place has its own count, of late where there is one."""
    model = alone("place", "place_lift")
    place = model.places.resolve(location)
    found = reasons(model, rank(model, place=place))[product_id]
    expected = {"window_end": time(0) + 1, **told}
    assert found == Explanation(claim=Claim.SOLD, level=level, **expected)
    assert found.code is ReasonCode.POPULAR_NEARBY


def test_everybody_is_counted_everywhere() -> None:
    """Popularity without a place counts all purchases, the online ones too."""
    model = alone("popularity")
    found = reasons(model, rank(model, "stranger"))
    level = Level.EVERYWHERE
    assert found["milk"] == Explanation(claim=Claim.SOLD, level=level, n_purchases=3, **WINDOW)
    assert found["punch"].n_purchases == 1
    assert found["milk"].code is ReasonCode.POPULAR
    assert found["bag"] == Explanation(claim=Claim.IN_RANGE)  # nobody has ever bought it
    assert found["bag"].code is ReasonCode.POPULAR


def test_a_window_of_a_day_is_not_told() -> None:
    """Purchases of all time are: every language would need a singular for it."""
    model = replace(alone("popularity"), recent_days=1.4)
    found = reasons(model, rank(model))["milk"]
    assert (found.n_purchases, found.window_days) == (3, 0)


def test_data_without_times_has_no_window() -> None:
    """Nobody knows when its purchases end."""
    model = replace(alone("popularity"), data_end=0.0, recent_days=0.0)
    assert reasons(model, rank(model))["milk"].window_end == 0


def test_every_claim_has_a_code() -> None:
    """And every code some claim."""
    codes = {claim: Explanation(claim=claim).code for claim in Claim}
    assert codes[Claim.DUE_AGAIN] is ReasonCode.DUE_AGAIN
    assert codes[Claim.PICKED] is ReasonCode.PICKED
    assert codes[Claim.NEW] is ReasonCode.SIMILAR_PRODUCT
    assert set(codes.values()) == set(ReasonCode)


def test_an_empty_list_has_no_reasons() -> None:
    """Nothing to explain is no error."""
    model = tiny_model()
    assert explain(model, Assortment.learnt(model.catalogue), rank(model, size=0)) == []


def is_there(purchase: Purchase, store: str, level: Level) -> bool:
    """Whether a purchase was made at a level of a store's place."""
    there, here = BY_STORE.get(purchase.store_id), BY_STORE.get(store)
    if level is Level.EVERYWHERE:
        return True
    if there is None or here is None:
        return False
    # The fields of a shop, its name left out, are its keys in the order of the levels.
    return (there.store_id, *there[2:])[level] == (here.store_id, *here[2:])[level]


@pytest.mark.parametrize("only_new", [False, True])
@pytest.mark.parametrize("store", BY_STORE)
@pytest.mark.parametrize("customer", ["anna", "ben", "clara", "dora", "emil", "filipa", ""])
def test_every_claim_is_true_of_the_purchases(customer: str, store: str, *, only_new: bool) -> None:
    """Counted again from the list of purchases, every claim on every list holds."""
    model = tiny_model()
    ids = model.catalogue.items.ids
    similar = {frozenset(pair[:2]) for pair in SIMILARITY}
    own = [p for p in PURCHASES if p.customer_id == customer]
    found = reasons(model, rank(model, customer, store, only_new=only_new))
    for product_id, why in found.items():
        sold = [p for p in PURCHASES if p.product_id == product_id]
        mine = [p for p in own if p.product_id == product_id]
        named = ids.take(why.evidence)
        match why.claim:
            case Claim.BOUGHT_ON:
                assert why.n_purchases == len(mine)
                assert why.last_time == time(min(p.days_ago for p in mine))
            case Claim.ALSO_BOUGHT:
                assert frozenset({*named, product_id}) in similar
                assert set(named) <= {p.product_id for p in own}
            case Claim.FITS_BOUGHT:
                assert set(named) <= {p.product_id for p in own} - {product_id}
            case Claim.SOLD:
                assert why.level is not None
                there = [p for p in sold if is_there(p, store, why.level)]
                recent = [p for p in there if p.days_ago <= RECENT_DAYS]
                assert why.n_purchases == len(recent if why.window_days else there)
                assert bool(why.window_days) == bool(recent)
            case _:
                assert (why.claim, product_id) == (Claim.IN_RANGE, "bag")


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


def tell(recommender: Recommender, customer: str = "", **query: Any) -> dict[str, Explanation]:
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
    assert [found[f"new-{i}"] for i in range(6)] == [
        Explanation(claim=Claim.NEW_LIKE_BOUGHT, evidence=(milk,)),
        Explanation(claim=Claim.NEW_LIKE_BOUGHT, evidence=(milk,)),
        Explanation(claim=Claim.NEW_LIKE, evidence=(jam,)),
        Explanation(claim=Claim.NEW_LIKE, evidence=(tea,)),
        Explanation(claim=Claim.NEW),
        Explanation(claim=Claim.NEW),
    ]
    assert found["new-0"].code is ReasonCode.SIMILAR_PRODUCT


def test_what_must_not_be_named_is_not() -> None:
    """Neither a sensitive product nor one that was withdrawn is evidence of anything."""
    model = tiny_model()
    recommender = sell(model, {"milk": 0.9, "butter": 0.5})
    learnt = recommender.assortment
    milk, espresso = item_indices(model, "milk", "espresso").tolist()
    sensitive = replace(learnt.product(milk), is_sensitive=True)
    catalogue = learnt.catalogue.with_products([sensitive])
    recommender = recommender.selling(replace(learnt, catalogue=catalogue))
    customer = model.customers.index("anna")
    place = recommender.place(customer, Location())
    query = Query(customer=customer, place=place, now=DATA_END, size=50)
    withdrawn = np.array([espresso], np.int32)
    for only_new in (False, True):
        ranking = recommender.recommend(replace(query, only_new=only_new))
        for why in explain(model, recommender.assortment, ranking, withdrawn):
            assert not {milk, espresso} & set(why.evidence)


def test_nobody_is_reminded_of_a_sensitive_purchase() -> None:
    """On a list for another reason, it is told as what it is to all."""
    model = tiny_model()
    espresso = int(item_indices(model, "espresso")[0])
    ranking = rank(model, "anna")
    hidden = np.array([espresso], np.int32)
    told = explain(model, Assortment.learnt(model.catalogue), ranking, hidden)
    why = told[ranking.items.tolist().index(espresso)]
    assert (why.claim, why.level, why.evidence) == (Claim.SOLD, Level.EVERYWHERE, ())


def test_what_a_hidden_product_speaks_for_fits_without_a_name() -> None:
    """It is not laid to customers alike, who may have nothing to do with it."""
    model = alone("collaborative", leave_out=["like_customers"])
    ranking = rank(model, "dora", only_new=True)
    hidden = item_indices(model, "punch")
    told = explain(model, Assortment.learnt(model.catalogue), ranking, hidden)
    fits = [why for why in told if why.claim is not Claim.SOLD and why.claim is not Claim.IN_RANGE]
    assert fits
    assert set(map(repr, fits)) == {repr(Explanation(claim=Claim.FITS))}


def test_what_was_seen_was_not_bought() -> None:
    """A look at milk does not make it a purchase."""
    recommender = sell(tiny_model(), {"tea": 0.9, "milk": 0.5})
    session = item_indices(recommender.model, "milk")
    tea = int(item_indices(recommender.model, "tea")[0])
    found = tell(recommender, session=session)["new-0"]
    assert found == Explanation(claim=Claim.NEW_LIKE, evidence=(tea,))


def test_newcomers_leave_other_reasons_alone() -> None:
    """What is said of learnt products is what is said without newcomers."""
    model = tiny_model()
    plain = tell(Recommender(model), "anna")
    found = tell(sell(model, {"milk": 0.9}, {"bread": 0.5}), "anna")
    assert {name: found[name] for name in plain} == plain
    assert set(found) == set(plain) | {"new-0", "new-1"}


def test_newcomers_alone_have_reasons() -> None:
    """A list without any learnt product is explained."""
    recommender = sell(tiny_model(), {"milk": 1}, {})
    found = tell(recommender, "anna", excluded=np.arange(10, dtype=np.int32))
    milk = int(item_indices(recommender.model, "milk")[0])
    assert found == {
        "new-0": Explanation(claim=Claim.NEW_LIKE_BOUGHT, evidence=(milk,)),
        "new-1": Explanation(claim=Claim.NEW),
    }


def test_what_goes_with_a_basket_says_so_on_any_list() -> None:
    """A product is not named that only stands in for what is in the basket."""
    counts = pairs_of(100, {0: 10, 1: 4}, {(0, 1): 4})
    model = with_pairs(tiny_model(), counts)
    espresso, coffee = item_indices(model, "espresso", "filter").tolist()
    query = Query(now=DATA_END, size=50, basket=np.array([espresso], np.int32))
    ranking = Recommender(model).together(query)
    together = np.full(len(ranking.items), Strategy.BOUGHT_TOGETHER, np.int8)
    ranking = replace(ranking, strategies=together)
    found = reasons(model, ranking)["filter"]
    assert found == Explanation(claim=Claim.LIFT, evidence=(espresso,), n_purchases=4, lift=10)
    assert coffee in ranking.items
    for_another = replace(ranking, stand_ins=ranking.basket)
    assert reasons(model, for_another)["filter"] == Explanation(claim=Claim.FITS_NOW)
