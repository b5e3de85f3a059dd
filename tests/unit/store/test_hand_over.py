"""Handing a visitor's profile over: the link, what was cut off, who is late, what is damaged."""

import pytest

from recsvc.errors import StoreUnavailableError
from recsvc.service.shopping import Link
from recsvc.store.hand_over import HandOver
from recsvc.store.log_limits import LogLimits
from recsvc.store.profile_format import FORMAT, HEADER
from tests.shoppers import ANNA, GUEST, T0, event
from tests.unit.store.event_shop import PARTITION, Shop, many


def handing_over(shop: Shop) -> HandOver:
    """Return what another process moves profiles with."""
    return HandOver(shop.guarded, shop.keys, LogLimits())


def test_the_log_says_who_the_visitor_was(shop: Shop) -> None:
    """A link lies in the customer's partition, for the trainer."""
    shop.append(event("v1", GUEST))
    shop.log.hand_over(GUEST, ANNA, T0)
    (logged,) = shop.log.read(PARTITION, "", 10)
    assert logged.entry == Link(GUEST, ANNA, T0)


@pytest.mark.parametrize("is_added", [False, True])
def test_move_that_was_cut_off_is_finished(shop: Shop, *, is_added: bool) -> None:
    """Died before or after the customer had it: the next call moves it once, and the rest."""
    shop.append(event("own"), event("v1", GUEST))
    live, moving = shop.keys.live(GUEST.key), shop.keys.moving(GUEST.key)
    value = shop.stored(GUEST)
    if is_added:
        handing_over(shop)._add(value, GUEST, ANNA, T0)
    shop.client.rename(live, moving)
    shop.append(event("v2", GUEST))
    assert shop.log.hand_over(GUEST, ANNA, T0) == 2
    assert shop.products(ANNA) == ["own", "v1", "v2"]
    assert not shop.client.exists(live, moving)
    assert len(shop.log.read(PARTITION, "", 10)) == 3
    assert shop.log.hand_over(GUEST, ANNA, T0) == 0


def test_move_is_known_as_long_as_it_may_be_finished(shop: Shop) -> None:
    """A move that was cut off a week ago is not made twice."""
    shop.append(event("v1", GUEST))
    value, moving = shop.stored(GUEST), shop.keys.moving(GUEST.key)
    shop.log.hand_over(GUEST, ANNA, T0)
    (moved,) = shop.client.scan_iter(f"{shop.keys.namespace}:*:moved:*", count=1_000)
    assert shop.client.ttl(moved) > LogLimits().visitor_seconds - 60
    shop.client.set(moving, value)
    shop.log.hand_over(GUEST, ANNA, T0)
    assert shop.products(ANNA) == ["v1"]


def test_another_process_that_is_late_removes_only_what_was_moved(shop: Shop) -> None:
    """What was set aside meanwhile stays until it is moved itself."""
    shop.append(event("v1", GUEST))
    value, moving = shop.stored(GUEST), shop.keys.moving(GUEST.key)
    shop.log.hand_over(GUEST, ANNA, T0)
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
    assert shop.log.hand_over(GUEST, ANNA, T0) == 150
    own = [f"own{number:03}" for number in range(150)]
    assert shop.products(ANNA) == own + [one.event_id for one in visit]
    shop.append(event("next"))
    assert shop.products(ANNA) == [*own, *(one.event_id for one in visit), "next"]


def test_visitor_who_is_erased_while_moving_is_gone(shop: Shop) -> None:
    """What a cut-off move has set aside is erased too."""
    shop.append(event("v1", GUEST))
    shop.client.rename(shop.keys.live(GUEST.key), shop.keys.moving(GUEST.key))
    assert shop.log.erase(GUEST.key) == 1
    assert shop.log.hand_over(GUEST, ANNA, T0) == 0
    assert shop.live(ANNA).deeds == ()


@pytest.mark.parametrize("records", [b"\xff" * 9, bytes(6) + b"\x0f" + bytes(5)])
def test_damaged_visitor_spoils_no_customer(shop: Shop, records: bytes) -> None:
    """A profile that cannot be read, of cut or of unknown records, is not added to another."""
    shop.append(event("own"))
    shop.client.set(shop.keys.live(GUEST.key), HEADER.pack(FORMAT, 5, 0) + records)
    with pytest.raises(StoreUnavailableError, match=r"damaged|not a valid Act"):
        shop.log.hand_over(GUEST, ANNA, T0)
    assert shop.products(ANNA) == ["own"]
