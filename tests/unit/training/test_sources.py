"""Which sources suit which data."""

from dataclasses import replace

from tests.purchases import SMALL, interactions_of, shop_interactions
from training.interactions import Interactions
from training.settings import EXTRA_SOURCES, REMOVABLE, SOURCES
from training.sources import suitable


def purchases(*, has_times: bool, n_products: int = 6) -> Interactions:
    """Every product is bought once, at no place."""
    return interactions_of(
        *(
            {"customer_id": f"c{p % 4}", "product_id": f"p{p}"} | ({"day": p} if has_times else {})
            for p in range(n_products)
        )
    )


def test_the_plain_sources_of_purchases_with_times() -> None:
    """One regression among products, what follows what, and nothing of places or repeats."""
    assert suitable(purchases(has_times=True), SMALL) == (
        "collaborative",
        "neighbours",
        "ease",
        "transitions",
        "like_customers",
    )


def test_a_flat_catalogue_takes_the_spectral_method_instead_of_the_regression() -> None:
    """What the regression can hold is too small a share of what is bought."""
    found = suitable(purchases(has_times=True, n_products=14_000), SMALL)

    assert "ease" not in found
    assert "spectral" in found


def test_without_times_both_stand_side_by_side() -> None:
    """And nothing follows anything."""
    found = suitable(purchases(has_times=False), SMALL)

    assert {"ease", "spectral"} < {*found}
    assert "transitions" not in found


def test_repeats_and_places_bring_sources_of_their_own() -> None:
    """A shop whose customers come back, in stores, has all that suit times."""
    assert suitable(shop_interactions(), SMALL) == tuple(
        name for name in SOURCES if name not in {"bpr", "spectral"}
    )


def test_extra_sources_join_those_that_suit() -> None:
    """What is asked for is added in the order of all sources, what is left out is not there."""
    shop = shop_interactions()
    settings = replace(SMALL, extra_sources=EXTRA_SOURCES)

    assert suitable(shop, settings) == SOURCES
    without = replace(settings, without=frozenset({"bpr", "own"}))
    assert {*suitable(shop, without)} == {*SOURCES} - {"bpr", "own"}
    assert {*SOURCES} < {*REMOVABLE}
