"""Batch lists, against the recommender itself."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from recsvc.core.catalogue import Product
from recsvc.core.cells import cell_of
from recsvc.core.conditions import Conditions
from recsvc.core.places import Level, Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.rules import Effect, Rule, Rulebook, Selection
from recsvc.core.ruling import PreparedRules
from recsvc.core.sources import Strategy
from recsvc.core.vocabulary import MISSING
from tests.purchases import START, STORES, built, products_of, shop_interactions
from training.batch import Surface, recommend_all
from training.schema import CUSTOMERS

OUTPUT = ["customer_id", "rank", "product_id", "score", "strategy", "location_level"]


@pytest.fixture(scope="module")
def recommender() -> Recommender:
    return Recommender(built(shop_interactions()))


def customers_of(*rows: Mapping[str, object]) -> pl.DataFrame:
    """Customers as ``read_customers`` returns them."""
    columns = {column.name: column.kind.dtype for column in CUSTOMERS.columns}
    return pl.DataFrame(list(rows), schema=columns)


NOW = 1_790_000_000.0
"""When the lists are read: after the end of the data."""


def asked(recommender: Recommender, **fields: Any) -> Query:
    """The question of a batch."""
    return Query(now=recommender.model.data_end, sold_at=NOW, **fields)


def products(lists: pl.DataFrame, customer_id: str) -> list[str]:
    return lists.filter(customer_id=customer_id)["product_id"].to_list()


@pytest.mark.parametrize("only_new", [False, True])
def test_lists_are_those_of_the_recommender(recommender: Recommender, *, only_new: bool) -> None:
    """Product for product, score for score, a batch holds what a call would answer."""
    model = recommender.model
    ids = model.customers.ids.take(range(len(model.customers)))

    lists = recommend_all(
        recommender,
        customers_of(*({"customer_id": customer_id} for customer_id in ids)),
        asked(recommender, size=12, only_new=only_new),
    )

    assert lists.columns == OUTPUT
    for customer, customer_id in enumerate(ids):
        ranking = recommender.recommend(
            Query(
                customer=customer,
                place=recommender.place(customer, Location()),
                size=12,
                now=model.data_end,
                only_new=only_new,
            )
        )
        rows = lists.filter(customer_id=customer_id)
        assert rows["rank"].to_list() == list(range(1, len(ranking.items) + 1))
        assert rows["product_id"].to_list() == model.catalogue.items.ids.take(ranking.items)
        np.testing.assert_array_equal(rows["score"].to_numpy(), ranking.scores)
        assert rows["strategy"].to_list() == [Strategy(s).name for s in ranking.strategies]
        assert rows["location_level"].to_list() == [Level(v).name for v in ranking.levels]


def test_a_place_changes_the_list(recommender: Recommender) -> None:
    """One customer asked for at two stores gets two lists, each row saying at which."""
    stores = [store.store_id for store in STORES[:2]] + ["porto-1"]
    rows = customers_of(*({"customer_id": "c000", "store_id": store} for store in stores))

    lists = recommend_all(recommender, rows, asked(recommender, size=10, only_new=True))

    assert lists.columns == [*OUTPUT, "store_id"]
    by_store = {store: lists.filter(store_id=store)["product_id"].to_list() for store in stores}
    assert [len(found) for found in by_store.values()] == [10, 10, 10]
    assert by_store["porto-1"] != by_store["leeds-1"]
    at_porto = lists.filter(store_id="porto-1")["location_level"]
    assert (at_porto == "STORE").sum() >= 5


@pytest.mark.parametrize(
    ("given", "location"),
    [
        ({"country_code": "PT"}, Location(country_code="PT")),
        ({"subdivision_code": "GB-SCT"}, Location(subdivision_code="GB-SCT")),
        (
            {"postal_code": "YO1 7LA", "country_code": "GB"},
            Location(postal_code="YO1 7LA", country_code="GB"),
        ),
        ({"latitude": 41.149, "longitude": -8.607}, Location(cell=cell_of(41.149, -8.607))),
        ({"store_id": "no such store"}, Location(store_id="no such store")),
    ],
)
def test_every_field_of_a_location_counts(
    recommender: Recommender, given: dict[str, object], location: Location
) -> None:
    """Each column of a place resolves as the same field of a call would."""
    customer = recommender.model.customers.index("c000")
    expected = recommender.recommend(
        Query(
            customer=customer,
            place=recommender.place(customer, location),
            size=10,
            now=recommender.model.data_end,
        )
    )

    lists = recommend_all(
        recommender,
        customers_of({"customer_id": "c000"} | given),
        asked(recommender, size=10),
    )

    assert products(lists, "c000") == recommender.model.catalogue.items.ids.take(expected.items)
    assert set(lists.columns) == {*OUTPUT, *given}


def test_needs_are_those_of_the_recommender(recommender: Recommender) -> None:
    """What a batch says of who needs what again is what a call would answer."""
    lists = recommend_all(
        recommender,
        customers_of({"customer_id": "c000", "store_id": "york-1"}, {"customer_id": "stranger"}),
        asked(recommender, size=5),
        surface=Surface.BUY_AGAIN,
    )

    model = recommender.model
    found = recommender.again(
        asked(
            recommender,
            customer=model.customers.index("c000"),
            place=recommender.place(0, Location(store_id="york-1")),
            size=5,
        )
    )
    assert len(found.ranking.items) == 5
    assert set(lists["customer_id"]) == {"c000"}
    assert lists["product_id"].to_list() == model.catalogue.items.ids.take(found.ranking.items)
    due = lists["due_time"].dt.epoch("s").to_numpy()
    np.testing.assert_array_equal(due, found.due_time.round())
    days = lists["usual_interval_days"].to_numpy()
    np.testing.assert_allclose(days, found.interval_seconds / 86_400)
    np.testing.assert_array_equal(lists["usual_quantity"].to_numpy(), found.quantity)
    assert lists.columns[-1] == "store_id"


def test_what_a_shop_does_not_remind_of_is_not_needed_again(recommender: Recommender) -> None:
    """As in a call: where its rules say so, no sensitive product is on such a list."""
    row = customers_of({"customer_id": "c000"})
    rules = Rulebook(sensitive_again=False)

    def needed(recommender: Recommender, book: Rulebook) -> list[str]:
        prepared = PreparedRules.of(book, recommender.assortment)
        return products(
            recommend_all(
                recommender,
                row,
                asked(recommender, size=60),
                surface=Surface.BUY_AGAIN,
                rules=prepared,
            ),
            "c000",
        )

    first, *others = needed(recommender, rules)
    item = recommender.model.catalogue.items.index(first)
    discreet = replace(recommender.model.catalogue.product(item), is_sensitive=True)
    told = recommender.selling(recommender.assortment.with_products([discreet]))
    assert needed(told, Rulebook()) == [first, *others]
    assert needed(told, rules) == others


def test_what_is_new_to_the_model_is_listed_by_its_id(recommender: Recommender) -> None:
    """Where the shop has described a product since, it is on lists as in a call."""
    new = Product(product_id="new", title="Bakery no. 1", category_path="Food > Bakery")
    told = recommender.selling(recommender.assortment.with_products([new]))
    rows = customers_of(*({"customer_id": f"c{n:03}"} for n in range(20)))
    assert "new" in recommend_all(told, rows, asked(recommender, size=100))["product_id"]


def test_unknown_customers_get_the_list_of_their_place(recommender: Recommender) -> None:
    """A stranger gets a full list; one at a store another than one at nobody knows where."""
    rows = customers_of(
        {"customer_id": "stranger"}, {"customer_id": "stranger in Faro", "store_id": "faro-1"}
    )

    lists = recommend_all(recommender, rows, asked(recommender, size=8))

    anywhere, faro = products(lists, "stranger"), products(lists, "stranger in Faro")
    assert len(anywhere) == len(faro) == 8
    assert anywhere != faro
    assert set(lists.filter(customer_id="stranger")["strategy"]) == {"POPULAR"}
    assert recommender.model.customers.index("stranger") == MISSING


def test_every_list_ticks(recommender: Recommender) -> None:
    """Progress is told once a row of the customers file."""
    ticks: list[None] = []
    rows = customers_of({"customer_id": "c000"}, {"customer_id": "x"}, {"customer_id": "c001"})

    recommend_all(recommender, rows, asked(recommender, size=3), tick=lambda: ticks.append(None))

    assert len(ticks) == 3


def test_the_order_of_the_file_is_kept(recommender: Recommender) -> None:
    """Lists come in the order of the rows."""
    rows = customers_of({"customer_id": "c007"}, {"customer_id": "c001"}, {"customer_id": "c003"})

    lists = recommend_all(recommender, rows, asked(recommender, size=2))

    assert lists["customer_id"].to_list() == ["c007", "c007", "c001", "c001", "c003", "c003"]


def test_lists_without_products_keep_their_columns(recommender: Recommender) -> None:
    """When nothing may be sold there are no rows, and the columns have their types still."""
    ended = [{"product_id": f"p{n:02}", "available_to": START} for n in range(60)]
    nothing_left = Recommender(built(shop_interactions(), products=products_of(ended)))
    row = customers_of({"customer_id": "c000"})

    lists = recommend_all(nothing_left, row, asked(nothing_left, size=5))

    needs = recommend_all(nothing_left, row, asked(nothing_left, size=5), surface=Surface.BUY_AGAIN)
    assert (needs.height, needs.schema["due_time"]) == (0, pl.Datetime("us", "UTC"))
    assert lists.height == 0
    assert lists.schema == recommend_all(recommender, row, asked(recommender, size=5)).schema


def test_lists_obey_the_shops_rules(recommender: Recommender) -> None:
    """Those that hold for the place and the segments of each customer, as in a call."""
    rows = customers_of({"customer_id": "c000"}, {"customer_id": "nobody"})
    plain = recommend_all(recommender, rows, asked(recommender, size=5))
    first = products(plain, "nobody")[0]
    rule = Rule(
        rule_id="no",
        effect=Effect.EXCLUDE,
        selection=Selection(product_ids=(first,)),
        conditions=Conditions(segments=frozenset({"anonymous"})),
    )
    rules = PreparedRules.of(Rulebook(rules=(rule,)), recommender.assortment)
    ruled = recommend_all(recommender, rows, asked(recommender, size=5), rules=rules)
    assert first not in products(ruled, "nobody")
    assert products(ruled, "c000") == products(plain, "c000")
