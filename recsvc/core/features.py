"""Features of the learnt ranker: what is known of a candidate, its shopper and the place.

Features come in groups, each a function of a :class:`~recsvc.core.case.Case`; a group is computed
whole or left out whole. Nothing is ever NaN: what is unknown is 0, or :data:`UNKNOWN` where 0 has
a meaning of its own.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsvc.core.baskets import COLUMNS, Baskets, basket_columns
from recsvc.core.case import Case
from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.item_statistics import ItemStatistics
from recsvc.core.model import Model
from recsvc.core.owned import MAX_DAYS, UNKNOWN
from recsvc.core.places import PLACE_LEVELS, Level
from recsvc.core.sparse import top
from recsvc.core.vocabulary import MISSING

Column = NDArray[np.float32]

N_NEAR = 30
"""Own products whose places are looked at: where the shopper usually buys."""
MAX_AGE_DAYS = np.float32(60)
MAX_PURCHASES = np.int32(12)
"""What grows with the length of the data is capped: trees that learn on shorter histories must
not meet values that they have never seen."""
FADED = np.float32(0.1)
SMALLEST_SHARE = np.float32(1e-9)

_SOLD = ("n_here", "n_recent", "surplus_here", "surplus_usual", "expected_usual")

Group = Callable[[Case], Iterable[Column | np.float32]]
"""Gives its columns one after another, or all as the rows of one array; a number is that of all."""

_COMPARING = frozenset({"together"})
"""Groups with ranks among the candidates, which need them all; of the others each stands alone."""


class Features:
    """Computes the columns that the trees read, for one model.

    Args:
        model: what was learnt.
        score_names: names of the sources' scores.
        baskets: what is known of baskets, where the trees read that.
    """

    def __init__(
        self, model: Model, score_names: tuple[str, ...], baskets: Baskets | None = None
    ) -> None:
        levels = [level for level in PLACE_LEVELS if len(model.places.levels[level].keys)]
        has_place = any(source.name == "place" for source in model.sources)
        groups: dict[str, tuple[tuple[str, ...], Group]] = {
            "scores": (score_names, _scores),
            "levels": (tuple(f"{name}_level" for name in score_names), _standardised),
            "own_history": (
                ("n_purchases", "days_since", "shopper_days_since", "n_items", "shopper_long"),
                _own_history,
            ),
            "gaps": (
                ("own_interval", "item_interval", "due", "item_due", "repeat_rate"),
                _Gaps.of(model.statistics),
            ),
            "trend": (("trend", "age_days", "log_buyers"), _trend),
        }
        if has_place and levels:
            names = tuple(f"lift_{level.name.lower()}" for level in levels)
            groups["place"] = ((*names, *_SOLD), _Lifts(tuple(levels)))
            # Of all the data, not of one window: all must have one set of columns.
            if len(model.places.levels[Level.CELL].keys):
                groups["distance"] = (("distance_here", "distance_own"), _distance)
        kinds = [
            kind
            for kind in (model.catalogue.category, model.catalogue.brand)
            if len(kind) and (kind != MISSING).any()
        ]
        if kinds:
            names = tuple(f"{what}_{i}" for i in range(len(kinds)) for what in ("share", "lift"))
            groups["affinity"] = (names, _Affinity.of(model, kinds))
        if len(model.statistics.log_price):
            groups["price"] = (("log_price", "relative_price"), _price)
        if baskets is not None:
            groups["together"] = (COLUMNS, _Together(baskets))
        kept = {name: group for name, group in groups.items() if name not in model.without}
        self._groups = [(group, name in _COMPARING) for name, (_, group) in kept.items()]
        self.model = model
        self.groups: Mapping[str, tuple[str, ...]] = {n: names for n, (names, _) in kept.items()}
        self.names = tuple(name for names in self.groups.values() for name in names)
        """Names of the columns."""

    def of(self, case: Case, kept: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """What is known of the candidates, float32, shape ``(n, n_features)``.

        Args:
            case: all candidates.
            kept: bool, shape ``(n_candidates,)``: those that are asked about, each of which reads
                as it does among all; all of them unless given.
        """
        part = case if kept is None else case.only(kept)
        table = np.empty((len(self.names), len(part.items)), np.float32)
        row = 0
        for group, compares in self._groups:
            columns, is_apart = group(case if compares else part), compares and kept is not None
            if isinstance(columns, np.ndarray):  # all in one go
                table[row : row + len(columns)] = columns
                row += len(columns)
                continue
            for column in columns:
                table[row] = column[kept] if is_apart and isinstance(column, np.ndarray) else column
                row += 1
        return table.T


def _scores(case: Case) -> Column:
    return case.scores.T


def _standardised(case: Case) -> Column:
    return case.standardised.T


def _own_history(case: Case) -> Iterable[Column | np.float32]:
    profile = case.moment.profile
    owned = case.moment.owned(case.items)
    yield np.minimum(owned.n_purchases, MAX_PURCHASES).astype(np.float32)
    yield owned.days_since
    latest = profile.last_time.max() if len(profile.items) else 0
    since = max((case.moment.now - latest) / SECONDS_A_DAY, 0.0) if latest else UNKNOWN
    yield np.float32(min(since, MAX_DAYS))
    yield np.float32(np.count_nonzero(profile.long > FADED))
    yield profile.long.sum()


@dataclass(frozen=True, slots=True)
class _Gaps:
    """The usual days between purchases, and how much of them has passed.

    Attributes:
        interval_days: of each product, relative to the mean product: a longer history sees
            longer intervals and more repeats of everything.
        repeat_rate: likewise.
    """

    interval_days: Column
    repeat_rate: Column

    @classmethod
    def of(cls, statistics: ItemStatistics) -> "_Gaps":
        """Find the means once."""
        known = statistics.interval_days > 0
        interval = statistics.interval_days[known].mean() if known.any() else np.float32(1)
        rate = max(float(statistics.repeat_rate.mean()), 1e-6)
        return cls(statistics.interval_days / interval, statistics.repeat_rate / np.float32(rate))

    def __call__(self, case: Case) -> Iterable[Column]:
        owned = case.moment.owned(case.items)
        first, n_purchases = owned.read(case.moment.profile.first_time), owned.n_purchases
        own = (owned.last_time - first) / SECONDS_A_DAY / np.maximum(n_purchases - 1, 1)
        again = n_purchases > 1
        usual = case.model.statistics.interval_days[case.items]
        days = owned.days_since
        bought = days >= 0
        yield np.where(again, np.minimum(own, MAX_DAYS), UNKNOWN)
        yield self.interval_days[case.items]
        # One day is the finest that purchases tell.
        yield np.where(again & bought, days / np.maximum(own, 1), UNKNOWN)
        yield np.where(bought & (usual > 0), days / np.maximum(usual, 1), UNKNOWN)
        yield self.repeat_rate[case.items]


def _trend(case: Case) -> Iterable[Column]:
    statistics = case.model.statistics
    yield statistics.trend[case.items]
    yield np.minimum(statistics.age_days[case.items], MAX_AGE_DAYS)
    yield statistics.log_buyers[case.items] - np.float32(np.log1p(len(case.model.customers)))


@dataclass(frozen=True, slots=True)
class _Lifts:
    """How much more is bought at each level of the place than everywhere."""

    levels: tuple[Level, ...]

    def __call__(self, case: Case) -> Iterable[Column]:
        places, place = case.model.places, case.moment.place
        sales_at = case.moment.sales(places)
        everywhere = places.shares[case.items]
        finest: tuple[Column, ...] | None = None
        for level in self.levels:
            index = place.indices[level]
            if index == MISSING:
                yield np.zeros(len(case.items), np.float32)
                continue
            statistics = places.levels[level]
            sales = sales_at(level, index, case.items)
            counts = sales.counts
            if finest is None:
                expected = statistics.sizes[index] * places.usual_shares[case.items]
                finest = (
                    counts,
                    sales.n_recent,
                    _surplus(sales.n_purchases, expected),
                )
            shrinkage = np.float32(places.shrinkage)
            share = (counts + shrinkage * everywhere) / (statistics.totals[index] + shrinkage)
            yield np.log(share / everywhere)
        yield from finest or (np.zeros(len(case.items), np.float32),) * 3
        customer = case.moment.customer
        sold, expected = case.model.visits.sold(customer, places, case.items, sales_at)
        yield _surplus(sold, expected)
        yield np.log1p(expected)


def _surplus(sold: Column, expected: Column) -> Column:
    """Logarithm of the ratio, with half a purchase added to both: less says little."""
    return np.asarray(np.log((sold + np.float32(0.5)) / (expected + np.float32(0.5))), np.float32)


def _distance(case: Case) -> Iterable[Column]:
    """Angles, in thousands of a radian (6.4 km), from here and from the nearest own product."""
    position = case.model.statistics.position
    theirs = position[case.items]
    known = theirs.any(axis=1)
    here = case.model.places.position(case.moment.place)
    yield (
        np.where(known, _angle(theirs, here[None]), UNKNOWN)
        if here.any()
        else np.full(len(theirs), UNKNOWN)
    )
    profile = case.moment.profile
    own = position[profile.items[top(profile.weight, N_NEAR)]]
    own = own[own.any(axis=1)]
    # Its own place says nothing of a product that was bought before.
    yield (
        np.where(known, _angle(theirs, own), UNKNOWN) if len(own) else np.full(len(theirs), UNKNOWN)
    )


def _angle(theirs: Column, ours: Column) -> Column:
    """Of each of some directions the angle to the nearest of ours, thousands of a radian.

    By what lies between them: a cosine near 1 tells nothing below 2 km apart in single precision.

    Args:
        theirs: float32, shape ``(n, 3)``, of length 1.
        ours: float32, shape ``(m, 3)``, likewise.
    """
    apart = np.square(theirs[:, None] - ours).sum(axis=2).min(axis=1)
    half = np.minimum(np.sqrt(apart) / 2, np.float32(1))
    return np.asarray(2_000 * np.arcsin(half), np.float32)


@dataclass(frozen=True, slots=True)
class _Together:
    """How a candidate goes with the basket."""

    baskets: Baskets

    def __call__(self, case: Case) -> Iterable[Column]:
        return basket_columns(self.baskets, case.moment.basket, case.items)


@dataclass(frozen=True, slots=True)
class _Affinity:
    """What share of the shopper's purchases is of the candidate's kind.

    Attributes:
        kinds: for each way of sorting products the kind of each, MISSING unknown.
        shares: for each way each kind's share in all purchases.
    """

    kinds: tuple[NDArray[np.int32], ...]
    shares: tuple[Column, ...]

    @classmethod
    def of(cls, model: Model, kinds: Iterable[NDArray[np.int32]]) -> "_Affinity":
        """Count the shares once."""
        kinds = tuple(kinds)
        bought = (_of_kinds(kind, model.places.shares, int(kind.max()) + 2) for kind in kinds)
        return cls(kinds, tuple(share + SMALLEST_SHARE for share in bought))

    def __call__(self, case: Case) -> Iterable[Column]:
        profile = case.moment.profile
        total = np.float32(max(float(profile.long.sum()), 1e-6))
        for kind, everywhere in zip(self.kinds, self.shares, strict=True):
            theirs = kind[case.items]
            own = _of_kinds(kind[profile.items], profile.long, len(everywhere)) / total
            share = own[theirs]
            yield share
            # A shopper of a few purchases is taken for a bit like everybody.
            expected = everywhere[theirs]
            prior = np.float32(3.0)
            yield np.log((share * total + prior * expected) / ((total + prior) * expected))


def _of_kinds(kinds: NDArray[np.int32], weights: Column, n_kinds: int) -> Column:
    """float32, shape ``(n_kinds,)``: sums by kind; the unknown one's last, where -1 finds it."""
    sums = np.bincount(kinds + 1, weights, n_kinds)
    return np.concatenate([sums[1:], sums[:1]]).astype(np.float32)


def _price(case: Case) -> Iterable[Column]:
    log_price = case.model.statistics.log_price
    profile = case.moment.profile
    theirs, own = log_price[case.items], log_price[profile.items]
    unknown, known = np.isnan(theirs), ~np.isnan(own)
    total = float(profile.long[known].sum())
    theirs[unknown] = 0
    yield theirs
    if total > 0:
        usual = np.float32(float(own[known] @ profile.long[known]) / total)
        relative = theirs - usual
        relative[unknown] = 0
        yield relative
    else:
        yield np.zeros(len(theirs), np.float32)
