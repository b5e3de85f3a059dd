"""A small shop with real structure, made from a seed: what the trainer is tested on.

150 customers with habits buy 60 products in six stores of two countries over 240 days. A
customer has a home store, two favourite categories and staples that are due again every so
often; a store sells what its country sells, a few products apart. So there is something to
find for every source: repeats, likeness, place and popularity.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import polars as pl
from threadpoolctl import threadpool_limits

from recsvc.core.model import Model
from training.build import build_whole
from training.interactions import Interactions
from training.models.als import AlsSettings
from training.models.boosting import BoostingSettings
from training.schema import EVENTS, PRODUCTS
from training.schema import STORES as STORE_COLUMNS
from training.settings import TrainingSettings
from training.sources import suitable

START = datetime(2024, 1, 8, 9, tzinfo=UTC)
N_DAYS = 240
N_CUSTOMERS = 150
CATEGORIES = ("Bakery", "Coffee", "Dairy", "Fruit", "Household", "Spices")
PRODUCTS_A_CATEGORY = 10

SMALL = TrainingSettings(
    als=AlsSettings(n_factors=8, iterations=3),
    boosting=BoostingSettings(n_rounds=10, n_leaves=7, min_data_in_leaf=10, n_threads=1),
    fusion_customers=60,
    n_neighbours=20,
    n_vectors=8,
    n_like_customers=20,
    n_candidates=30,
    surface_questions=60,
)
"""Settings for tests: as quick as a model of so few products allows."""

READ_EVENTS = {
    column.name: column.kind.dtype for column in EVENTS.columns if column.name != "event_id"
}
"""The columns that ``read_events`` returns, and their types."""


class Store(NamedTuple):
    """One store; the fields are the columns of a stores file."""

    store_id: str
    name: str
    country_code: str
    subdivision_code: str
    postal_code: str
    latitude: float | None
    longitude: float | None


STORES = (
    Store("leeds-1", "Leeds Station", "GB", "GB-ENG", "LS1 4DY", 53.795, -1.547),
    Store("leeds-2", "Leeds Market", "GB", "GB-ENG", "LS2 7HY", 53.797, -1.540),
    Store("york-1", "York Shambles", "GB", "GB-ENG", "YO1 7LA", 53.959, -1.081),
    Store("perth-1", "Perth High Street", "GB", "GB-SCT", "PH1 5TJ", 56.396, -3.437),
    Store("porto-1", "Porto Bolhão", "PT", "PT-13", "4000-114", 41.149, -8.607),
    # Nobody knows where exactly this one is.
    Store("faro-1", "", "PT", "PT-08", "", None, None),
)


class ShopFiles(NamedTuple):
    """The files of a shop."""

    events: Path
    products: Path
    stores: Path


def write_shop(folder: Path, seed: int = 7) -> ShopFiles:
    """Write the events (Parquet), products and stores (CSV) of the shop into ``folder``."""
    files = ShopFiles(folder / "events.parquet", folder / "products.csv", folder / "stores.csv")
    shop_events(seed).write_parquet(files.events)
    shop_products().write_csv(files.products)
    shop_stores().write_csv(files.stores)
    return files


@cache
def shop_events(seed: int = 7) -> pl.DataFrame:
    """All purchases and a few returns, as a shop would export them, in no order."""
    random = Random(seed)
    rows = [
        row
        for number in range(N_CUSTOMERS)
        for row in _shopping(f"c{number:03}", STORES[number % len(STORES)], random)
    ]
    random.shuffle(rows)
    names = ("customer_id", "product_id", "event_time", "quantity", "order_id", "store_id")
    return pl.DataFrame(rows, schema=names, orient="row")


def shop_products() -> pl.DataFrame:
    """Every product with a title, a category, a brand and a price."""
    return pl.DataFrame(
        {
            "product_id": [_product(number) for number in range(_N_PRODUCTS)],
            "title": [f"{_category(n)} no. {n}" for n in range(_N_PRODUCTS)],
            "category_path": [f"Food > {_category(n)}" for n in range(_N_PRODUCTS)],
            "brand": [f"Brand {n % 4}" for n in range(_N_PRODUCTS)],
            "price": [1.0 + n / 10 for n in range(_N_PRODUCTS)],
            "currency": ["GBP"] * _N_PRODUCTS,
        }
    )


def shop_stores() -> pl.DataFrame:
    """:data:`STORES` as a table."""
    return pl.DataFrame(STORES, schema=Store._fields, orient="row")


def assortment(store_id: str) -> list[str]:
    """What a store sells: of every category six products of all countries, two of its own."""
    position = [store.store_id for store in STORES].index(store_id)
    is_british = STORES[position].country_code == "GB"
    of_the_country = (6, 7) if is_british else (8, 9)
    return [
        _product(number)
        for number in range(_N_PRODUCTS)
        if (rank := number % PRODUCTS_A_CATEGORY) < 6 or rank in of_the_country
        # Each store does without some of its own.
        if (number + position) % 9
    ]


def events_of(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Events as ``read_events`` returns them, of rows that name only what matters.

    ``day`` stands for the event's time, in days since :data:`START`; a row is a purchase of
    one piece unless it says otherwise.
    """
    full = [
        {"event_type": "PURCHASE", "quantity": 1.0}
        | {name: value for name, value in row.items() if name != "day"}
        | ({"event_time": START + timedelta(days=float(str(row["day"])))} if "day" in row else {})
        for row in rows
    ]
    return pl.DataFrame(full, schema=READ_EVENTS)


