"""Handing a visitor's profile over: the link, what was cut off, who is late, what is damaged."""

from collections.abc import Callable
from typing import Any

import pytest

from recsvc.service.shopping import Link
from recsvc.store.erasure import FORGET
from recsvc.store.event_log import RedisEventLog
from recsvc.store.hand_over import HandOver
from recsvc.store.log_limits import LogLimits
from recsvc.store.profile_format import FORMAT, HEADER
from tests.shoppers import ANNA, GUEST, T0, event
from tests.unit.store.event_shop import PARTITION, Shop, many, shop_of


def handing_over(shop: Shop) -> HandOver:
    """Return what another process moves profiles with."""
    return HandOver(shop.guarded, shop.keys, LogLimits())


def test_the_log_says_who_the_visitor_was(shop: Shop) -> None:
    """A link lies in the customer's partition, for the trainer."""
    shop.append(event("v1", GUEST))
    shop.log.hand_over(GUEST, ANNA, T0, heeds=0)
    (logged,) = shop.log.read(PARTITION, "", 10)
    assert logged.entry == Link(GUEST, ANNA, T0)


def links(shop: Shop) -> list[Link]:
    """Return what the log says of who was whom."""
    entries = [logged.entry for logged in shop.log.read(PARTITION, "", 10)]
    return [entry for entry in entries if isinstance(entry, Link)]


def test_the_log_says_so_where_nothing_is_live_any_more(shop: Shop) -> None:
    """The history may hold what the visitor did; said again it is the same link, for a day."""
    shop.append(event("own"))
    before = shop.stored(ANNA)
    for _ in range(2):
        assert shop.log.hand_over(GUEST, ANNA, T0, heeds=0) == 0
        assert links(shop) == [Link(GUEST, ANNA, T0)]
    assert shop.stored(ANNA) == before
    (mark,) = shop.client.scan_iter(f"{shop.keys.namespace}:*:moved:*", count=1_000)
    assert 0 < shop.client.ttl(mark) <= 86_400
    shop.client.delete(mark)
    shop.log.hand_over(GUEST, ANNA, T0, heeds=0)
    assert len(links(shop)) == 2


def test_link_that_is_repeated_is_one_link(shop: Shop) -> None:
    """Whatever was moved by the first; what came since makes another."""
    shop.append(event("v1", GUEST))
    for _ in range(2):
        shop.log.hand_over(GUEST, ANNA, T0, heeds=0)
        assert len(links(shop)) == 1
    shop.append(event("v2", GUEST))
    shop.log.hand_over(GUEST, ANNA, T0, heeds=0)
    assert len(links(shop)) == 2


def test_who_was_erased_is_not_linked_by_a_late_call(shop: Shop) -> None:
    """Neither of the two, where nothing is live any more."""
    shop.log.erase(ANNA.key, 20)
    assert shop.log.hand_over(GUEST, ANNA, T0, 19) == 0
    shop.log.erase(GUEST.key, 20)
    assert shop.log.hand_over(GUEST, ANNA, T0, 19) == 0
    assert links(shop) == []
    shop.log.hand_over(GUEST, ANNA, T0, 20)
    assert len(links(shop)) == 1


@pytest.mark.parametrize("is_added", [False, True])
def test_move_that_was_cut_off_is_finished(shop: Shop, *, is_added: bool) -> None:
    """Died before or after the customer had it: the next call moves it once, and the rest."""
    shop.append(event("own"), event("v1", GUEST))
    live, moving = shop.keys.live(GUEST.key), shop.keys.moving(GUEST.key)
    value = shop.stored(GUEST)
    if is_added:
        handing_over(shop)._add(value, GUEST, ANNA, T0, 0)
    shop.client.rename(live, moving)
    shop.append(event("v2", GUEST))
    assert shop.log.hand_over(GUEST, ANNA, T0, heeds=0) == 2
    assert shop.products(ANNA) == ["own", "v1", "v2"]
    assert not shop.client.exists(live, moving)
    assert len(shop.log.read(PARTITION, "", 10)) == 3
    assert shop.log.hand_over(GUEST, ANNA, T0, heeds=0) == 0


