"""What follows what, counted by hand and by dense arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.sources import Memory
from tests.purchases import SMALL, interactions_of, shop_interactions
from training.interactions import Interactions
from training.models import transitions
from training.models.transitions import fit_transitions

SETTINGS = replace(SMALL, transition_days=10, transition_half_life_days=20, n_neighbours=100)


def bought(customer: str, product: str, day: float) -> dict[str, object]:
    return {"customer_id": customer, "product_id": product, "day": day}


def follows(
    interactions: Interactions, settings: object = SETTINGS
) -> dict[tuple[int, int], float]:
    """From product and to product: the weight."""
    assert isinstance(settings, type(SETTINGS))
    rows = fit_transitions(interactions, settings).weights
    return {
        (product, int(after)): float(weight)
        for product in range(len(rows))
        for after, weight in zip(*rows.row(product), strict=True)
    }


def counted(interactions: Interactions) -> NDArray[np.float64]:
    """The same with a dense matrix a stretch."""
    lines, shape = interactions.lines, (len(interactions.customers), len(interactions.items))
    age = (interactions.end - lines["time"].to_numpy()) / SECONDS_A_DAY
    stretch = (age // SETTINGS.transition_days).astype(int)
    stretches = np.zeros((stretch.max() + 1, *shape))
    stretches[stretch, lines["customer"].to_numpy(), lines["item"].to_numpy()] = 1
    total = np.zeros((shape[1], shape[1]))
    for number in range(1, len(stretches)):
        decay = 0.5 ** (number * SETTINGS.transition_days / SETTINGS.transition_half_life_days)
        total += decay * stretches[number].T @ stretches[number - 1]
    weights = 0.5 ** (age / SETTINGS.transition_half_life_days)
    number_of = np.maximum(np.bincount(lines["item"].to_numpy(), weights, shape[1]), 1)
    np.fill_diagonal(total, 0)
    return np.asarray(total / np.sqrt(np.outer(number_of, number_of)), np.float64)


def test_a_product_follows_another_from_one_stretch_to_the_next() -> None:
    """Directed, once a customer however often, and half as much two half-lives of 20 days ago."""
    found = follows(
        interactions_of(
            # Days 90 to 100 are stretch 0, 80 to 90 stretch 1: x then y, twice each.
            *(bought("a", product, day) for product, day in [("x", 85), ("x", 86)]),
            *(bought("a", product, day) for product, day in [("y", 95), ("y", 100)]),
            # Stretch 4 to 3.
            bought("b", "x", 55),
            bought("b", "z", 65),
        )
    )

    # Decayed numbers of x are 2 ** (-15 / 20) + 2 ** (-14 / 20) + 2 ** (-45 / 20), of y
    # 2 ** (-5 / 20) + 1, and z's is below 1.
    x = 2**-0.75 + 2**-0.7 + 2**-2.25
    y = 2**-0.25 + 1
    assert found == {
        (0, 1): pytest.approx(2**-0.5 / (x * y) ** 0.5),
        (0, 2): pytest.approx(2**-2.0 / x**0.5),
    }


@pytest.mark.parametrize(
    "second",
    [
        bought("b", "y", 95),  # another customer
        bought("a", "y", 85),  # the same stretch
        bought("a", "x", 95),  # the same product
        bought("a", "y", 75),  # before it
    ],
)
def test_nothing_else_follows(second: dict[str, object]) -> None:
    """Neither across customers nor within a stretch, nor a product itself; order matters."""
    end = bought("c", "z", 100)

    found = follows(interactions_of(bought("a", "x", 85), second, end))

    assert (0, 1) not in found
    assert (0, 0) not in found


def test_a_gap_of_a_stretch_breaks_the_chain() -> None:
    """What comes two stretches later does not follow."""
    rows = [bought("a", "x", 75), bought("a", "y", 95), bought("c", "z", 100)]

    assert follows(interactions_of(*rows)) == {}


def test_customers_are_not_chained_to_their_neighbours() -> None:
    """The oldest stretch of one customer and the newest of the next are worlds apart."""
    rows = [bought("a", "x", 85), bought("b", "y", 95), bought("b", "z", 81), bought("c", "w", 100)]

    assert follows(interactions_of(*rows)) == {(3, 2): pytest.approx(2**-0.5)}


def test_counts_are_those_of_dense_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a whole shop, whether counted at once or a few products at a time."""
    interactions = shop_interactions()
    expected = counted(interactions)

    for block_weights in (transitions.BLOCK_WEIGHTS, 7 * len(interactions.items), 1):
        monkeypatch.setattr(transitions, "BLOCK_WEIGHTS", block_weights)
        found = np.zeros_like(expected)
        for (product, after), weight in follows(interactions).items():
            found[product, after] = weight
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_only_the_strongest_are_kept() -> None:
    """Of each product ``n_neighbours``, the ones that follow it most."""
    interactions = shop_interactions()
    expected = np.sort(counted(interactions), axis=1)[:, ::-1][:, :3]

    source = fit_transitions(interactions, replace(SETTINGS, n_neighbours=3))

    for product, weights in enumerate(expected):
        _, values = source.weights.row(product)
        np.testing.assert_allclose(np.sort(values)[::-1], weights[weights > 0], rtol=1e-5)
    assert (source.name, source.memory) == ("transitions", Memory.SHORT)


def test_one_stretch_has_no_transitions() -> None:
    """Data of a few days tell of none, nor does a window without purchases."""
    interactions = interactions_of(bought("a", "x", 1), bought("a", "y", 2))
    nothing = interactions.select(interactions.lines["customer"] < 0)

    assert follows(interactions) == {}
    assert follows(nothing) == {}
