"""Profiles, and what a session adds to them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from recsvc.core.histories import MOST_HALF_LIVES_BACK, NO_HISTORY, HalfLives, Histories, Profile
from recsvc.core.model import Model
from recsvc.core.vocabulary import MISSING
from tests.acts import HALF_LIVES, assert_alike, bought, moment, profile_of
from tests.counting import DATA_END, DAY, decay
from tests.samples import item_indices, tiny_model

MILK, TEA, SOAP = 2, 5, 7


def items_of(*items: int) -> NDArray[np.int32]:
    """Return item indices."""
    return np.array(items, np.int32)


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
    assert anna.usual_quantity.tolist() == [1, 2, 1]
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
    names = ("items", "short", "long", "weight", "n_purchases", "first_time", "last_time")
    for name in (*names, "usual_quantity"):
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
    assert found.usual_quantity.tolist() == [1, 0, 2, 1, 0]


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


def test_a_session_may_come_in_any_order(anna: Profile) -> None:
    """Items of a profile ascend, whatever the order in which they were looked at."""
    assert NO_HISTORY.with_session(items_of(TEA, MILK)).items.tolist() == [MILK, TEA]
    found = anna.with_session(items_of(9, 1)).items.tolist()
    assert found == sorted({*anna.items.tolist(), 1, 9})


def test_a_model_of_old_takes_every_quantity_for_one(model: Model) -> None:
    """Artifacts from before quantities were learnt are read, and the column takes no memory."""
    arrays = dict(model.histories.to_arrays("histories"))
    del arrays["histories.usual_quantity"]
    old = Histories.from_arrays(arrays, "histories")
    assert old.usual_quantity.tolist() == [1] * len(old.items)
    assert old.usual_quantity.dtype == np.float32
    assert old.usual_quantity.strides == (0,)
    new = Histories.from_arrays(model.histories.to_arrays("histories"), "histories")
    assert new.usual_quantity.tolist() == model.histories.usual_quantity.tolist()


def test_quantities_are_shown_as_they_were_given() -> None:
    """Float32 holds no .35: what is shown is what was bought, wholes and parts alike."""
    weighed = profile_of(bought(MILK, -1, 0.35), bought(TEA, -1, 12), bought(SOAP, -1, 2.5), day=0)
    assert weighed.bought_at_once.tolist() == [0.35, 12, 2.5]
    assert weighed.where(weighed.items == TEA).bought_at_once.tolist() == [12]
    assert NO_HISTORY.bought_at_once.tolist() == []


# Profiles of two times.


def test_a_memory_halves_in_its_half_life() -> None:
    """Each has its own, and takes one age or many."""
    half_lives = HalfLives(short_days=2, long_days=8)
    ages = np.array([0, 8 * DAY, 16 * DAY], np.float64)
    assert half_lives.short(ages).tolist() == [1, 1 / 16, 1 / 256]
    assert half_lives.long(ages).tolist() == [1, 1 / 2, 1 / 4]
    assert float(half_lives.short(2.0 * DAY)) == 1 / 2
    assert float(half_lives.long(-8.0 * DAY)) == 2


def test_a_profile_ages_as_its_purchases_do() -> None:
    """All that decays does, later or earlier; counts and times stay."""
    purchases = bought(MILK, -10, 2), bought(MILK, -3), bought(TEA, 0)
    known = profile_of(*purchases, day=0)
    aged = known.aged(10 * DAY, HALF_LIVES)
    assert aged.short[1] == pytest.approx(0.5)
    assert aged.long[1] == aged.weight[1] == pytest.approx(2**-0.25)
    assert_alike(aged, profile_of(*purchases, day=10))
    assert_alike(aged.aged(-10 * DAY, HALF_LIVES), known)
    assert known.aged(0, HALF_LIVES) is known
    assert NO_HISTORY.aged(DAY, HALF_LIVES).is_empty


def test_a_profile_is_finite_at_any_time() -> None:
    """Who asks as of the year 1 or 9999 gets numbers; beyond some half-lives none grows."""
    known = profile_of(bought(MILK, 0), day=0)
    old, new = (known.aged(years * 365.0 * DAY, HALF_LIVES) for years in (-2025, 7973))
    most = 2**MOST_HALF_LIVES_BACK
    assert old.short.tolist() == old.long.tolist() == old.weight.tolist() == [most]
    assert new.short.tolist() == new.long.tolist() == new.weight.tolist() == [0]


def test_merged_profiles_are_one_of_all_purchases() -> None:
    """What both know adds up, from the first purchase to the last; either may be the later."""
    ours = bought(MILK, -9, 2), bought(MILK, -5, 2), bought(SOAP, -4)
    theirs = bought(0, -7), bought(MILK, -6, 3), bought(SOAP, -8)
    one, other = profile_of(*ours, day=0), profile_of(*theirs, day=0)
    for merged in (one.merged(other), other.merged(one)):
        assert merged.items.tolist() == [0, MILK, SOAP]
        assert merged.n_purchases.tolist() == [1, 3, 2]
        assert merged.first_time.tolist() == [moment(-7), moment(-9), moment(-8)]
        assert merged.last_time.tolist() == [moment(-7), moment(-5), moment(-4)]
        assert_alike(merged, profile_of(*ours, *theirs, day=0))


@pytest.mark.parametrize(
    ("ours", "theirs", "usual"),
    [
        ([6, 6, 6], [1, 1], 6),
        ([6], [1, 1], 1),
        ([1], [6, 6], 6),
        ([6, 6], [1, 1], 1),
        ([2, 6, 9], [1, 1], 6),
    ],
)
def test_who_bought_more_often_knows_the_usual_quantity(
    ours: list[float], theirs: list[float], usual: float
) -> None:
    """Of as many purchases it is the lower one, whichever side is asked."""
    one, other = (
        profile_of(*(bought(MILK, day, n) for day, n in enumerate(amounts, start)), day=20)
        for start, amounts in ((0, ours), (10, theirs))
    )
    assert one.merged(other).usual_quantity.tolist() == [usual]
    assert other.merged(one).usual_quantity.tolist() == [usual]


def test_nothing_to_merge_changes_nothing() -> None:
    """An empty profile leaves the other as it is."""
    known = profile_of(bought(MILK, -9), day=0)
    assert known.merged(NO_HISTORY) is known
    assert NO_HISTORY.merged(known) is known
    assert NO_HISTORY.merged(NO_HISTORY).is_empty


def test_a_look_has_no_time() -> None:
    """What was merely seen is neither the first purchase nor the last, on either side."""
    seen = NO_HISTORY.with_session(items_of(MILK, TEA))
    known = profile_of(bought(MILK, -9, 3), day=0)
    for merged in (seen.merged(known), known.merged(seen)):
        assert merged.n_purchases.tolist() == [1, 0]
        assert merged.first_time.tolist() == merged.last_time.tolist() == [moment(-9), 0]
        assert merged.usual_quantity.tolist() == [3, 0]
        assert merged.weight == pytest.approx([1 + known.weight[0], 1])


def test_without_its_latest_a_product_is_as_before() -> None:
    """The one before the latest is taken to be the usual interval earlier, here rightly."""
    steady = bought(MILK, -21), bought(MILK, -14), bought(MILK, -7)
    known = profile_of(*steady, bought(TEA, -1), day=0)
    found = known.without_latest(items_of(MILK), moment(0), HALF_LIVES)
    assert_alike(found, profile_of(*steady[:2], bought(TEA, -1), day=0))
    assert_alike(known, profile_of(*steady, bought(TEA, -1), day=0))
    twice = known.without_latest(items_of(MILK, MILK), moment(0), HALF_LIVES)
    assert_alike(twice, profile_of(steady[0], bought(TEA, -1), day=0))


def test_without_its_latest_a_product_has_faded_since() -> None:
    """What is undone is what is left of it at the moment, and the weight follows the long one."""
    known = profile_of(bought(MILK, -40, 2), bought(MILK, -10, 2), day=30)
    found = known.without_latest(items_of(MILK), moment(30), HALF_LIVES)
    assert_alike(found, profile_of(bought(MILK, -40, 2), day=30))


def test_without_its_only_purchase_a_product_is_gone() -> None:
    """However often it is undone; what was never bought or not known is left as it is."""
    seen = profile_of(bought(MILK, -9), bought(TEA, -2), day=0).with_session(items_of(SOAP))
    found = seen.without_latest(items_of(MILK, 0, SOAP, MILK, 9), moment(0), HALF_LIVES)
    assert found.items.tolist() == [TEA, SOAP]
    assert found.n_purchases.tolist() == [1, 0]
    assert found.weight == pytest.approx([2 ** (-2 / 40), 1])
    assert found.without_latest(items_of(TEA, SOAP), moment(0), HALF_LIVES).items.tolist() == [SOAP]


def test_nothing_to_undo_changes_nothing() -> None:
    """Without items, or without a profile, all stays as it is."""
    known = profile_of(bought(MILK, -9), day=0)
    assert known.without_latest(items_of(), moment(0), HALF_LIVES) is known
    assert NO_HISTORY.without_latest(items_of(MILK), moment(0), HALF_LIVES) is NO_HISTORY


def test_without_times_the_latest_has_not_faded() -> None:
    """Where no purchase has a time all count in full, and so does the one that is undone."""
    never = np.zeros(1, np.int64)
    three = np.full(1, 3, np.float32)
    known = Profile(items_of(MILK), three, three, three, items_of(3), never, never, three)
    found = known.without_latest(items_of(MILK), moment(0), HALF_LIVES)
    assert found.short.tolist() == found.long.tolist() == found.weight.tolist() == [2]
    assert found.n_purchases.tolist() == [2]
    assert found.last_time.tolist() == [0]


def test_what_has_faded_away_can_be_undone() -> None:
    """Of purchases so old that nothing is left of them nothing is left without the latest."""
    known = profile_of(bought(MILK, -9), bought(MILK, 0), day=0).aged(9000 * DAY, HALF_LIVES)
    found = known.without_latest(items_of(MILK), moment(9000), HALF_LIVES)
    assert found.n_purchases.tolist() == [1]
    assert found.short.tolist() == found.long.tolist() == found.weight.tolist() == [0]


def test_undoing_never_goes_below_nothing() -> None:
    """A profile that holds less of a purchase than was expected has nothing left of it."""
    known = profile_of(bought(MILK, -9), bought(MILK, -1), day=60)
    found = known.without_latest(items_of(MILK), moment(-1), HALF_LIVES)
    assert found.short.tolist() == found.long.tolist() == found.weight.tolist() == [0]
    assert found.n_purchases.tolist() == [1]