def test_move_is_known_as_long_as_it_may_be_finished(shop: Shop) -> None:
    """A move that was cut off a week ago is not made twice."""
    shop.append(event("v1", GUEST))
    value, moving = shop.stored(GUEST), shop.keys.moving(GUEST.key)
    shop.log.hand_over(GUEST, ANNA, T0, heeds=0)
    marks = shop.client.scan_iter(f"{shop.keys.namespace}:*:moved:*", count=1_000)
    linked, moved = sorted(shop.client.ttl(mark) for mark in marks)
    assert linked <= 86_400
    assert moved > LogLimits().visitor_seconds - 60
    shop.client.set(moving, value)
    shop.log.hand_over(GUEST, ANNA, T0, heeds=0)
    assert shop.products(ANNA) == ["v1"]


def test_another_process_that_is_late_removes_only_what_was_moved(shop: Shop) -> None:
    """What was set aside meanwhile stays until it is moved itself."""
    shop.append(event("v1", GUEST))
    value, moving = shop.stored(GUEST), shop.keys.moving(GUEST.key)
    shop.log.hand_over(GUEST, ANNA, T0, heeds=0)
    shop.append(event("v2", GUEST))
    newer = shop.stored(GUEST)
    shop.client.rename(shop.keys.live(GUEST.key), moving)
    handing_over(shop)._drop(keys=[moving], args=[value])
    assert shop.client.get(moving) == newer


def test_packed_profiles_are_handed_over_too(shop: Shop) -> None:
    """A long visit becomes the customer's, whole and in order, beside what they had."""
    visit = many(150, GUEST)
    shop.append(*visit)
    shop.append(*(event(f"own{number:03}") for number in range(150)))
    assert shop.n_packed(GUEST) > 0
    assert shop.log.hand_over(GUEST, ANNA, T0, heeds=0) == 150
    own = [f"own{number:03}" for number in range(150)]
    assert shop.products(ANNA) == own + [one.event_id for one in visit]
    shop.append(event("next"))
    assert shop.products(ANNA) == [*own, *(one.event_id for one in visit), "next"]


def test_visitor_who_is_erased_while_moving_is_gone(shop: Shop) -> None:
    """What a cut-off move has set aside is erased too."""
    shop.append(event("v1", GUEST))
    shop.client.rename(shop.keys.live(GUEST.key), shop.keys.moving(GUEST.key))
    assert shop.log.erase(GUEST.key, 0).n_events == 1
    assert shop.log.hand_over(GUEST, ANNA, T0, heeds=0) == 0
    assert shop.live(ANNA).deeds == ()


class Overtaken(HandOver):
    """Something happens between the two steps, when the profile has been set aside and read."""

    meanwhile: Callable[[], object]

    def _add(self, *given: Any) -> int | None:
        self.meanwhile()
        return super()._add(*given)


def overtaken(shop: Shop, meanwhile: Callable[[RedisEventLog], object]) -> HandOver:
    """Return what moves profiles, slower than what another process does in the same Redis."""
    moving, another = (
        Overtaken(shop.guarded, shop.keys, LogLimits()),
        shop_of(shop.guarded, shop.keys),
    )
    moving.meanwhile = lambda: meanwhile(another.log)
    return moving


def kinds(shop: Shop) -> set[str]:
    """Return the kinds of keys that hold anything."""
    names = shop.client.scan_iter(f"{shop.keys.namespace}:*", count=1_000)
    return {name.decode().split(":")[4] for name in names}


