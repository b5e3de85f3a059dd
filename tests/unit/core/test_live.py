"""What a shopper did since the model learnt: purchases, returns, and what interests them."""

from math import log

import numpy as np
import pytest

from recsvc.core.histories import NO_HISTORY
from recsvc.core.live import NO_ACTS, POOR_RATING, SESSION_SECONDS, Act, fold
from recsvc.core.vocabulary import MISSING
from tests.acts import (
    HALF_LIVES,
    N_LEARNT,
    Did,
    acts_of,
    added,
    assert_alike,
    bought,
    folded,
    moment,
    profile_of,
    rated,
    removed,
    returned,
    viewed,
)
from tests.counting import DATA_END, DAY

MILK, TEA, SOAP = 2, 5, 7
HOUR = 1 / 24

# What was bought.


def test_without_acts_the_profile_ages() -> None:
    """Ten days after the model learnt, the short memory of ten days has halved."""
    known = profile_of(bought(MILK, 0), bought(TEA, -40, quantity=2), day=0)
    live = folded(known, day=10)
    assert live.profile.short == pytest.approx([1 / 2, 2**-5])
    assert live.profile.long == pytest.approx([2**-0.25, 2**-1.25])
    assert live.profile.weight == pytest.approx([2**-0.25, (1 + log(2)) * 2**-1.25])
    assert_alike(live.profile, profile_of(bought(MILK, 0), bought(TEA, -40, quantity=2), day=10))
    for items in (live.session, live.basket, live.disliked):
        assert items.tolist() == []
        assert items.dtype == np.int32


def test_data_without_times_does_not_age() -> None:
    """A model that has learnt until nothing knows no ages, and its profiles stay as they are."""
    known = profile_of(bought(MILK, 0), day=0)
    for acts in (NO_ACTS, acts_of(viewed(TEA, 10))):
        live = fold(
            known,
            acts,
            n_learnt=N_LEARNT,
            learnt_until=0,
            now=moment(10),
            half_lives=HALF_LIVES,
        )
        assert live.profile.short.tolist() == live.profile.long.tolist() == [1]


def test_a_purchase_decays_since_it_was_made() -> None:
    """Both memories count the occasion; the weight alone looks at the quantity."""
    profile = folded(NO_HISTORY, bought(MILK, 1, quantity=2), day=11).profile
    assert profile.items.tolist() == [MILK]
    assert profile.short == pytest.approx([0.5])
    assert profile.long == pytest.approx([2**-0.25])
    assert profile.weight == pytest.approx([(1 + log(2)) * 2**-0.25])
    assert profile.n_purchases.tolist() == [1]
    assert profile.first_time.tolist() == profile.last_time.tolist() == [DATA_END + DAY]


@pytest.mark.parametrize(
    ("quantity", "weight"), [(0.3, 1), (1, 1), (2, 1 + log(2)), (7.3, 1 + log(7.3)), (1000, 3)]
)
def test_quantities_are_tamed(quantity: float, weight: float) -> None:
    """Less than one counts as one, and a thousand as little more than seven."""
    profile = folded(NO_HISTORY, bought(MILK, 1, quantity), day=1).profile
    assert profile.weight == pytest.approx([weight])
    assert profile.long.tolist() == [1]


def test_lines_of_one_order_are_one_purchase() -> None:
    """Their quantities add up, and the order is as late as its last line."""
    live = folded(
        NO_HISTORY, bought(MILK, 1, order=8), bought(MILK, 2, 2, order=8), bought(TEA, 1), day=2
    )
    assert live.profile.items.tolist() == [MILK, TEA]
    assert live.profile.n_purchases.tolist() == [1, 1]
    assert live.profile.long == pytest.approx([1, 2 ** (-1 / 40)])
    assert live.profile.weight == pytest.approx([1 + log(3), 2 ** (-1 / 40)])
    assert live.profile.first_time.tolist() == [moment(2), moment(1)]


def test_without_an_order_a_moment_is_one() -> None:
    """What no order tells apart is told apart by the time alone, a named order beside it."""
    did = (bought(MILK, 1), bought(MILK, 1), bought(MILK, 2), bought(MILK, 2, order=8))
    profile = folded(NO_HISTORY, *did, day=2).profile
    assert profile.n_purchases.tolist() == [3]
    assert profile.first_time.tolist() == [moment(1)]
    assert profile.last_time.tolist() == [moment(2)]


