"""A question in the terms of one model: indices instead of ids, and what to warn of."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from recsvc.core.catalogue import CatalogueFilter, canonical_path
from recsvc.core.catalogue_index import Prices
from recsvc.core.diversity import Diversity
from recsvc.core.places import PLACE_LEVELS, Level, Location, Place
from recsvc.core.query import STALE_SECONDS, Query
from recsvc.core.vocabulary import MISSING, Vocabulary
from recsvc.errors import InvalidRequestError
from recsvc.identity import partition_of
from recsvc.service.live_acts import acts_of, live_home
from recsvc.service.models import LoadedModel
from recsvc.service.questions import Question
from recsvc.service.shopping import NO_DEEDS, LiveProfile

PRICE_CURRENCY = "PRICE_CURRENCY"
UNKNOWN_CUSTOMER = "UNKNOWN_CUSTOMER"
ONLY_RESTING = "ONLY_RESTING"
"""All of the list was just bought, or is in the basket: nothing else may be on it."""


@dataclass(frozen=True, slots=True)
class Situation:
    """A question that one model can answer.

    Attributes:
        query: the question in indices.
        warnings: what the caller should know, in capitals.
        store_id: the store that it is about, ``""`` none.
        location: where, with all that is known of it.
        rules_version_id: of the shop's rules that are in force, ``""`` none.
        live: what the shopper did of late.
        time: when it was found, unix seconds.
    """

    query: Query
    warnings: tuple[str, ...]
    store_id: str = ""
    location: Location = field(default_factory=Location)
    rules_version_id: str = ""
    live: LiveProfile = NO_DEEDS
    time: float = 0.0


class Asker(NamedTuple):
    """Who asks, as far as the answer may depend on it.

    Attributes:
        customer_id: whom a model may be asked about; ``""`` for a visitor, and for who has not
            consented to be known.
        shopper: hash that stands for the shopper; ``""`` where no history may be read.
        live: what the shopper did of late.
        warnings: what the caller should know of it.
    """

    customer_id: str = ""
    shopper: str = ""
    live: LiveProfile = NO_DEEDS
    warnings: tuple[str, ...] = ()

    def index_in(self, customers: Vocabulary) -> int:
        """The index of the customer; MISSING of who is not known, or may not be asked about."""
        return customers.index(self.customer_id) if self.customer_id else MISSING

    def warned(self, warning: str) -> "Asker":
        """The same with another warning."""
        return self._replace(warnings=(*self.warnings, warning))


def situate(
    question: Question,
    loaded: LoadedModel,
    now: float,
    asker: Asker,
) -> Situation:
    """Put a question into the terms of a model.

    Args:
        question: what is asked.
        loaded: the model that will answer.
        now: unix seconds.
        asker: who asks.

    Raises:
        InvalidRequestError: a strict filter names what the catalogue does not know
            (FILTER_UNSUPPORTED).
    """
    model = loaded.model
    customer = asker.index_in(model.customers)
    if question.customer_id and asker.shopper and customer == MISSING and not asker.live.deeds:
        asker = asker.warned(UNKNOWN_CUSTOMER)
    # Data without times has no end, and so cannot have ended long ago.
    is_dated = question.as_of_time is None and model.data_end > 0
    is_stale = is_dated and now - model.data_end > STALE_SECONDS
    # Recency is measured at one moment: the one given, else now, else where the data ended.
    moment = model.data_end if is_stale else now
    latest = moment
    if question.as_of_time is not None:
        moment, latest = question.as_of_time, math.inf
    location = question.location
    if not location:
        location = asker.live.home
    if not location and asker.live.deeds:
        until = now if question.as_of_time is None else question.as_of_time
        home = loaded.recommender.place(customer, location)
        is_known = home.level is not Level.EVERYWHERE
        location = live_home(asker.live, until, is_known=is_known) or location
    location = loaded.located(location)
    place = loaded.recommender.place(customer, location)
    warnings = dict.fromkeys(_filter_warnings(question, loaded))  # a set that keeps the order
    warnings |= dict.fromkeys(asker.warnings)
    is_described = question.location.store_id.strip() in loaded.shops
    if _is_unknown(question.location, place) and not is_described:
        warnings["UNKNOWN_LOCATION"] = None
    if is_stale:
        warnings["STALE_DATA"] = None
    items = loaded.assortment.catalogue.items
    learnt = None if customer == MISSING else loaded.learnt
    query = Query(
        customer=customer,
        place=place,
        size=question.size,
        now=moment,
        # What may be sold is a matter of today, however old the data is.
        sold_at=now if question.as_of_time is None else question.as_of_time,
        acts=acts_of(asker.live, items, learnt, partition_of(asker.shopper), latest),
        stage=question.stage,
        only_new=bool(question.only_new),
        catalogue_filter=question.catalogue_filter or None,
        excluded=items.indices(question.excluded),
        diversity=question.diversity or Diversity.NONE,
        basket=items.indices(question.basket),
        session=items.indices(question.recent),
    )
    store_id = store_of(loaded, location, customer)
    here = location.completed(model.places.describe(place))
    return Situation(query, tuple(warnings), store_id, here, live=asker.live, time=now)


def store_of(loaded: LoadedModel, location: Location, customer: int) -> str:
    """The store that is meant, known to the model or not; ``""`` where there is none.

    The one that is given, else that of the customer's home, unless the place that is given is
    another than that.
    """
    if location.store_id.strip() or customer == MISSING:
        return location.store_id.strip()
    home = loaded.recommender.place(customer, Location())
    place = loaded.recommender.place(customer, location)
    given = (level for level, key in zip(PLACE_LEVELS, location.keys(), strict=True) if key)
    is_elsewhere = any(
        home.indices[level] not in (MISSING, place.indices[level]) for level in given
    )
    return "" if is_elsewhere else loaded.model.places.describe(home).store_id


def _is_unknown(location: Location, place: Place) -> bool:
    """Whether the finest place that the caller named has no evidence."""
    given = [level for level, key in zip(PLACE_LEVELS, location.keys(), strict=True) if key]
    return bool(given) and place.indices[given[0]] == MISSING


def _filter_warnings(question: Question, loaded: LoadedModel) -> Iterator[str]:
    wanted = question.catalogue_filter
    for path in wanted.category_paths:
        if canonical_path(path) not in loaded.assortment.index.categories:
            _refuse_if_strict(question, "filter.category_paths", path)
            yield "UNKNOWN_CATEGORY"
    for brand in wanted.brands:
        if brand.strip().casefold() not in loaded.assortment.index.brands:
            _refuse_if_strict(question, "filter.brands", brand)
            yield "UNKNOWN_BRAND"
    for name in wanted.attributes:
        if name not in loaded.assortment.catalogue.attributes.names:
            _refuse_if_strict(question, "filter.attributes_any", name)
            yield "UNKNOWN_ATTRIBUTE"


def _refuse_if_strict(question: Question, field: str, value: str) -> None:
    if question.strict:
        raise InvalidRequestError(
            field,
            f"{value[:80]!r} is not in the catalogue; leave it out, or ask without strict",
            reason="FILTER_UNSUPPORTED",
        )


def lacks_prices(prices: Prices, wanted: CatalogueFilter) -> bool:
    """Whether a product is left out because it has no price in the currency."""
    if not wanted.has_price:
        return False
    currency = prices.currencies.index(wanted.currency)
    priced = (prices.currency == currency) & ~np.isnan(prices.price)
    return currency == MISSING or not priced.all()
