"""Counts a model from a handful of purchases, plainly enough to be checked by hand.

One half-life serves all that decays; what has a shorter memory decays by its square.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise, product
from statistics import median_low
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from recsvc.core.attributes import Attributes
from recsvc.core.catalogue import ALWAYS_FROM, ALWAYS_TO, Catalogue
from recsvc.core.cells import position_of
from recsvc.core.factors import Factors
from recsvc.core.histories import HalfLives, Histories
from recsvc.core.item_statistics import ItemStatistics
from recsvc.core.level_statistics import LevelStatistics
from recsvc.core.model import Model
from recsvc.core.places import PLACE_LEVELS, Level, Places
from recsvc.core.sources import (
    Collaborative,
    ItemToItem,
    LikeCustomers,
    Memory,
    OwnPurchases,
    Popularity,
    PopularityByPlace,
)
from recsvc.core.sparse import SparseRows
from recsvc.core.visits import Visits
from recsvc.core.vocabulary import MISSING, StringTable, Vocabulary

DATA_END_TIME = datetime(2026, 3, 31, 12, tzinfo=UTC)
DATA_END = DATA_END_TIME.timestamp()
DAY = 86_400
HALF_LIFE_DAYS = 30.0
RECENT_DAYS = 28.0
REGULARIZATION = 0.1
ALPHA = 4.0
SHRINKAGE = 5.0
UNSEEN = 0.01
N_LIKE_CUSTOMERS = 2
OWN_SHARE = 0.5


class Item(NamedTuple):
    """One product; its factors stand for coffee and tea, breakfast, home and winter."""

    product_id: str
    title: str
    category_path: str
    brand: str
    price: float | None
    factors: tuple[float, float, float, float]
    available_from: int = ALWAYS_FROM
    available_to: int = ALWAYS_TO
    attributes: Mapping[str, tuple[str, ...]] = MappingProxyType({})


class Shop(NamedTuple):
    """One store; the keys are those of :meth:`Location.keys`, ``""`` where it has none."""

    store_id: str
    name: str
    postal_code: str
    cell: str
    subdivision_code: str
    country_code: str


class Purchase(NamedTuple):
    """One line of one order; ``store_id`` is ``""`` where nobody knows the place."""

    customer_id: str
    product_id: str
    store_id: str
    days_ago: float
    quantity: float = 1


class Shopping(NamedTuple):
    """What a model is counted from.

    Attributes:
        products: at least one.
        stores: every store of a purchase is one of these.
        purchases: in any order.
        similarity: pairs of products and how like they are, both ways.
    """

    products: Sequence[Item]
    stores: Sequence[Shop]
    purchases: Sequence[Purchase]
    similarity: Sequence[tuple[str, str, float]]


def model_of(data: Shopping) -> Model:
    """Count a model from ``data``; it has no rankers."""
    items = Vocabulary.from_ids([product.product_id for product in data.products])
    customers = Vocabulary.from_ids(list(dict.fromkeys(p.customer_id for p in data.purchases)))
    places = _places(data, items)
    histories = _histories(data, customers, items, places)
    return Model(
        customers=customers,
        histories=histories,
        catalogue=_catalogue(data.products, items),
        statistics=_statistics(data, items),
        places=places,
        visits=_visits(data.purchases, customers, places),
        sources=(
            OwnPurchases(),
            Collaborative(_factors(data.products)),
            ItemToItem("neighbours", _similarity(data.similarity, items), Memory.WEIGHT),
            ItemToItem("transitions", _transitions(data.purchases, items), Memory.SHORT),
            _like_customers(histories, len(items)),
            PopularityByPlace(places),
            _popularity(data.purchases, items),
        ),
        rankers={},
        data_end=DATA_END,
        half_lives=HalfLives(HALF_LIFE_DAYS, HALF_LIFE_DAYS),
        recent_days=RECENT_DAYS,
        n_candidates=4,
    )


def decay(days_ago: float) -> float:
    """What a purchase counts that is so old."""
    return float(2 ** (-days_ago / HALF_LIFE_DAYS))


def _histories(
    data: Shopping, customers: Vocabulary, items: Vocabulary, places: Places
) -> Histories:
    rows: dict[tuple[int, int], list[Purchase]] = {}
    for purchase in data.purchases:
        key = customers.index(purchase.customer_id), items.index(purchase.product_id)
        rows.setdefault(key, []).append(purchase)
    keys = sorted(rows)
    short = [sum(decay(p.days_ago) ** 2 for p in rows[key]) for key in keys]
    long = [sum(decay(p.days_ago) for p in rows[key]) for key in keys]
    weight = [sum(p.quantity * decay(p.days_ago) for p in rows[key]) for key in keys]
    first = [DATA_END - DAY * max(p.days_ago for p in rows[key]) for key in keys]
    last = [DATA_END - DAY * min(p.days_ago for p in rows[key]) for key in keys]
    owners = np.array([customer for customer, _ in keys], np.int64)
    per_customer = np.bincount(owners, minlength=len(customers))
    return Histories(
        np.concatenate([[0], np.cumsum(per_customer)]).astype(np.int64),
        np.array([item for _, item in keys], np.int32),
        np.array(short, np.float32),
        np.array(long, np.float32),
        np.array(weight, np.float32),
        np.array([len(rows[key]) for key in keys], np.int32),
        np.array(first, np.int64),
        np.array(last, np.int64),
        np.array([median_low([p.quantity for p in rows[key]]) for key in keys], np.float32),
        _homes(data.purchases, customers, places),
    )


def _homes(
    purchases: Sequence[Purchase], customers: Vocabulary, places: Places
) -> NDArray[np.int32]:
    """Where each customer bought first in the list, at every level."""
    homes = np.full((len(customers), len(PLACE_LEVELS)), MISSING, np.int32)
    for purchase in reversed(purchases):
        store = places.levels[Level.STORE].keys.index(purchase.store_id)
        home = MISSING if store == MISSING else places.store_parents[store]
        homes[customers.index(purchase.customer_id)] = home
    return homes


def _visits(purchases: Sequence[Purchase], customers: Vocabulary, places: Places) -> Visits:
    """Each store's share of a customer's purchases with a place, decayed."""
    stores = places.levels[Level.STORE].keys
    dense = np.zeros((len(customers), len(stores)), np.float32)
    for p in purchases:
        if p.store_id:
            dense[customers.index(p.customer_id), stores.index(p.store_id)] += decay(p.days_ago)
    totals = dense.sum(axis=1, keepdims=True)
    return Visits(
        Level.STORE, SparseRows.from_csr(csr_array(dense / np.where(totals > 0, totals, 1)))
    )


def _catalogue(products: Sequence[Item], items: Vocabulary) -> Catalogue:
    def names(values: list[str]) -> tuple[Vocabulary, NDArray[np.int32]]:
        distinct = Vocabulary.from_ids(sorted(set(values) - {""}))
        return distinct, np.array([distinct.index(value) for value in values], np.int32)

    categories, category = names([p.category_path for p in products])
    brands, brand = names([p.brand for p in products])
    currencies, currency = names(["GBP" if p.price is not None else "" for p in products])
    return Catalogue(
        items,
        StringTable.from_strings(p.title for p in products),
        categories,
        brands,
        currencies,
        category,
        brand,
        currency,
        np.array([np.nan if p.price is None else p.price for p in products], np.float64),
        np.array([p.available_from for p in products], np.int64),
        np.array([p.available_to for p in products], np.int64),
        Attributes.of([p.attributes for p in products]),
        Vocabulary.from_ids([]),
        np.full(len(products), MISSING, np.int32),
        np.zeros(len(products), np.bool_),
    )


def _places(data: Shopping, items: Vocabulary) -> Places:
    # The fields of a shop, its name left out, are its keys in the order of the levels.
    keys = {shop.store_id: (shop.store_id, *shop[2:]) for shop in data.stores}
    levels = tuple(_level(data.purchases, level, keys, items) for level in PLACE_LEVELS)
    parents = [
        [levels[level].keys.index(keys[shop.store_id][level]) for level in PLACE_LEVELS]
        for shop in data.stores
    ]
    bought = _bought(data.purchases, items)
    decayed = np.bincount(bought, [decay(p.days_ago) for p in data.purchases], len(items)) + UNSEEN
    recent = [p.days_ago <= RECENT_DAYS for p in data.purchases]
    return Places(
        levels,
        np.array(parents, np.int32).reshape(-1, len(PLACE_LEVELS)),
        StringTable.from_strings(shop.name for shop in data.stores),
        (decayed / decayed.sum()).astype(np.float32),
        np.bincount(bought, minlength=len(items)).astype(np.float32),
        np.bincount(bought, recent, len(items)).astype(np.float32),
        SHRINKAGE,
    )


def _level(
    purchases: Sequence[Purchase],
    level: Level,
    keys: Mapping[str, tuple[str, ...]],
    items: Vocabulary,
) -> LevelStatistics:
    names = Vocabulary.from_ids(list(dict.fromkeys(k[level] for k in keys.values() if k[level])))
    here = [p for p in purchases if p.store_id and keys[p.store_id][level]]
    rows = np.array([names.index(keys[p.store_id][level]) for p in here], np.int64)
    pairs = (rows, _bought(here, items))

    def summed(values: list[float]) -> SparseRows:
        return SparseRows.from_csr(csr_array((values, pairs), (len(names), len(items))))

    decayed = [decay(p.days_ago) for p in here]
    return LevelStatistics(
        names,
        summed(decayed),
        summed([1.0 for _ in here]).values,
        summed([float(p.days_ago <= RECENT_DAYS) for p in here]).values,
        np.bincount(rows, decayed, len(names)).astype(np.float32),
    )


def _popularity(purchases: Sequence[Purchase], items: Vocabulary) -> Popularity:
    bought = _bought(purchases, items)
    decayed = np.array([decay(p.days_ago) for p in purchases])

    def shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        counts = np.bincount(bought, weights, len(items)) + UNSEEN
        return np.asarray(counts / counts.sum(), np.float64)

    oldest: dict[tuple[str, str], float] = {}
    for p in purchases:
        pair = p.customer_id, p.product_id
        oldest[pair] = max(oldest.get(pair, 0), p.days_ago)
    first = np.array([p.days_ago == oldest[p.customer_id, p.product_id] for p in purchases])
    short = shares(decayed**2)
    order = np.argsort(-short, kind="stable")
    return Popularity(
        np.log(short).astype(np.float32),
        np.log(shares(decayed)).astype(np.float32),
        np.log(shares(decayed**2 * first)).astype(np.float32),
        order.astype(np.int32),
    )


def _statistics(data: Shopping, items: Vocabulary) -> ItemStatistics:
    """Counted plainly: nothing is shrunk."""
    n_items = len(items)
    days: dict[tuple[str, str], list[float]] = {}
    for purchase in data.purchases:
        days.setdefault((purchase.product_id, purchase.customer_id), []).append(purchase.days_ago)
    buyers, again, gaps, oldest = (np.zeros(n_items) for _ in range(4))
    for (product_id, _), ago in days.items():
        item = items.index(product_id)
        buyers[item] += 1
        oldest[item] = max(oldest[item], *ago)
        if len(ago) > 1:
            again[item] += 1
            gaps[item] += (max(ago) - min(ago)) / (len(ago) - 1)
    popularity = _popularity(data.purchases, items)
    prices = np.array([p.price or np.nan for p in data.products])
    return ItemStatistics(
        np.log1p(buyers).astype(np.float32),
        popularity.log_shares - popularity.log_shares_long,
        oldest.astype(np.float32),
        (again / np.maximum(buyers, 1)).astype(np.float32),
        (gaps / np.maximum(again, 1)).astype(np.float32),
        np.log(prices).astype(np.float32) if (prices > 0).any() else np.zeros(0, np.float32),
        _positions(data, items),
    )


def _positions(data: Shopping, items: Vocabulary) -> NDArray[np.float32]:
    """The middle of the cells where each product was bought."""
    cells = {shop.store_id: shop.cell for shop in data.stores if shop.cell}
    positions = np.zeros((len(items), 3), np.float32)
    for purchase in data.purchases:
        if purchase.store_id in cells:
            positions[items.index(purchase.product_id)] += position_of(cells[purchase.store_id])
    lengths = np.linalg.norm(positions, axis=1, keepdims=True)
    return np.asarray(positions / np.where(lengths > 0, lengths, 1), np.float32)


def _factors(products: Sequence[Item]) -> Factors:
    factors = np.asfortranarray([p.factors for p in products], np.float32)
    return Factors(factors, factors.T @ factors, ALPHA, REGULARIZATION)


def _transitions(purchases: Sequence[Purchase], items: Vocabulary) -> SparseRows:
    """What was bought on the next day of shopping, decayed; a product does not follow itself."""
    days: dict[str, dict[float, list[int]]] = {}
    for p in purchases:
        of_customer = days.setdefault(p.customer_id, {})
        of_customer.setdefault(p.days_ago, []).append(items.index(p.product_id))
    dense = np.zeros((len(items), len(items)), np.float32)
    for of_customer in days.values():
        for later, earlier in pairwise(sorted(of_customer)):
            for i, j in product(of_customer[earlier], of_customer[later]):
                dense[i, j] += decay(later) if i != j else 0
    return SparseRows.from_csr(csr_array(dense))


def _like_customers(histories: Histories, n_items: int) -> LikeCustomers:
    baskets = np.zeros((len(histories), n_items), np.float32)
    for customer, basket in enumerate(baskets):
        profile = histories.profile(customer)
        basket[profile.items] = profile.long / np.linalg.norm(profile.long)
    return LikeCustomers(
        SparseRows.from_csr(csr_array(baskets)),
        SparseRows.from_csr(csr_array(baskets.T.copy())),
        Memory.LONG,
        N_LIKE_CUSTOMERS,
        OWN_SHARE,
    )


def _similarity(similarity: Sequence[tuple[str, str, float]], items: Vocabulary) -> SparseRows:
    dense = np.zeros((len(items), len(items)), np.float32)
    for one, other, value in similarity:
        i, j = items.index(one), items.index(other)
        dense[i, j] = dense[j, i] = value
    return SparseRows.from_csr(csr_array(dense))


def _bought(purchases: Sequence[Purchase], items: Vocabulary) -> NDArray[np.int64]:
    """Item index of every purchase."""
    return np.array([items.index(p.product_id) for p in purchases], np.int64)
