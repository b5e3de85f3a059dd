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
    people.put(ANNA.key, person)
    assert people.get(ANNA.key) == person
    assert people.get(BEN.key) == Person()


def test_second_person_replaces_the_first(people: People) -> None:
    """The latest is kept as a whole: nothing of an earlier one shows through."""
    people.put(ANNA.key, SET)
    people.put(ANNA.key, Person(segments=("new",)))
    assert people.get(ANNA.key) == Person(segments=("new",))


def test_deleted_person_is_forgotten(people: People) -> None:
    """Deleting leaves nothing, of that person alone, and may be repeated."""
    people.put(ANNA.key, SET)
    people.put(BEN.key, SET)
    people.delete(ANNA.key)
    people.delete(ANNA.key)
    assert people.get(ANNA.key) == Person()
    assert people.get(BEN.key) == SET


def test_person_is_replaced_only_where_nobody_changed_it(people: People) -> None:
    """What was made from an outdated person is not kept, and the caller hears of it."""
    assert people.put(ANNA.key, SET, Person())
    other = Person(segments=("new",))
    assert not people.put(ANNA.key, other, Person())
    assert people.get(ANNA.key) == SET
    assert people.put(ANNA.key, other, SET)
    assert people.get(ANNA.key) == other
    people.delete(ANNA.key)
    assert not people.put(ANNA.key, SET, other)
    assert people.get(ANNA.key) == Person()
    assert people.put(ANNA.key, SET)


def test_changes_at_the_same_time_are_all_kept(people: People) -> None:
    """Threads that each add to what they read lose nothing of the others'."""

    def add(name: str) -> None:
        while True:
            before = people.get(ANNA.key)
            after = replace(before, visitor_ids=(*before.visitor_ids, name))
            if people.put(ANNA.key, after, before):
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
