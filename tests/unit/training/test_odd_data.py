"""Every model is fitted on data of any shape: thin, flat, old, without times or empty."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tests.purchases import SMALL, interactions_of, shop_interactions
from training.interactions import Interactions
from training.models.ease import fit_ease
from training.models.histories import fit_histories
from training.models.item_neighbours import fit_neighbours
from training.models.item_statistics import fit_item_statistics
from training.models.like_customers import fit_like_customers
from training.models.place_popularity import fit_places
from training.models.popularity import fit_popularity
from training.models.spectral import fit_spectral
from training.models.transitions import fit_transitions
from training.settings import TrainingSettings

Arrays = Mapping[str, NDArray[np.generic]]
CENTURY_DAYS = 36_525.0


def bought(customer: str, product: str, day: float | None = None) -> dict[str, object]:
    when: dict[str, object] = {} if day is None else {"day": day}
    return {"customer_id": customer, "product_id": product, **when}


def like_customers(interactions: Interactions, settings: TrainingSettings) -> Arrays:
    histories = fit_histories(interactions, settings)
    return fit_like_customers(histories, len(interactions.items), settings).to_arrays("x")


FITS: Mapping[str, Callable[[Interactions, TrainingSettings], Arrays]] = {
    "ease": lambda data, settings: fit_ease(data, settings).to_arrays("x"),
    "histories": lambda data, settings: fit_histories(data, settings).to_arrays("x"),
    "neighbours": lambda data, settings: fit_neighbours(data, settings).to_arrays("x"),
    "tfidf": lambda data, settings: fit_neighbours(
        data, replace(settings, neighbours_kind="tfidf")
    ).to_arrays("x"),
    "cosine": lambda data, settings: fit_neighbours(
        data, replace(settings, neighbours_kind="cosine")
    ).to_arrays("x"),
    "places": lambda data, settings: fit_places(data, settings).to_arrays("x"),
    "popularity": lambda data, settings: fit_popularity(data, settings).to_arrays("x"),
    "spectral": lambda data, settings: fit_spectral(data, settings).to_arrays("x"),
    "statistics": lambda data, _: fit_item_statistics(data).to_arrays("x"),
    "transitions": lambda data, settings: fit_transitions(data, settings).to_arrays("x"),
    "like_customers": like_customers,
}

DATA: Mapping[str, Callable[[], Interactions]] = {
    "one purchase": lambda: interactions_of(bought("a", "x", 1)),
    "one customer": lambda: interactions_of(*(bought("a", p, d) for d, p in enumerate("xyzx"))),
    "one product": lambda: interactions_of(*(bought(c, "x", d * 20) for d, c in enumerate("abca"))),
    "all alike": lambda: interactions_of(*(bought(c, p, 1) for c in "abcdef" for p in "wxyz")),
    "a window": lambda: shop_interactions().select(pl.col("item") < 3),
    "few of many": lambda: shop_interactions().select(pl.col("customer") == 7),
    "a century ago": lambda: interactions_of(
        *(bought(c, p, day) for day in (0, 30) for c in "abc" for p in "xy"),
        *(bought(c, "z", CENTURY_DAYS) for c in "bd"),
    ),
    "no times": lambda: interactions_of(
        *(bought(c, p) for c in "abc" for p in "xyz"[ord(c) % 3 :])
    ),
    "nothing": lambda: shop_interactions().select(pl.col("item") < 0),
}


@pytest.fixture(scope="module", params=DATA.values(), ids=list(DATA))
def data(request: pytest.FixtureRequest) -> Interactions:
    build: Callable[[], Interactions] = request.param
    return build()


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
def test_a_fit_survives(
    data: Interactions, fit: Callable[[Interactions, TrainingSettings], Arrays]
) -> None:
    """It warns of nothing, and finds finite numbers only."""
    for name, values in fit(data, SMALL).items():
        if values.dtype.kind == "f":
            assert np.isfinite(values).all(), name


@pytest.mark.parametrize("name", ["ease", "neighbours", "spectral", "transitions"])
def test_what_was_not_bought_in_a_window_weighs_nothing(name: str) -> None:
    """Products of the vocabulary that the window lacks are recommended by nothing."""
    window = DATA["a window"]()
    arrays = FITS[name](window, SMALL)

    if name == "spectral":
        assert not arrays["x.vectors"][3:].any()
    else:
        assert (arrays["x.indices"].astype(np.int64) < 3).all()
        assert len(arrays["x.indptr"]) == len(window.items) + 1