@pytest.mark.parametrize(
    ("quantities", "usual"),
    [([0.5], 0.5), ([7, 2], 2), ([2, 9, 7], 7), ([1, 1, 1, 40], 1), ([40, 3, 2, 1], 2)],
)
def test_the_usual_quantity_is_the_lower_median(quantities: list[float], usual: float) -> None:
    """A quantity that was bought, whatever an exception was, and of each product its own."""
    did = [bought(MILK, day, n) for day, n in enumerate(quantities, 1)]
    profile = folded(NO_HISTORY, bought(0, 1, 20), *did, bought(TEA, 2, 5), day=9).profile
    assert profile.usual_quantity.tolist() == [20, usual, 5]


def test_lines_of_one_order_are_one_quantity() -> None:
    """What is bought at once counts, however many lines it is written on."""
    lines = (bought(MILK, 1, 2, order=8), bought(MILK, 1, 4, order=8), bought(MILK, 2, 9))
    assert folded(NO_HISTORY, *lines, day=3).profile.usual_quantity.tolist() == [6]


SHOPPING = (
    bought(TEA, -90, 3, order=1),
    bought(MILK, -90, 1, order=1),
    bought(MILK, -20.5, 40),
    bought(SOAP, -3, 0.25, order=2),
    bought(MILK, -3, 2, order=2),
    bought(MILK, -3, 1, order=2),
    bought(TEA, 0.5, 1, order=3),
    bought(MILK, 0.5, 6, order=3),
    bought(MILK, 0.5, 1, order=3),
    bought(0, 4, 2),
    bought(TEA, 4, 1, order=4),
    bought(TEA, 6.25, 2, order=5),
)


@pytest.mark.parametrize("day", [6.25, 7, 60])
def test_folding_in_is_counting_all_at_once(day: float) -> None:
    """What the model has learnt and what came since are one profile of all purchases."""
    before = [d for d in SHOPPING if d.day <= 0]
    after = [d for d in SHOPPING if d.day > 0]
    live = folded(profile_of(*before, day=0), *after, day=day)
    assert_alike(live.profile, profile_of(*SHOPPING, day=day))


def test_the_order_of_arrival_does_not_matter() -> None:
    """A till that was offline sends late what was bought early."""
    live = folded(NO_HISTORY, *reversed(SHOPPING), day=7)
    assert_alike(live.profile, profile_of(*SHOPPING, day=7))


def test_what_lies_ahead_has_not_happened() -> None:
    """As of an earlier moment, later acts of any kind say nothing; the moment itself counts."""
    later = [Did(act, SOAP, 3.1) for act in Act] + [returned(MILK, 3.1)]
    live = folded(NO_HISTORY, bought(MILK, 3), viewed(TEA, 3), *later, day=3)
    assert_alike(live.profile, profile_of(bought(MILK, 3), day=3))
    assert live.session.tolist() == [TEA]
    assert live.basket.tolist() == live.disliked.tolist() == []


def test_unknown_products_are_passed_over() -> None:
    """What the model does not know is in no profile, session or basket, and undoes nothing."""
    known = profile_of(bought(MILK, 0), day=0)
    live = folded(known, *(Did(act, MISSING, 1, rating=1) for act in Act), day=1)
    assert_alike(live.profile, profile_of(bought(MILK, 0), day=1))
    for items in (live.session, live.basket, live.disliked):
        assert items.tolist() == []


def test_what_was_learnt_is_not_counted_twice() -> None:
    """The model has learnt from the first purchase, and from the second it has not."""
    known = profile_of(bought(MILK, -1), day=0)
    live = folded(known, bought(MILK, -1, learnt=True), bought(MILK, -0.5), day=1)
    assert_alike(live.profile, profile_of(bought(MILK, -1), bought(MILK, -0.5), day=1))


def test_folding_leaves_the_known_profile_alone() -> None:
    """A profile is a view of the model's arrays, which no call may change."""
    known = profile_of(bought(MILK, -3), bought(MILK, -1), bought(TEA, -2), day=0)
    folded(known, bought(MILK, 1), returned(TEA, 1), returned(MILK, 2), returned(MILK, 3), day=9)
    assert_alike(known, profile_of(bought(MILK, -3), bought(MILK, -1), bought(TEA, -2), day=0))


# What came back.


def test_a_return_undoes_the_purchase_of_its_order() -> None:
    """Not the later one of another order, nor another product of the same order."""
    did = (bought(MILK, 1, order=1), bought(TEA, 1, order=1), bought(MILK, 2, order=2))
    live = folded(NO_HISTORY, *did, returned(MILK, 3, order=1), day=3)
    assert_alike(live.profile, profile_of(bought(TEA, 1, order=1), bought(MILK, 2, order=2), day=3))