def stores_of(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Stores as ``read_stores`` returns them."""
    columns = {column.name: column.kind.dtype for column in STORE_COLUMNS.columns}
    return pl.DataFrame(list(rows), schema=columns)


def products_of(rows: Sequence[Mapping[str, object]]) -> pl.DataFrame:
    """Products as ``read_products`` returns them."""
    columns = {column.name: column.kind.dtype for column in PRODUCTS.columns}
    return pl.DataFrame(list(rows), schema=columns | {"attributes": pl.String})


def interactions_of(
    *rows: Mapping[str, object], stores: pl.DataFrame | None = None
) -> Interactions:
    """The purchases among :func:`events_of` ``rows``, encoded."""
    return Interactions.from_events(events_of(rows), stores)


def shop_interactions(seed: int = 7) -> Interactions:
    """The purchases of the shop, encoded; its returns are left out."""
    events = shop_events(seed).filter(pl.col("quantity") > 0).to_dicts()
    return Interactions.from_events(events_of(events), stores_of(shop_stores().to_dicts()))


def built(
    interactions: Interactions,
    settings: TrainingSettings = SMALL,
    products: pl.DataFrame | None = None,
) -> Model:
    """A model of ``interactions`` with the sources that suit them and the starting weights."""
    with threadpool_limits(1, "blas"):
        return build_whole(interactions, products, suitable(interactions, settings), settings)


class Lines:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[], None]]:  # noqa: ARG002  # the protocol's
        self.said.append(name)
        yield lambda: None

    def log(self, message: str) -> None:
        self.said.append(message)


_N_PRODUCTS = len(CATEGORIES) * PRODUCTS_A_CATEGORY


def _product(number: int) -> str:
    return f"p{number:02}"


def _category(number: int) -> str:
    return CATEGORIES[number // PRODUCTS_A_CATEGORY]


def _shopping(
    customer_id: str, home: Store, random: Random
) -> list[tuple[str, str, datetime, float, str, str]]:
    """All lines of one customer."""
    favourites = random.sample(CATEGORIES, 2)
    sold = {store.store_id: assortment(store.store_id) for store in STORES}
    liked = [
        product for product in sold[home.store_id] if _category(int(product[1:])) in favourites
    ]
    interval_days = {product: random.randint(6, 30) for product in random.sample(liked, 4)}
    due_day = {product: random.randint(0, days) for product, days in interval_days.items()}
    neighbours = [s for s in STORES if s.country_code == home.country_code and s != home]
    lines = []
    day = random.randint(0, 9)
    while day < N_DAYS:
        store = home if random.random() < 0.85 else random.choice(neighbours)
        here = [p for p in sold[store.store_id] if _category(int(p[1:])) in favourites]
        basket = [p for p, due in due_day.items() if due <= day and p in sold[store.store_id]]
        for product in basket:
            due_day[product] = day + interval_days[product] + random.randint(-2, 2)
        # Something else that is to their taste, and rarely something that is not.
        basket += [random.choice(here if random.random() < 0.8 else sold[store.store_id])]
        moment = START + timedelta(days=day, minutes=random.randint(0, 600))
        order_id = f"{customer_id}-{day}"
        lines += [
            (customer_id, product, moment, float(random.choice((1, 1, 2, 3))), order_id,
             store.store_id)
            for product in dict.fromkeys(basket)
        ]  # fmt: skip
        if random.random() < 0.02:
            _, product, _, quantity, _, _ = lines[-1]
            back = moment + timedelta(hours=2)
            lines.append((customer_id, product, back, -quantity, order_id, store.store_id))
        day += random.randint(5, 14)
    return lines
