"""Numbers of products, by hand."""

from math import log, nan

import numpy as np
import polars as pl
import pytest

from recsvc.core.cells import cell_of, position_of
from tests.purchases import interactions_of
from training.interactions import Interactions
from training.models.item_statistics import PRIOR_BUYERS, fit_item_statistics
from training.models.popularity import UNSEEN

LEEDS, YORK, FIJI_WEST, FIJI_EAST = (53.8, -1.5), (53.96, -1.08), (-17.0, 179.9), (-17.0, -179.9)


def bought(product: str, customer: str = "a", **more: object) -> dict[str, object]:
    return {"customer_id": customer, "product_id": product, **more}


def at(product: str, place: tuple[float, float], day: int) -> dict[str, object]:
    return bought(product, day=day, latitude=place[0], longitude=place[1])


@pytest.fixture(scope="module")
def interactions() -> Interactions:
    """Products w, x and y; a buys x three times and c buys w twice."""
    return interactions_of(
        *(bought("x", "a", day=day) for day in (0, 10, 30)),
        bought("x", "b", day=20),
        *(bought("w", "c", day=day) for day in (0, 5)),
        bought("y", "c", day=30),
    )


def test_buyers_are_counted_once(interactions: Interactions) -> None:
    """The logarithm of 1 plus the customers, however often each bought."""
    found = fit_item_statistics(interactions).log_buyers

    assert found.tolist() == pytest.approx([log(2), log(3), log(2)])


def test_the_repeat_rate_is_shrunk_to_that_of_all(interactions: Interactions) -> None:
    """Half of the four pairs of customer and product came again; few buyers say little."""
    found = fit_item_statistics(interactions).repeat_rate

    prior = PRIOR_BUYERS * 2 / 4
    expected = [(n + prior) / (m + PRIOR_BUYERS) for n, m in ((1, 1), (1, 2), (0, 1))]
    assert found.tolist() == pytest.approx(expected)


def test_intervals_are_the_mean_gaps_of_who_came_again(interactions: Interactions) -> None:
    """15 days for x and 5 for w, shrunk to their mean; nobody bought y again."""
    found = fit_item_statistics(interactions).interval_days

    prior = PRIOR_BUYERS * 10
    expected = [(5 + prior) / (1 + PRIOR_BUYERS), (15 + prior) / (1 + PRIOR_BUYERS), 0]
    assert found.tolist() == pytest.approx(expected)


def test_age_is_since_the_first_purchase(interactions: Interactions) -> None:
    """In days before the end of the data; what this window has not seen yet is as new as can be."""
    start, end = interactions.lines["time"].min(), interactions.end
    window = interactions.select(interactions.lines["time"] < end)

    assert fit_item_statistics(interactions).age_days.tolist() == pytest.approx([30, 30, 0])
    assert start == end - 30 * 86_400
    assert fit_item_statistics(window).age_days.tolist() == pytest.approx([20, 20, 0])


def test_trend_compares_the_share_of_late_with_the_share_before(interactions: Interactions) -> None:
    """Decay of 14 days against decay of 90: y rises and w falls."""
    late, before = (
        np.array(
            [
                sum(2 ** -((30 - day) / half_life) for day in days) + UNSEEN
                for days in ((0, 5), (0, 10, 20, 30), (30,))
            ]
        )
        for half_life in (14, 90)
    )
    expected = np.log(late / late.sum()) - np.log(before / before.sum())

    found = fit_item_statistics(interactions).trend

    assert found.tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    assert found[0] < 0 < found[2]


def test_a_price_is_the_median_of_those_that_are_known() -> None:
    """Gifts at 0 and unknown prices do not count."""
    found = fit_item_statistics(
        interactions_of(
            *(bought("x", day=d, unit_price=p) for d, p in enumerate([2.0, 1.0, 4.0, None, 0.0])),
            bought("y", day=1),
            bought("z", day=1, unit_price=0.0),
        )
    )

    assert found.log_price.tolist() == pytest.approx([log(2), nan, nan], nan_ok=True)


def test_no_price_anywhere_is_no_column() -> None:
    """Of all the data, not of a part of it: every window has the columns of the others."""
    without = interactions_of(bought("x", day=1), bought("y", day=2, unit_price=0.0))
    late = interactions_of(bought("x", day=1), bought("y", day=2, unit_price=3.0))
    early = late.select(pl.col("time") < late.end)

    assert len(fit_item_statistics(without).log_price) == 0
    assert np.isnan(fit_item_statistics(early).log_price).tolist() == [True, True]


def test_a_position_is_the_mean_on_the_sphere() -> None:
    """Twice in Leeds and once in York lies between them, nearer to Leeds; unknown is zeros."""
    found = fit_item_statistics(
        interactions_of(at("x", LEEDS, 1), at("x", LEEDS, 2), at("x", YORK, 3), bought("y", day=1))
    ).position

    mean = 2 * position_of(cell_of(*LEEDS)) + position_of(cell_of(*YORK))
    np.testing.assert_allclose(found[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert found[1].tolist() == [0, 0, 0]


def test_a_position_knows_no_date_line() -> None:
    """Between 179.9 degrees east and west lies 180, not Greenwich."""
    found = fit_item_statistics(interactions_of(at("x", FIJI_WEST, 1), at("x", FIJI_EAST, 2)))

    x, y, z = found.position[0]
    assert np.hypot(x, y) == pytest.approx(np.cos(np.radians(17)), abs=2e-3)
    assert np.degrees(np.arctan2(y, x)) % 360 == pytest.approx(180, abs=0.1)
    assert z == pytest.approx(np.sin(np.radians(-17)), abs=2e-3)


def test_without_times_nothing_has_an_age_a_trend_or_an_interval() -> None:
    """Buying again is known all the same."""
    found = fit_item_statistics(
        interactions_of(bought("x"), bought("x"), bought("x", "b"), bought("y", "b"))
    )

    assert found.age_days.tolist() == [0, 0]
    assert found.trend.tolist() == pytest.approx([0, 0], abs=1e-6)
    assert found.interval_days.tolist() == [0, 0]
    prior = PRIOR_BUYERS / 3
    expected = [(1 + prior) / (2 + PRIOR_BUYERS), prior / (1 + PRIOR_BUYERS)]
    assert found.repeat_rate.tolist() == pytest.approx(expected)
    assert not found.position.any()