@pytest.mark.parametrize("order", [0, 9])
def test_else_a_return_undoes_the_latest_earlier_purchase(order: int) -> None:
    """Where no order is named, or one without such a purchase; what is bought later stays."""
    did = (bought(MILK, 4, order=4), bought(MILK, 2), bought(MILK, 1, order=1))
    live = folded(NO_HISTORY, *did, returned(MILK, 3, order=order), day=5)
    assert_alike(live.profile, profile_of(bought(MILK, 1), bought(MILK, 4), day=5))


def test_an_order_is_found_whatever_the_clocks_say() -> None:
    """The desk for returns may be some minutes behind the till."""
    did = (bought(MILK, 1, order=1), bought(MILK, 2, order=2), returned(MILK, 1.99, order=2))
    assert_alike(folded(NO_HISTORY, *did, day=3).profile, profile_of(bought(MILK, 1), day=3))


def test_a_part_that_came_back_leaves_the_rest() -> None:
    """Of three bought and one returned two remain, on the day when they were bought."""
    live = folded(NO_HISTORY, bought(MILK, 1, 3), returned(MILK, 2), day=3)
    assert_alike(live.profile, profile_of(bought(MILK, 1, 2), day=3))
    assert live.profile.weight == pytest.approx([(1 + log(2)) * 2 ** (-2 / 40)])
    assert live.profile.usual_quantity.tolist() == [2]


def test_a_return_of_what_the_model_knows_leaves_the_usual_quantity() -> None:
    """Which quantity came back is not known; one of two live orders that did leaves the other's."""
    known = profile_of(bought(MILK, -20, 3), bought(MILK, -1, 3), day=0)
    assert folded(known, returned(MILK, 1), day=2).profile.usual_quantity.tolist() == [3]
    did = (bought(TEA, 1, 2, order=1), bought(TEA, 2, 8, order=2), returned(TEA, 3, 2, order=1))
    assert folded(known, *did, day=3).profile.usual_quantity.tolist() == [3, 8]


def test_parts_that_came_back_add_up() -> None:
    """Two returns of one piece undo a purchase of two."""
    live = folded(NO_HISTORY, bought(MILK, 1, 2), returned(MILK, 2), returned(MILK, 3), day=4)
    assert live.profile.is_empty


def test_what_is_left_of_a_return_undoes_the_one_before() -> None:
    """Four pieces: one of its order, two of the latest, and one of the two before that."""
    did = (
        bought(MILK, 1, 1, order=1),
        bought(MILK, 2, 2, order=2),
        bought(MILK, 3, 2, order=3),
        returned(MILK, 4, 4, order=1),
    )
    live = folded(NO_HISTORY, *did, day=4)
    assert_alike(live.profile, profile_of(bought(MILK, 2, 1, order=2), day=4))


def test_a_return_of_what_the_model_knows_undoes_its_latest() -> None:
    """No act is the purchase, so that the latest of the profile is undone."""
    before = (bought(MILK, -20), bought(MILK, -1), bought(TEA, -2))
    live = folded(profile_of(*before, day=0), returned(MILK, 1, order=9), day=2)
    assert_alike(live.profile, profile_of(bought(MILK, -20), bought(TEA, -2), day=2))
    twice = (returned(MILK, 1), returned(MILK, 2))
    live = folded(profile_of(*before, day=0), *twice, day=2)
    assert_alike(live.profile, profile_of(bought(TEA, -2), day=2))


def test_a_return_of_a_fresh_purchase_leaves_the_profile_alone() -> None:
    """What the model knows is undone only once nothing that was bought since is left."""
    known = profile_of(bought(MILK, -9), day=0)
    did = (bought(MILK, 1, order=1), returned(MILK, 2, order=1))
    assert_alike(folded(known, *did, day=3).profile, profile_of(bought(MILK, -9), day=3))
    assert folded(known, *did, returned(MILK, 3, order=1), day=3).profile.is_empty


def test_a_return_of_the_unbought_changes_nothing() -> None:
    """Neither a profile that lacks the product nor an empty one, nor what is bought later."""
    known = profile_of(bought(TEA, -2), day=0)
    live = folded(known, returned(MILK, 1), bought(MILK, 2), day=3)
    assert_alike(live.profile, profile_of(bought(TEA, -2), bought(MILK, 2), day=3))
    assert folded(NO_HISTORY, returned(MILK, 1), day=3).profile.is_empty


