"""What every ``People`` promises, over each adapter; Redis is a real embedded Valkey."""

import threading
from dataclasses import replace

import pytest

from recsvc.core.places import Location
from recsvc.errors import ErasedMeanwhileError
from recsvc.service.ports import People, Person
from tests.shoppers import ANNA, BEN, T0
from tests.stores import Stores

SET = Person(
    home=Location(
        store_id="leeds-1",
        postal_code="LS1 4DY",
        cell="861942c5fffffff",
        subdivision_code="GB-ENG",
        country_code="GB",
    ),
    segments=("vip", "Käse"),
    visitor_ids=("guest", "v2"),
    updated=T0,
)


@pytest.fixture
def people(stores: Stores) -> People:
    return stores.people


def test_nothing_is_set_of_an_unknown_person(people: People) -> None:
    """Who was never put is an empty person, not an error."""
    assert people.get(ANNA.key) == Person()


@pytest.mark.parametrize(
    "person",
    [
        SET,
        Person(),
        Person(home=Location(postal_code="\x1f\0\n")),
        Person(segments=("",)),
        Person(updated=0.1 + 0.2),
    ],
)
def test_person_comes_back_as_it_was_put(people: People, person: Person) -> None:
    """Every field is kept, whatever is in it, and others are not touched."""
    people.put(ANNA.key, person, heeds=0)
    assert people.get(ANNA.key) == person
    assert people.get(BEN.key) == Person()


def test_second_person_replaces_the_first(people: People) -> None:
    """The latest is kept as a whole: nothing of an earlier one shows through."""
    people.put(ANNA.key, SET, heeds=0)
    people.put(ANNA.key, Person(segments=("new",)), heeds=0)
    assert people.get(ANNA.key) == Person(segments=("new",))


def test_what_was_set_of_an_erased_person_is_forgotten(stores: Stores) -> None:
    """With what is live, of that person alone; what is set by who has come back stays."""
    stores.people.put(ANNA.key, SET, heeds=0)
    stores.people.put(BEN.key, SET, heeds=0)
    stores.log.erase(ANNA.key, 20)
    assert stores.people.get(ANNA.key) == Person()
    assert stores.people.get(BEN.key) == SET
    back = Person(segments=("back",))
    assert stores.people.put(ANNA.key, back, Person(), heeds=20)
    stores.log.erase(ANNA.key, 19)  # another's, which was overtaken
    assert stores.people.get(ANNA.key) == back


def test_person_is_replaced_only_where_nobody_changed_it(stores: Stores) -> None:
    """What was made from an outdated person is not kept, and the caller hears of it."""
    people = stores.people
    assert people.put(ANNA.key, SET, Person(), heeds=0)
    other = Person(segments=("new",))
    assert not people.put(ANNA.key, other, Person(), heeds=0)
    assert people.get(ANNA.key) == SET
    assert people.put(ANNA.key, other, SET, heeds=0)
    assert people.get(ANNA.key) == other
    stores.log.erase(ANNA.key, 20)
    assert not people.put(ANNA.key, SET, other, heeds=20)
    assert people.get(ANNA.key) == Person()
    assert people.put(ANNA.key, SET, heeds=20)


def test_changes_at_the_same_time_are_all_kept(people: People) -> None:
    """Threads that each add to what they read lose nothing of the others'."""

    def add(name: str) -> None:
        while True:
            before = people.get(ANNA.key)
            after = replace(before, visitor_ids=(*before.visitor_ids, name))
            if people.put(ANNA.key, after, before, heeds=0):
                return

    def work(thread: int) -> None:
        for number in range(10):
            add(f"{thread}-{number}")

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = sorted(f"{thread}-{number}" for thread in range(4) for number in range(10))
    assert sorted(people.get(ANNA.key).visitor_ids) == expected


def test_nothing_is_kept_by_who_does_not_know_of_an_erasure(stores: Stores) -> None:
    """A change that was under way is none; who heeds the erasure may begin anew."""
    stores.log.erase(ANNA.key, 20)
    with pytest.raises(ErasedMeanwhileError, match="nothing was kept"):
        stores.people.put(ANNA.key, SET, Person(), heeds=19)
    assert stores.people.get(ANNA.key) == Person()
    assert stores.people.put(BEN.key, SET, Person(), heeds=19)
    assert stores.people.put(ANNA.key, SET, Person(), heeds=20)