def test_link_that_an_erasure_overtakes_writes_nothing_back(shop: Shop) -> None:
    """Both are erased while the visitor's profile is in the hands of the link."""
    shop.append(event("v1", GUEST), event("own"))

    def erase(log: RedisEventLog) -> None:
        assert log.erase(GUEST.key, 20).n_events == 1
        assert log.erase(ANNA.key, 20).n_events == 1

    assert overtaken(shop, erase).move(GUEST, ANNA, T0, 19) == 0
    assert kinds(shop) <= {"events", "seen", "erased"}
    assert shop.log.length() == 0


def test_link_whose_visitor_is_erased_meanwhile_moves_nothing(shop: Shop) -> None:
    """With another customer, whose visitor they were; the one who is linked is not erased."""
    shop.append(event("v1", GUEST))
    assert overtaken(shop, lambda log: log.erase(GUEST.key, 20)).move(GUEST, ANNA, T0, 19) == 0
    assert kinds(shop) <= {"events", "seen", "erased"}
    assert shop.log.length() == 0


def test_what_comes_after_an_erasure_lies_in_a_later_millisecond(shop: Shop) -> None:
    """However fast it comes: what was collected is purged by milliseconds."""
    keys = shop.keys
    # In one breath, as no two calls could be.
    following = "return {forget(), redis.call('XADD', KEYS[2], '*', 'e', '')}"
    names = [keys.erased(ANNA.key), keys.events(PARTITION)]
    names += [keys.live(ANNA.key), keys.moving(ANNA.key), keys.person(ANNA.key)]
    script = f"local function forget()\n{FORGET}\nend\n{following}"
    given = [20, 60, keys.changed, ANNA.key]
    found: Any = shop.client.eval(script, len(names), *names, *given)
    place, after = (int(position.split(b"-")[0]) for position in found)
    assert place < after


def test_mark_of_an_erasure_lies_with_the_person_and_expires(shop: Shop) -> None:
    """In the slot that the scripts write to, far longer than a call may be late."""
    shop.log.erase(ANNA.key, 20)
    mark = shop.keys.erased(ANNA.key)
    assert mark.split("}")[0] == shop.keys.live(ANNA.key).split("}")[0]
    assert 6 * 86_400 < shop.client.ttl(mark) <= 7 * 86_400


@pytest.mark.parametrize(
    "damage",
    [
        lambda value: value + b"\xff" * 9,  # cut within a record
        lambda value: value + bytes(6) + b"\x0f" + bytes(5),  # an act that nobody knows
        lambda value: HEADER.pack(FORMAT, 5, 3) + b"zip" + value[HEADER.size :],
    ],
)
def test_damaged_visitor_is_handed_over_as_far_as_can_be_read(
    shop: Shop, damage: Callable[[bytes], bytes]
) -> None:
    """The rest is dropped and told of, spoils no customer, and blocks no link."""
    shop.append(event("own"), event("v1", GUEST))
    shop.client.set(shop.keys.live(GUEST.key), damage(shop.stored(GUEST)))
    told: list[str] = []
    moving = HandOver(shop.guarded, shop.keys, LogLimits(), told.append)
    assert moving.move(GUEST, ANNA, T0, 0) == 1
    assert shop.products(ANNA) == ["own", "v1"]
    assert told == [shop.keys.moving(GUEST.key)]
    assert kinds(shop) <= {"events", "seen", "live", "moved"}
    assert shop.live(GUEST).deeds == ()


@pytest.mark.parametrize("value", [b"", b"x", b"\x02" + bytes(9)])
def test_visitor_of_whom_nothing_can_be_read_is_linked_all_the_same(
    shop: Shop, value: bytes
) -> None:
    """Nothing is moved; the log has who the visitor was, for the trainer."""
    shop.append(event("own"))
    shop.client.set(shop.keys.live(GUEST.key), value)
    assert shop.log.hand_over(GUEST, ANNA, T0, heeds=0) == 0
    assert shop.products(ANNA) == ["own"]
    assert shop.log.read(PARTITION, "", 10)[-1].entry == Link(GUEST, ANNA, T0)