def test_a_return_of_a_learnt_purchase_undoes_it_in_the_profile() -> None:
    """It is known which order came back: what was bought since, of another one, stays."""
    known = profile_of(bought(MILK, -20), bought(MILK, -1), day=0)
    did = (bought(MILK, -1, order=1, learnt=True), bought(MILK, 1, order=2))
    live = folded(known, *did, returned(MILK, 2, order=1), day=3)
    assert_alike(live.profile, profile_of(bought(MILK, -20), bought(MILK, 1), day=3))


def test_only_the_learnt_purchase_that_came_back_is_undone() -> None:
    """Of two orders that the model has learnt one came back, and the other did not."""
    before = (bought(MILK, -20, order=1), bought(MILK, -1, order=2))
    learnt = [purchase._replace(learnt=True) for purchase in before]
    live = folded(profile_of(*before, day=0), *learnt, returned(MILK, 2, order=2), day=3)
    assert_alike(live.profile, profile_of(before[0], day=3))


def test_a_learnt_purchase_stays_while_some_of_it_is_left() -> None:
    """Of two lines of one order, with four pieces, all four must come back."""
    known = profile_of(bought(MILK, -1, 4), day=0)
    lines = [bought(MILK, -1, n, order=1, learnt=True) for n in (3, 1)]
    live = folded(known, *lines, returned(MILK, 1, 3, order=1), day=2)
    assert_alike(live.profile, profile_of(bought(MILK, -1, 4), day=2))
    live = folded(known, *lines, returned(MILK, 1, 3, order=1), returned(MILK, 2), day=2)
    assert live.profile.is_empty


def test_a_learnt_return_is_not_counted_twice() -> None:
    """The profile is without what it undid, and it asks for nothing that came to light since."""
    known = profile_of(bought(MILK, -9), day=0)
    pair = (bought(MILK, -3, learnt=True), returned(MILK, -1, learnt=True))
    live = folded(known, *pair, bought(MILK, -2), day=1)
    assert_alike(live.profile, profile_of(bought(MILK, -9), bought(MILK, -2), day=1))
    live = folded(known, *pair[1:], bought(MILK, -2), day=1)
    assert_alike(live.profile, profile_of(bought(MILK, -9), bought(MILK, -2), day=1))


def test_a_fresh_return_finds_no_purchase_that_a_learnt_one_undid() -> None:
    """Milk came back, twice: the second return is of the purchase before."""
    known = profile_of(bought(MILK, -9), bought(MILK, -5), day=0)
    pair = (bought(MILK, -3, learnt=True), returned(MILK, -1, learnt=True))
    live = folded(known, *pair, returned(MILK, 1), day=1)
    assert_alike(live.profile, profile_of(bought(MILK, -9), day=1))


# What interests.


@pytest.mark.parametrize("learnt", [False, True])
@pytest.mark.parametrize("act", [Act.VIEW, Act.CLICK])
def test_looks_of_the_last_day_are_the_session(act: Act, *, learnt: bool) -> None:
    """Also those that the model has learnt; a day and a second ago is too long."""
    day = SESSION_SECONDS / DAY
    did = (Did(act, TEA, 2, learnt=learnt), Did(act, MILK, 2 + day), Did(act, SOAP, 1.99999))
    live = folded(NO_HISTORY, *did, day=2 + day)
    assert live.session.tolist() == [MILK, TEA]
    assert live.session.dtype == np.int32
    assert live.profile.is_empty


def test_what_is_shown_or_returned_interests_nobody() -> None:
    """An impression is the service's act, and a return says nothing good."""
    live = folded(NO_HISTORY, Did(Act.IMPRESSION, TEA, 1), returned(MILK, 1), day=1)
    for items in (live.session, live.basket, live.disliked):
        assert items.tolist() == []


def test_the_basket_is_what_lies_in_it_now() -> None:
    """What was taken out is not in it, and neither is what was let go a day ago."""
    did = (
        added(TEA, 1),
        added(MILK, 2.5),
        added(SOAP, 2.5),
        removed(SOAP, 2.6),
        added(0, 2.5, learnt=True),
        removed(1, 2.6),
    )
    live = folded(NO_HISTORY, *did, day=3)
    assert live.basket.tolist() == [0, MILK]
    assert live.session.tolist() == live.disliked.tolist() == []
    assert folded(NO_HISTORY, *did, added(SOAP, 2.7), day=3).basket.tolist() == [0, MILK, SOAP]


