"""Each stage of the journey has a list of its own; one that lacks what it is about has none."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from recsvc.core.catalogue import CatalogueFilter, Product
from recsvc.core.diversity import Diversity
from recsvc.core.lists import Ranking
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.stages import Stage
from tests.acts import acts_of, added, bought, moment, returned, viewed
from tests.counting import DATA_END
from tests.samples import PRODUCTS, item_indices, tiny_model

OAT = len(PRODUCTS)
"""Index of the first product that is new to the model."""


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    return Recommender(tiny_model())


def ask(
    recommender: Recommender,
    stage: Stage,
    customer: str = "",
    basket: Sequence[str] = (),
    session: Sequence[str] = (),
    **query: Any,
) -> Ranking:
    model = recommender.model
    index = model.customers.index(customer)
    return recommender.recommend(
        Query(
            **{
                "customer": index,
                "place": recommender.place(index, Location()),
                "now": DATA_END,
                "size": 50,
                "stage": stage,
                "basket": item_indices(model, *basket),
                "session": item_indices(model, *session),
                **query,
            }
        )
    )


def names(recommender: Recommender, ranking: Ranking) -> list[str]:
    return recommender.model.catalogue.items.ids.take(ranking.items)


def listed(recommender: Recommender, stage: Stage, *args: Any, **query: Any) -> list[str]:
    return names(recommender, ask(recommender, stage, *args, **query))


def with_oat(recommender: Recommender) -> Recommender:
    """A recommender that also sells a new milk."""
    oat = Product(product_id="oat", title="Whole oat milk", category_path="Food > Dairy")
    return recommender.selling(recommender.assortment.with_products([oat]))


def test_discoveries_are_new_to_the_shopper(recommender: Recommender) -> None:
    """Nothing that they have bought is on the list, and the list is mixed."""
    found = listed(recommender, Stage.DISCOVER, "anna")
    assert found
    assert not {"espresso", "milk", "bread"} & set(found)
    mixed = listed(recommender, Stage.ANY, "anna", only_new=True, diversity=Diversity.MEDIUM)
    assert found == mixed
    high = listed(recommender, Stage.DISCOVER, "anna", diversity=Diversity.HIGH)
    assert high == listed(recommender, Stage.ANY, "anna", only_new=True, diversity=Diversity.HIGH)


def test_where_there_is_nothing_to_discover_the_list_is_for_no_stage(
    recommender: Recommender,
) -> None:
    """A filter that leaves what was bought alone still gets a list."""
    coffee = CatalogueFilter(category_paths=("Food > Bakery",))
    assert listed(recommender, Stage.DISCOVER, "anna", catalogue_filter=coffee) == ["bread"]


def test_alternatives_are_of_the_category_in_view(recommender: Recommender) -> None:
    """And not what is in view itself; what was viewed live counts as well."""
    assert listed(recommender, Stage.CONSIDER, "anna", session=("espresso",)) == ["filter"]
    espresso = int(item_indices(recommender.model, "espresso")[0])
    looked = acts_of(viewed(espresso, 0))
    assert listed(recommender, Stage.CONSIDER, "clara", acts=looked) == ["filter"]


def test_variants_of_what_is_in_view_are_no_alternatives(recommender: Recommender) -> None:
    """Neither learnt ones nor new ones."""
    catalogue = recommender.model.catalogue
    coffee = catalogue.product(catalogue.items.index("espresso"))
    sold = recommender.assortment.with_products(
        [
            replace(coffee, group_id="espressi"),
            replace(coffee, product_id="lungo", group_id="espressi"),
            replace(coffee, product_id="mocha"),
        ]
    )
    selling = recommender.selling(sold)
    ranking = ask(selling, Stage.CONSIDER, "anna", session=("espresso",))
    assert set(sold.catalogue.items.ids.take(ranking.items)) == {"filter", "mocha"}


@pytest.mark.parametrize("session", [(), ("jam",)])
def test_with_no_alternative_the_list_is_for_no_stage(
    recommender: Recommender, session: tuple[str, ...]
) -> None:
    """Nothing is in view, or it is the only one of its category."""
    found = listed(recommender, Stage.CONSIDER, "anna", session=session)
    assert found == listed(recommender, Stage.ANY, "anna", session=session)


@pytest.mark.parametrize("customer", ["anna", "stranger"])
def test_a_basket_is_filled_with_what_goes_with_it(recommender: Recommender, customer: str) -> None:
    """As for those products by themselves, for who is known and who is not."""
    found = ask(recommender, Stage.CART, customer, ("tea",))
    index = recommender.model.customers.index(customer)
    query = Query(
        customer=index,
        place=recommender.place(index, Location()),
        now=DATA_END,
        size=50,
        basket=item_indices(recommender.model, "tea"),
    )
    assert found.items.tolist() == recommender.together(query).items.tolist()
    assert "tea" not in names(recommender, found)


@pytest.mark.parametrize("stage", [Stage.CART, Stage.CHECKOUT, Stage.POST_PURCHASE])
def test_without_a_basket_the_list_is_for_no_stage(recommender: Recommender, stage: Stage) -> None:
    """There is nothing to go with."""
    assert listed(recommender, stage, "stranger") == listed(recommender, Stage.ANY, "stranger")


def test_additions_at_checkout_are_small(recommender: Recommender) -> None:
    """None costs more than the usual product of the basket."""
    model = recommender.model
    prices = model.statistics.log_price
    found = ask(recommender, Stage.CHECKOUT, "anna", ("tea", "jam"))
    bound = np.nanmedian(prices[item_indices(model, "tea", "jam")])
    assert len(found.items)
    assert (prices[found.items] <= bound).all()
    cart = ask(recommender, Stage.CART, "anna", ("tea", "jam"))
    assert (prices[cart.items] > bound).any()


def test_where_prices_are_not_known_checkout_is_as_the_basket(recommender: Recommender) -> None:
    """Nobody can say what is small; nor where nothing costs so little."""
    unknown = np.full_like(recommender.model.statistics.log_price, np.nan)
    statistics = replace(recommender.model.statistics, log_price=unknown)
    priceless = Recommender(tiny_model(statistics=statistics))
    assert listed(priceless, Stage.CHECKOUT, "anna", ("tea",)) == listed(
        priceless, Stage.CART, "anna", ("tea",)
    )
    dear = CatalogueFilter(category_paths=("Drinks",))
    args = ("anna", ("milk",))
    assert listed(recommender, Stage.CHECKOUT, *args, catalogue_filter=dear) == listed(
        recommender, Stage.CART, *args, catalogue_filter=dear
    )


def test_after_a_purchase_nothing_competes_with_it(recommender: Recommender) -> None:
    """Neither what was bought is on the list nor anything of its categories."""
    found = listed(recommender, Stage.POST_PURCHASE, "anna", ("espresso", "milk"))
    assert found
    assert not {"espresso", "filter", "milk", "butter"} & set(found)


def test_what_was_bought_is_the_last_order(recommender: Recommender) -> None:
    """The one just ingested, else the last that the model has learnt, if it is of this week."""
    model = recommender.model
    given = listed(recommender, Stage.POST_PURCHASE, "filipa", ("bread",))
    assert listed(recommender, Stage.POST_PURCHASE, "filipa") == given
    tea = int(item_indices(model, "tea")[0])
    ordered = acts_of(bought(tea, 0.0005))
    live = ask(recommender, Stage.POST_PURCHASE, "filipa", acts=ordered, now=DATA_END + 60)
    assert live.basket.tolist() == [tea]
    # dora bought 75 days ago: that is over.
    assert listed(recommender, Stage.POST_PURCHASE, "dora") == listed(
        recommender, Stage.ANY, "dora"
    )


@pytest.mark.parametrize("is_new", [False, True])
def test_an_order_of_long_ago_is_over(recommender: Recommender, *, is_new: bool) -> None:
    """However it came to be known: of a product that the model knows, and of a new one."""
    selling = with_oat(recommender)
    item = OAT if is_new else int(item_indices(recommender.model, "tea")[0])
    for days, is_over in ((6.9, False), (7.1, True)):
        asked: dict[str, Any] = {"acts": acts_of(bought(item, 1)), "now": moment(1 + days)}
        found = ask(selling, Stage.POST_PURCHASE, "dora", **asked)
        plain = ask(selling, Stage.ANY, "dora", **asked)
        assert (found.items.tolist() == plain.items.tolist()) is is_over


@pytest.mark.parametrize("is_new", [False, True])
def test_what_came_back_was_not_just_bought(recommender: Recommender, *, is_new: bool) -> None:
    """The order before it counts, if it is of this week."""
    selling = with_oat(recommender)
    item = OAT if is_new else int(item_indices(recommender.model, "tea")[0])
    bread = bought(int(item_indices(recommender.model, "bread")[0]), 1)
    came_back = acts_of(bread, bought(item, 1.5), returned(item, 1.6))
    alone = acts_of(bread)
    for acts in (came_back, alone):
        found = ask(selling, Stage.POST_PURCHASE, "dora", acts=acts, now=moment(2))
        assert found.basket.tolist() == [bread.item]


def test_what_was_bought_may_be_new_to_the_model(recommender: Recommender) -> None:
    """What it is like stands in for it, and nothing of its category is on the list."""
    selling = with_oat(recommender)
    asked: dict[str, Any] = {"acts": acts_of(bought(OAT, 1)), "now": moment(1.1)}
    found = ask(selling, Stage.POST_PURCHASE, "dora", **asked)
    assert found.items.tolist()
    names_found = selling.assortment.catalogue.items.ids.take(found.items)
    assert not {"milk", "butter", "oat"} & set(names_found)


def test_where_all_else_competes_it_may(recommender: Recommender) -> None:
    """Better something of the category than nothing."""
    coffee = CatalogueFilter(category_paths=("Drinks > Coffee",))
    found = listed(
        recommender, Stage.POST_PURCHASE, "stranger", ("espresso",), catalogue_filter=coffee
    )
    assert found == ["filter"]


# Page by page.

COFFEE = CatalogueFilter(category_paths=("Drinks > Coffee",))

DRINKS = CatalogueFilter(category_paths=("Drinks",))


@pytest.mark.parametrize(
    ("stage", "basket", "session", "wanted"),
    [
        (Stage.DISCOVER, (), (), None),
        (Stage.CONSIDER, (), ("espresso", "milk"), None),
        (Stage.CONSIDER, (), ("jam",), None),  # there is no other
        (Stage.CART, ("tea",), (), None),
        (Stage.CHECKOUT, ("tea", "jam"), (), None),
        (Stage.CHECKOUT, ("milk",), (), DRINKS),  # all cost more
        (Stage.POST_PURCHASE, ("espresso", "milk"), (), None),
        (Stage.POST_PURCHASE, ("espresso",), (), COFFEE),  # all else competes
    ],
)
def test_later_pages_go_on_with_what_the_first_began(
    recommender: Recommender,
    stage: Stage,
    basket: tuple[str, ...],
    session: tuple[str, ...],
    wanted: CatalogueFilter | None,
) -> None:
    """All pages together are the list of the stage, and then there is no more."""
    args = (recommender, stage, "anna", basket, session)
    whole = ask(*args, catalogue_filter=wanted).items
    assert len(whole)
    shown = whole[:0]
    for _ in whole:
        page = ask(*args, catalogue_filter=wanted, shown=shown, size=1).items
        shown = np.append(shown, page)
    assert set(shown.tolist()) == set(whole.tolist())
    assert not len(ask(*args, catalogue_filter=wanted, shown=shown).items)


# Variants.


def with_coffees(recommender: Recommender) -> Recommender:
    """Espresso and, though it is of another category, soap are one product in two variants."""
    variants = [
        replace(recommender.assortment.product(item), group_id="coffee")
        for item in item_indices(recommender.model, "espresso", "soap").tolist()
    ]
    return recommender.selling(recommender.assortment.with_products(variants))


def test_a_variant_of_what_is_in_the_basket_is_no_complement(recommender: Recommender) -> None:
    """Whoever put it there, and how; without variants it may be on the list."""
    grouped = with_coffees(recommender)
    espresso = int(item_indices(recommender.model, "espresso")[0])
    live = acts_of(added(espresso, -0.01))
    for stage in (Stage.ANY, Stage.CART):
        for query in ({"basket": ("espresso",)}, {"acts": live}):
            assert "soap" in listed(recommender, stage, "anna", **query)
            assert "soap" not in listed(grouped, stage, "anna", **query)


def test_a_variant_of_what_was_bought_is_not_listed_after_it(recommender: Recommender) -> None:
    """Nobody needs the other one now."""
    espresso = int(item_indices(recommender.model, "espresso")[0])
    asked: dict[str, Any] = {"acts": acts_of(bought(espresso, 0)), "now": DATA_END + 60}
    assert "soap" in listed(recommender, Stage.POST_PURCHASE, "dora", **asked)
    assert "soap" not in listed(with_coffees(recommender), Stage.POST_PURCHASE, "dora", **asked)
