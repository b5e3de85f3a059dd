"""What every ``ServedLists`` promises, over each adapter; Redis is a real embedded Valkey."""

import os
import time
from dataclasses import replace
from typing import Any

import pytest

from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.diversity import Diversity
from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.core.recommendation_id import N_OWN, ListOrigin, Surface, new_recommendation_id
from recsvc.core.stages import Stage
from recsvc.service.ports import ServedLists
from recsvc.service.questions import Question, ServedFrom
from recsvc.service.served import ServedList
from recsvc.service.shopping import Deed, LiveProfile, Outcome
from recsvc.store.memory import InMemoryServedLists
from tests.shoppers import ANNA, BEN
from tests.stores import SERVED_DAYS, SetClock, Stores

ACCEPTED = Outcome.ACCEPTED
NOW = time.time()
"""Redis lets expire by its own clock."""
LEEDS = Location(store_id="leeds-1", country_code="GB")
DEEDS = (
    Deed(Act.PURCHASE, int(NOW), int(1000 * NOW), 7, LEEDS, 0.0, ("tea", "Käse"), (1.0, 2.5)),
    Deed(Act.FEEDBACK, int(NOW), int(1000 * NOW), 0, Location(), 4.5, ("tea",), (1.0,)),
)
WANTED = CatalogueFilter(
    category_paths=("Drinks > Tea",),
    price_max=9.5,
    currency="GBP",
    attributes={"label": ("organic", "fair")},
)


def served(time: float = NOW, shopper: str = ANNA.key, **fields: Any) -> ServedList:
    given: dict[str, Any] = {
        "recommendation_id": new_recommendation_id(
            ListOrigin(Surface.RECOMMEND, int(time)), os.urandom(N_OWN)
        ),
        "served_time": time,
        "made_time": time - 0.5,
        "surface": Surface.RECOMMEND,
        "shopper": shopper,
        "question": Question(customer_id="anna"),
        "version_id": "v1",
        "product_ids": ("tea", "jam"),
    }
    return ServedList(**given | fields)


WHOLE = served(
    surface=Surface.SIMILAR,
    question=Question(
        customer_id="anna",
        location=LEEDS,
        catalogue_filter=WANTED,
        excluded=("jam",),
        stage=Stage.CART,
        only_new=False,
        in_stock_only=True,
        diversity=Diversity.LOW,
        as_of_time=NOW - 1,
    ),
    about=("milk",),
    is_known=True,
    live=LiveProfile(9, DEEDS, LEEDS),
    generation=3,
    rules_version_id="r1",
    experiment_id="e",
    variant_id="b",
    revision="1.2",
    held_back=b"\x80\x01",
    n_items=16,
    shown=("bread",),
    served_from=ServedFrom.CACHE,
    degraded_reason="DEADLINE",
    scores=(0.30000001192092896, -1.5),
    code_version="0.1",
)


@pytest.fixture
def lists(stores: Stores, clock: SetClock) -> ServedLists:
    clock.now = NOW
    return stores.served


@pytest.mark.parametrize("record", [served(), WHOLE], ids=["bare", "whole"])
def test_a_list_is_found_by_its_name(lists: ServedLists, record: ServedList) -> None:
    """With everything that it was made from."""
    assert lists.add([record, served()], heeds=0) == [ACCEPTED, ACCEPTED]
    assert lists.find(record.recommendation_id) == record


def test_a_list_that_was_written_down_in_the_next_hour_is_found(lists: ServedLists) -> None:
    """Its name is of the second before."""
    end = NOW - NOW % 3_600 + 3_600
    name = new_recommendation_id(ListOrigin(Surface.RECOMMEND, int(end) - 1), bytes(N_OWN))
    record = served(end + 0.1, recommendation_id=name)
    lists.add([record], heeds=0)
    assert lists.find(name) == record


def test_what_is_not_kept_is_not_found(lists: ServedLists) -> None:
    """Whether it looks like a name or not."""
    lists.add([served()], heeds=0)
    for name in ("", "nonsense", served().recommendation_id):
        assert lists.find(name) is None


def test_nothing_is_added_where_nothing_is_given(lists: ServedLists) -> None:
    """And nothing is found."""
    assert lists.add([], heeds=0) == []
    assert list(lists.every()) == []


def test_lists_are_of_who_asked(lists: ServedLists) -> None:
    """The oldest first; those of nobody are nobody's."""
    first, second = served(NOW - 7_200), served(NOW)
    others = [served(shopper=BEN.key), served(shopper="", question=Question())]
    lists.add([first, second, *others], heeds=0)
    assert lists.of_shopper(ANNA.key) == [first, second]
    found = {record.recommendation_id for record in lists.every()}
    assert found == {record.recommendation_id for record in (first, second, *others)}


def test_erasing_leaves_the_lists_of_others(lists: ServedLists) -> None:
    """Once they are gone there is nothing to erase."""
    own, other = served(NOW - 3_600), served(shopper=BEN.key)
    lists.add([own, other], heeds=0)
    assert lists.erase(ANNA.key) == 1
    assert lists.erase(ANNA.key) == 0
    assert lists.find(own.recommendation_id) is None
    assert lists.find(other.recommendation_id) == other


def test_there_is_room_for_so_many(lists: ServedLists) -> None:
    """A shop whose lists are many keeps some, and no more."""
    records = [replace(served(), served_time=NOW) for _ in range(80)]
    outcomes = lists.add(records, heeds=0)
    n_kept = len(lists.of_shopper(ANNA.key))
    assert n_kept <= 64
    if isinstance(lists, InMemoryServedLists):  # the oldest have left instead
        assert outcomes == [ACCEPTED] * 80
    else:
        assert outcomes == [ACCEPTED] * n_kept + [Outcome.FULL] * (80 - n_kept)


def test_lists_are_kept_for_a_time(lists: ServedLists) -> None:
    """And an hour at most beyond it."""
    # Of this moment, and not of when the tests began: an hour may have ended since.
    oldest = time.time() - 86_400 * SERVED_DAYS
    lists.add([served(oldest - 3_601)], heeds=0)
    assert list(lists.every()) == []
    lists.add([served(oldest + 60)], heeds=0)
    assert len(list(lists.every())) == 1


def test_no_list_is_kept_of_who_was_erased_meanwhile(stores: Stores) -> None:
    """By any process: the store itself refuses it. Others' lists, and later ones, are kept."""
    stores.log.erase(ANNA.key, 20)
    own, other, nobodys = served(), served(shopper=BEN.key), served(shopper="")
    outcomes = [Outcome.DROPPED_NO_CONSENT, ACCEPTED, ACCEPTED]
    assert stores.served.add([own, other, nobodys], heeds=19) == outcomes
    assert stores.served.of_shopper(ANNA.key) == []
    assert stores.served.add([own], heeds=20) == [ACCEPTED]
