"""A live profile in the terms of a model: what is learnt already, and where home is."""

import math
from dataclasses import replace

import numpy as np
import pytest

from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.core.vocabulary import MISSING, Vocabulary
from recsvc.service.live_acts import acts_of, live_home
from recsvc.service.models import LearntUntil
from recsvc.service.shopping import NO_DEEDS, Deed, LiveProfile
from tests.serving import NOW

ITEMS = Vocabulary.from_ids(["milk", "tea", "jam"])
NOTHING_LEARNT = LearntUntil(ledger=0, collected={}, trained=0.0, data_end=0.0)
LEEDS, YORK, PORTO = (Location(store_id=name) for name in ("leeds-1", "york-1", "porto-1"))
FAR = 10**9


def deed(time: int, **fields: object) -> Deed:
    """A purchase of milk, received when it happened, but for ``fields``."""
    given: dict[str, object] = {
        "act": Act.PURCHASE,
        "time": time,
        "received": 1000 * time,
        "order": 0,
        "location": Location(),
        "rating": 0.0,
        "products": ("milk",),
        "quantities": (1.0,),
    }
    return Deed(**(given | fields))  # type: ignore[arg-type]  # each of its own type


def profile(*deeds: Deed) -> LiveProfile:
    return LiveProfile(len(deeds), deeds)


def visits(*places: Location) -> LiveProfile:
    """One purchase at each place, in this order."""
    return profile(*(deed(n, location=place) for n, place in enumerate(places, start=1)))


def test_nothing_done_is_no_acts() -> None:
    """The common case costs nothing."""
    assert len(acts_of(NO_DEEDS, ITEMS, NOTHING_LEARNT, 0, math.inf)) == 0


def test_every_line_is_an_act() -> None:
    """In the model's indices, with everything of its event; unknown products are marked."""
    order = deed(5, products=("tea", "nothing"), quantities=(2.0, 3.5), order=7, act=Act.RETURN)
    liked = deed(6, act=Act.FEEDBACK, rating=4.5)
    acts = acts_of(profile(order, liked), ITEMS, NOTHING_LEARNT, 0, math.inf)
    assert acts.items.tolist() == [ITEMS.index("tea"), MISSING, ITEMS.index("milk")]
    assert acts.kinds.tolist() == [Act.RETURN, Act.RETURN, Act.FEEDBACK]
    assert acts.times.tolist() == [5, 5, 6]
    assert acts.quantities.tolist() == [2.0, 3.5, 1.0]
    assert acts.orders.tolist() == [7, 7, 0]
    assert acts.ratings.tolist() == [0, 0, 4.5]
    dtypes = [acts.items.dtype, acts.kinds.dtype, acts.times.dtype, acts.orders.dtype]
    assert dtypes == [np.int32, np.int8, np.int64, np.int64]


def test_what_a_clock_dates_too_late_counts_as_of_now() -> None:
    """A till whose clock is ahead is not left out."""
    acts = acts_of(profile(deed(5), deed(15)), ITEMS, NOTHING_LEARNT, 0, latest=10.5)
    assert acts.times.tolist() == [5, 10]


def test_what_was_collected_before_training_is_learnt() -> None:
    """By the moment of receipt, which no clock of a till decides, for each partition."""
    learnt = replace(NOTHING_LEARNT, collected={3: 5_000, 4: 9_000}, data_end=FAR)
    live = profile(deed(100, received=5_000), deed(1, received=5_001))
    assert acts_of(live, ITEMS, learnt, 3, math.inf).learnt.tolist() == [True, False]
    assert acts_of(live, ITEMS, learnt, 4, math.inf).learnt.tolist() == [True, True]
    assert acts_of(live, ITEMS, learnt, 5, math.inf).learnt.tolist() == [False, False]


def test_where_nothing_was_collected_the_end_of_the_data_decides() -> None:
    """A model from files alone has learnt what had come in and happened before they end."""
    learnt = replace(NOTHING_LEARNT, trained=70_000.0, data_end=50.0)
    live = profile(deed(50, received=70_000), deed(51, received=1), deed(1, received=70_001))
    assert acts_of(live, ITEMS, learnt, 0, math.inf).learnt.tolist() == [True, False, False]


def test_of_a_shopper_whom_the_model_does_not_know_nothing_is_learnt() -> None:
    """A visitor's events are in no history, however long ago they were collected."""
    assert acts_of(profile(deed(1)), ITEMS, None, 0, math.inf).learnt.tolist() == [False]


def test_how_far_training_had_followed_comes_from_the_artifact() -> None:
    """Partitions are numbers again, and an older artifact has followed nothing."""
    parameters = {"ledger_position": 12, "collected": {"3": 5_000}}
    trained = 1_000 * NOW.timestamp()
    assert LearntUntil.of(parameters, NOW, 7.0) == LearntUntil(12, {3: 5_000}, trained, 7.0)
    assert LearntUntil.of({}, NOW, 7.0) == LearntUntil(0, {}, trained, 7.0)


@pytest.mark.parametrize(
    ("places", "home"),
    [
        ([YORK, YORK], None),
        ([YORK, YORK, YORK], YORK),
        ([YORK, LEEDS, YORK, LEEDS, YORK], YORK),
        ([YORK, YORK, LEEDS, PORTO, LEEDS], None),
        ([YORK, YORK, YORK, LEEDS, LEEDS, LEEDS], LEEDS),
        ([YORK, YORK, YORK, LEEDS, PORTO, LEEDS], None),
    ],
)
def test_home_moves_after_three_of_the_last_five_visits(
    places: list[Location], home: Location | None
) -> None:
    """Whose home is known leaves it for no single journey."""
    assert live_home(visits(*places), FAR, is_known=True) == home


@pytest.mark.parametrize(
    ("places", "home"), [([], None), ([YORK], YORK), ([YORK, LEEDS, LEEDS], LEEDS)]
)
def test_whose_home_is_not_known_is_at_home_from_the_first_visit(
    places: list[Location], home: Location | None
) -> None:
    """Anything is better than nothing."""
    assert live_home(visits(*places), FAR, is_known=False) == home


def test_an_order_is_one_visit() -> None:
    """However many events it came in."""
    one_order = profile(*(deed(n, location=YORK, order=7) for n in range(1, 6)))
    assert live_home(one_order, FAR, is_known=True) is None
    assert live_home(one_order, FAR, is_known=False) == YORK


def test_only_purchases_with_a_place_are_visits() -> None:
    """Looking at a product elsewhere, or buying it nobody knows where, moves nobody."""
    live = profile(
        *(deed(n, location=YORK, act=Act.VIEW) for n in range(1, 4)),
        *(deed(n) for n in range(4, 7)),
    )
    assert live_home(live, FAR, is_known=False) is None


def test_a_visit_counts_when_it_was_made() -> None:
    """What comes late is early all the same, and what is to come has not happened."""
    late = [deed(n, location=LEEDS) for n in range(1, 4)]
    lately = [deed(n, location=YORK) for n in range(10, 13)]
    assert live_home(profile(*lately, *late), FAR, is_known=True) == YORK
    assert live_home(profile(*lately, *late), 9, is_known=True) == LEEDS
