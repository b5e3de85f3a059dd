"""The small shop with its last four weeks held out, and a quick model of what came before."""

import pytest

from recsvc.core.histories import SECONDS_A_DAY
from recsvc.core.recommender import Recommender
from tests.purchases import built, shop_interactions
from tests.quick import QUICK
from training.split import HoldOut, hold_out


@pytest.fixture(scope="session")
def held_out() -> HoldOut:
    return hold_out(shop_interactions(), 28 * SECONDS_A_DAY, seed=0)


@pytest.fixture(scope="session")
def recommender(held_out: HoldOut) -> Recommender:
    return Recommender(built(held_out.history, QUICK))