def test_a_purchase_ends_the_interest() -> None:
    """What was bought is neither of the session nor in the basket, until it is looked at again."""
    did = (viewed(MILK, 1), added(MILK, 1.1), viewed(TEA, 1.1), bought(MILK, 1.2))
    live = folded(NO_HISTORY, *did, day=1.5)
    assert live.session.tolist() == [TEA]
    assert live.basket.tolist() == []
    live = folded(NO_HISTORY, *did, viewed(MILK, 1.3), day=1.5)
    assert live.session.tolist() == [MILK, TEA]


def test_what_arrives_late_was_early() -> None:
    """Milk that was bought is not in the basket, though its way into it is told afterwards."""
    did = (bought(MILK, 1.2), added(MILK, 1.1), rated(TEA, 1.4, rating=1), rated(TEA, 1, rating=5))
    live = folded(NO_HISTORY, *did, day=1.5)
    assert live.basket.tolist() == []
    assert live.disliked.tolist() == [TEA]


@pytest.mark.parametrize(
    ("rating", "is_disliked"),
    [(1, True), (2.4, True), (POOR_RATING, False), (5, False), (0, False), (np.nan, False)],
)
def test_ratings_displease_or_interest(rating: float, *, is_disliked: bool) -> None:
    """Below the middle it displeased; from there on, and with no rating, it interests."""
    live = folded(NO_HISTORY, rated(TEA, 1, rating=rating), day=1)
    assert live.disliked.tolist() == [TEA] * is_disliked
    assert live.session.tolist() == [TEA] * (not is_disliked)


def test_a_dislike_is_for_good() -> None:
    """It lasts beyond the session, whatever was looked at since; praise is of the session."""
    did = (rated(TEA, 1, rating=1), rated(MILK, 1, rating=5), viewed(TEA, 30))
    live = folded(NO_HISTORY, *did, day=30)
    assert live.disliked.tolist() == [TEA]
    assert live.session.tolist() == []


@pytest.mark.parametrize("change", [rated(TEA, 2, rating=4), bought(TEA, 2)])
def test_the_last_word_on_a_product_counts(change: Did) -> None:
    """Who praises it or buys it again does not dislike it any more, nor the other way round."""
    poor = rated(TEA, 1, rating=1)
    assert folded(NO_HISTORY, poor, change, day=9).disliked.tolist() == []
    again = rated(TEA, 3, rating=2)
    assert folded(NO_HISTORY, poor, change, again, day=9).disliked.tolist() == [TEA]


# What the model has not learnt.


def test_a_newcomer_is_in_no_profile() -> None:
    """What was bought of it, or came back, says nothing that the model could read."""
    did = (
        bought(N_LEARNT, 1),
        bought(N_LEARNT + 1, 1, 3),
        bought(N_LEARNT - 1, 1),
        bought(MILK, 1),
    )
    live = folded(NO_HISTORY, *did, returned(N_LEARNT, 1.5), returned(N_LEARNT + 2, 1.5), day=2)
    assert_alike(live.profile, profile_of(bought(N_LEARNT - 1, 1), bought(MILK, 1), day=2))


def test_a_newcomer_interests_and_displeases() -> None:
    """Looks, baskets and ratings of the last day count as for any product."""
    seen, wanted, poor, done = range(N_LEARNT, N_LEARNT + 4)
    did = (
        viewed(seen, 1),
        added(wanted, 1),
        rated(poor, 1, rating=1),
        viewed(done, 1),
        viewed(MILK, 1),
    )
    live = folded(NO_HISTORY, *did, added(done, 1), bought(done, 1.1), day=1.5)
    assert live.session.tolist() == [MILK, seen]
    assert live.basket.tolist() == [wanted]
    assert live.disliked.tolist() == [poor]
    assert live.profile.is_empty


def test_when_is_a_guess_after_a_return_and_at_the_end_of_the_data() -> None:
    """How often is known all the same; of every other purchase the time is."""
    known = profile_of(bought(1, day=-9), bought(1, day=-3), bought(2, day=-3), day=0)
    live = folded(known, returned(1, day=1), bought(2, day=2), bought(3, day=5), day=5)
    assert live.undated.tolist() == [1, 3]
    assert folded(known, bought(2, day=2), viewed(3, day=5), day=5).undated.tolist() == []
