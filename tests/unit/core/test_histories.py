"""Profiles, and what a session adds to them."""

import numpy as np
import pytest

from recsvc.core.histories import NO_HISTORY, Profile
from recsvc.core.model import Model
from recsvc.core.vocabulary import MISSING
from tests.counting import DATA_END, DAY, decay
from tests.samples import item_indices, tiny_model


@pytest.fixture
def model() -> Model:
    """The small model."""
    return tiny_model()


@pytest.fixture
def anna(model: Model) -> Profile:
    """Espresso three times, milk twice in one order, bread once."""
    return model.histories.profile(model.customers.index("anna"))


def test_a_profile_is_the_customers_own(model: Model, anna: Profile) -> None:
    """Products, decayed purchases, their number and last time are those of the purchases."""
    assert anna.items.tolist() == item_indices(model, "espresso", "milk", "bread").tolist()
    assert anna.long == pytest.approx([decay(3) + decay(30) + decay(60), decay(3), decay(45)])
    assert anna.weight[1] == pytest.approx(2 * decay(3))
    assert anna.n_purchases.tolist() == [3, 1, 1]
    assert anna.first_time.tolist() == [DATA_END - days * DAY for days in (60, 3, 45)]
    assert anna.last_time.tolist() == [DATA_END - days * DAY for days in (3, 3, 45)]
    assert not anna.is_empty


def test_profiles_do_not_overlap(model: Model) -> None:
    """All customers' profiles together are all rows."""
    profiles = [model.histories.profile(c) for c in range(len(model.histories))]
    assert len(profiles) == 6
    assert np.concatenate([p.items for p in profiles]).tolist() == model.histories.items.tolist()


def test_everything_is_all_profiles_in_a_row(model: Model) -> None:
    """The columns of all customers together are their profiles' one after another."""
    everything = model.histories.everything()
    profiles = [model.histories.profile(c) for c in range(len(model.histories))]
    for name in ("items", "short", "long", "weight", "n_purchases", "first_time", "last_time"):
        parts = [getattr(profile, name) for profile in profiles]
        assert getattr(everything, name).tolist() == np.concatenate(parts).tolist()


def test_nobody_has_an_empty_profile(model: Model) -> None:
    """A customer whom the model does not know has bought nothing."""
    profile = model.histories.profile(MISSING)
    assert profile.is_empty
    assert profile.purchased.tolist() == []


def test_confidence_is_logarithmic(anna: Profile) -> None:
    """Confidence is the logarithm of 1 + weight, as the factors were fitted."""
    assert anna.confidence == pytest.approx(np.log1p(anna.weight))


def test_no_session_changes_nothing(anna: Profile) -> None:
    """An empty session gives the very same profile."""
    assert anna.with_session(np.zeros(0, np.int32)) is anna


def test_a_session_adds_fresh_interactions(model: Model, anna: Profile) -> None:
    """New products count one interaction and no purchase; known ones one interaction more."""
    session = item_indices(model, "soap", "milk", "filter")
    found = anna.with_session(session)
    expected = item_indices(model, "espresso", "filter", "milk", "bread", "soap")
    espresso, milk, bread = anna.weight
    assert found.items.tolist() == expected.tolist()
    assert found.weight == pytest.approx([espresso, 1, milk + 1, bread, 1])
    assert found.long == pytest.approx([anna.long[0], 0, anna.long[1], anna.long[2], 0])
    assert found.short == pytest.approx([anna.short[0], 0, anna.short[1], anna.short[2], 0])
    assert found.n_purchases.tolist() == [3, 0, 1, 1, 0]
    assert found.first_time[[1, 4]].tolist() == found.last_time[[1, 4]].tolist() == [0, 0]


def test_only_purchases_are_purchased(model: Model, anna: Profile) -> None:
    """What was merely seen in the session is no purchase."""
    found = anna.with_session(item_indices(model, "soap"))
    assert found.purchased.tolist() == anna.items.tolist()


def test_a_session_is_a_profile_of_its_own(model: Model) -> None:
    """A shopper without a history is known by the session, which leaves NO_HISTORY alone."""
    found = NO_HISTORY.with_session(item_indices(model, "tea", "milk"))
    assert found.items.tolist() == item_indices(model, "tea", "milk").tolist()
    assert not found.is_empty
    assert NO_HISTORY.is_empty
