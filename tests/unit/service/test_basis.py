"""What was kept off lists, remembered as long as it is the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core.assortment import Shelf
from recsvc.core.catalogue import CatalogueFilter, Product
from recsvc.core.live import NO_ITEMS
from recsvc.service.basis import Basis, HeldBack, held_back
from recsvc.service.models import LoadedModel, load_model
from recsvc.service.questions import EVERYTHING
from tests.serving import small_registry

TURN = 1_000
OTHER = np.array([1], np.int32)


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedModel:
    """A product of it is sold from a moment on."""
    loaded = load_model(small_registry(tmp_path / "models"), "v1")
    product = replace(loaded.assortment.product(0), available_from=TURN)
    return with_product(loaded, product)


def with_product(loaded: LoadedModel, product: Product) -> LoadedModel:
    assortment = loaded.assortment.with_products([product])
    return replace(loaded, recommender=loaded.recommender.selling(assortment))


def basis(withdrawn: NDArray[np.int32] = NO_ITEMS, shelf: Shelf | None = None) -> Basis:
    return Basis(
        made_time=0.0,
        product_ids=list,
        live=lambda: pytest.fail("nobody asks"),
        withdrawn=withdrawn,
        shelf=shelf,
        in_stock_only=shelf is not None,
    )


def test_what_is_held_back_follows_whatever_changes(loaded: LoadedModel) -> None:
    """Time in both directions, a recall, the filter, the shelf and the catalogue, in turns."""
    ended = with_product(loaded, replace(loaded.assortment.product(2), available_to=0))
    price = loaded.assortment.catalogue.price
    nothing_there = Shelf(
        np.zeros(len(price), np.bool_),
        price,
        loaded.assortment.catalogue.currency,
        loaded.assortment.catalogue.currencies,
    )
    wanted = CatalogueFilter(brands=("nobody's",))
    plain, recalled, in_store = basis(), basis(OTHER), basis(shelf=nothing_there)
    held = HeldBack()
    cases = [
        (loaded, EVERYTHING, plain, TURN - 1.0),
        (loaded, EVERYTHING, plain, float(TURN)),
        (loaded, EVERYTHING, plain, TURN - 0.5),
        (loaded, EVERYTHING, plain, TURN - 1.0),
        (loaded, EVERYTHING, recalled, TURN - 1.0),
        (loaded, EVERYTHING, plain, TURN - 1.0),
        (loaded, wanted, plain, TURN - 1.0),
        (loaded, EVERYTHING, in_store, TURN - 1.0),
        (loaded, EVERYTHING, plain, TURN - 1.0),
        (ended, EVERYTHING, plain, TURN - 1.0),
        (loaded, EVERYTHING, plain, TURN + 1.0),
    ]
    found = [held.of(*case) for case in cases]
    assert found == [np.packbits(held_back(*case)).tobytes() for case in cases]
    assert len(set(found)) == 5


def test_what_is_held_back_is_found_out_once(loaded: LoadedModel) -> None:
    """For as long as nothing changes."""
    held = HeldBack()
    first = held.of(loaded, EVERYTHING, basis(), TURN - 2.0)
    assert held.of(loaded, EVERYTHING, basis(), TURN - 1.0) is first
