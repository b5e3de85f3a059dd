"""Packing of live profiles as events come in: what stays, what goes, and who comes in between."""

import os
import time

import pytest

from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.service.shopping import INTEREST_SECONDS, PURCHASE_SECONDS, Line
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.log_limits import LogLimits
from recsvc.store.profile_format import FORMAT, HEADER, RECEIVED_BYTES, record
from recsvc.store.profile_packing import PACK_BYTES, ProfilePacker
from tests.shoppers import ANNA, T0, event
from tests.stores import SetClock
from tests.unit.store.event_shop import ACCEPTED, Shop, many, shop_of


def test_everything_needed_is_kept(shop: Shop) -> None:
    """However often a profile is packed, it has every deed in the order in which it came."""
    events = many(300, order_id="o1", location=Location(store_id="leeds-1"))
    for start in range(0, 300, 7):
        shop.append(*events[start : start + 7])
    assert shop.products(ANNA) == [one.event_id for one in events]
    assert shop.n_packed(ANNA) > 0
    assert len(shop.stored(ANNA)) < PACK_BYTES + 2_500


def test_packing_changes_neither_revision_nor_lifetime(shop: Shop) -> None:
    """Both are of the events, not of how they are written down."""
    shop.append(event("e1"))
    first = shop.live(ANNA).revision
    shop.append(*many(100))
    assert shop.n_packed(ANNA) > 0
    assert shop.live(ANNA).revision == first + 100
    lifetime = shop.client.ttl(shop.keys.live(ANNA.key))
    assert LogLimits().customer_seconds - 60 < lifetime <= LogLimits().customer_seconds


@pytest.mark.parametrize(
    ("age", "kept"),
    [
        (INTEREST_SECONDS - 60, {Act.PURCHASE, Act.VIEW, Act.FEEDBACK}),
        (INTEREST_SECONDS + 60, {Act.PURCHASE, Act.FEEDBACK}),
        (PURCHASE_SECONDS + 60, set()),
    ],
)
def test_what_is_old_is_left_out(
    guarded: GuardedRedis, keys: KeySchema, age: float, kept: set[Act]
) -> None:
    """Looks older than two days go, and purchases that every model has learnt."""
    shop = shop_of(guarded, keys, clock=SetClock(T0))
    received = round((T0 - age) * 1_000).to_bytes(RECEIVED_BYTES)
    old = [event(f"old-{act}", act=act) for act in (Act.PURCHASE, Act.VIEW, Act.FEEDBACK)]
    records = [received + record(one) for one in old]
    shop.client.set(keys.live(ANNA.key), HEADER.pack(FORMAT, 3, 0) + b"".join(records))
    shop.append(*many(100))
    deeds = shop.live(ANNA).deeds
    assert shop.n_packed(ANNA) > 0
    assert {deed.act for deed in deeds if deed.products[0].startswith("old")} == kept
    assert len(deeds) == 100 + len(kept)


def test_event_that_comes_in_between_is_not_lost(shop: Shop) -> None:
    """What was made smaller of an outdated profile is not put in place of a newer one."""
    shop.append(event("e1"))
    outdated = shop.stored(ANNA)
    shop.append(event("e2"))
    newer = shop.stored(ANNA)
    name = shop.keys.live(ANNA.key)
    packer = ProfilePacker(shop.guarded, shop.keys, time.time)
    assert packer._replace(keys=[name], args=[outdated, outdated]) == 0
    assert shop.stored(ANNA) == newer
    assert packer._replace(keys=[name], args=[newer, newer]) == 1


def test_erased_profile_does_not_come_back(shop: Shop) -> None:
    """Nor is it put where there is none any more."""
    shop.append(event("e1"))
    outdated = shop.stored(ANNA)
    shop.log.erase(ANNA.key, 0)
    name = shop.keys.live(ANNA.key)
    packer = ProfilePacker(shop.guarded, shop.keys, time.time)
    assert packer._replace(keys=[name], args=[outdated, outdated]) == 0
    assert shop.live(ANNA).deeds == ()


def test_impressions_beside_looks_do_not_keep_it_from_packing(shop: Shop) -> None:
    """Whatever comes last of a shopper in a call, a profile that has grown is packed."""
    long = "p" * 200
    for number in range(20):
        shop.append(
            event(f"v{number}", act=Act.VIEW, lines=(Line(long),)),
            event(f"i{number}", act=Act.IMPRESSION, lines=(Line(long),)),
        )
    assert shop.n_packed(ANNA) > 0
    assert len(shop.stored(ANNA)) < 2 * PACK_BYTES


def test_failed_packing_is_no_failed_event(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the script for it is refused, the events are stored and answered all the same."""
    broken = shop.client.register_script("return redis.error_reply('ERR no')")
    monkeypatch.setattr(shop.log._packer, "_replace", broken)
    assert shop.append(*many(100)) == [ACCEPTED] * 100
    assert shop.n_packed(ANNA) == 0
    monkeypatch.undo()
    shop.append(event("last"))
    assert shop.n_packed(ANNA) > 0
    assert len(shop.products(ANNA)) == 101


def test_profile_of_a_machine_stays_small(shop: Shop) -> None:
    """Where it would not fit, the oldest deeds go: nobody makes Redis slow for all others."""
    n_lines, n_events = 100, 60
    for number in range(n_events):
        lines = tuple(
            Line(os.urandom(16).hex() if n else f"first-{number}") for n in range(n_lines)
        )
        shop.append(event(f"e{number}", lines=lines))
    firsts = [deed.products[0] for deed in shop.live(ANNA).deeds]
    assert len(shop.stored(ANNA)) < 0xFFFF + 2 * PACK_BYTES
    assert firsts == [f"first-{number}" for number in range(n_events)][-len(firsts) :]
    assert 10 < len(firsts) < n_events
    assert shop.log.length() == n_events
