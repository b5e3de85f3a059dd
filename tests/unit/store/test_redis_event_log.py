"""The Redis event log beyond the contract: disk, memory, room, paging, crashes."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.errors import PreconditionError, StoreUnavailableError
from recsvc.identity import partition_of
from recsvc.service.shopping import NO_DEEDS, Event, Line, Shopper
from recsvc.store import event_log
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.event_format import event_json
from recsvc.store.event_log import RedisEventLog
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.log_limits import LogLimits
from recsvc.store.profile_format import HEADER
from recsvc.store.profile_packing import PACK_BYTES
from recsvc.store.streams import Unreadable
from tests.shoppers import ANNA, BEN, GUEST, T0, customer, event
from tests.stores import running_valkey
from tests.unit.store.event_shop import (
    ACCEPTED,
    DUPLICATE,
    FULL,
    PARTITION,
    Shop,
    many,
    over,
    shop_of,
)


class TestDurable:
    def test_events_are_on_the_disk_when_it_returns(self, shop: Shop) -> None:
        """The embedded Valkey promises it, and says the same of a repetition."""
        assert shop.log.append([event("e1")], durable=True, heeds=0) == [ACCEPTED]
        assert shop.log.append([event("e1"), event("e2")], durable=True, heeds=0) == [
            DUPLICATE,
            ACCEPTED,
        ]
        assert shop.products(ANNA) == ["e1", "e2"]

    def test_redis_without_a_log_of_writes_is_refused(self, tmp_path: Path) -> None:
        """What Redis cannot promise is an error at once, nothing is stored, and it is no outage."""
        with running_valkey(tmp_path) as server:
            shop = over(server.url)
            shop.client.config_set("appendonly", "no")
            for _ in range(5):
                with pytest.raises(PreconditionError, match="nothing was stored") as caught:
                    shop.log.append([event("e1")], durable=True, heeds=0)
                assert caught.value.reason == "DURABILITY_UNAVAILABLE"
            assert shop.client.dbsize() == 0
            assert shop.append(event("e1")) == [ACCEPTED]

    def test_disk_that_does_not_keep_up_is_an_error_of_the_repetition_too(
        self, tmp_path: Path
    ) -> None:
        """A duplicate is not said to be on the disk before it is, whoever asks."""
        with running_valkey(tmp_path) as server:
            limits = LogLimits(durable_seconds=0.05)
            over(server.url).client.config_set("appendfsync", "no")
            for _ in range(3):
                shop = over(server.url, limits)  # another process, with a connection of its own
                with pytest.raises(StoreUnavailableError, match="disk of Redis did not keep up"):
                    shop.log.append([event("e1")], durable=True, heeds=0)
            assert shop.log.length() == 1
            shop.client.config_set("appendfsync", "everysec")
            shop = over(server.url, replace(limits, durable_seconds=5.0))
            assert shop.log.append([event("e1")], durable=True, heeds=0) == [DUPLICATE]

    def test_erasure_is_on_the_disk_where_that_can_be_told(self, tmp_path: Path) -> None:
        """Of what any connection deleted; elsewhere, and where it takes long, that is no error."""
        with running_valkey(tmp_path) as server:
            limits = LogLimits(durable_seconds=0.05)
            over(server.url).client.config_set("appendfsync", "no")
            over(server.url).log.erase(ANNA.key, 20)
            assert not over(server.url, limits).log.settle(ANNA.key)
            shop = over(server.url)
            shop.client.config_set("appendfsync", "always")
            assert shop.log.settle(ANNA.key)
            shop.client.config_set("appendonly", "no")
            assert not shop.log.settle(ANNA.key)
            assert not shop.log.settle(BEN.key)
            assert shop.guarded.available


class TestPacking:
    def test_who_has_left_is_packed_for_no_longer(self, shop: Shop) -> None:
        """All is stored; the next event packs, whose caller has the time."""
        ahead = [0.0]

        def leaves(_: str) -> None:
            ahead[0] = 100.0

        guarded = GuardedRedis(
            shop.client, CircuitBreaker(), monotonic=lambda: time.monotonic() + ahead[0]
        )
        log = RedisEventLog(guarded, shop.keys, LogLimits(), changed=leaves)
        grown = [event(f"e{n}", time=T0 + n) for n in range(PACK_BYTES // 16)]
        began = time.monotonic()
        assert set(log.append(grown, durable=False, heeds=0, deadline=began + 50)) == {ACCEPTED}
        assert shop.n_packed(ANNA) == 0
        assert shop.append(event("one more")) == [ACCEPTED]
        assert shop.n_packed(ANNA) > 0


class TestFailure:
    def test_absent_redis_is_one_error(self, tmp_path: Path) -> None:
        """Each call says StoreUnavailableError, before and after the breaker has opened."""
        log = over(f"unix://{tmp_path}/nobody.sock").log
        calls: list[Callable[[], object]] = [
            lambda: log.append([event("e1")], durable=False, heeds=0),
            lambda: log.append([event("e1")], durable=True, heeds=0),
            lambda: log.erase(ANNA.key, 0),
            lambda: log.settle(ANNA.key),
            lambda: log.profile_of(ANNA.key),
            lambda: log.hand_over(GUEST, ANNA, T0, heeds=0),
            lambda: list(log.events_of(ANNA.key)),
            lambda: log.read(0, "", 10),
            lambda: log.trim(0, "1-0"),
            log.length,
            log.now,
        ]
        for call in calls:
            with pytest.raises(StoreUnavailableError):
                call()

    def test_restarted_redis_has_everything_and_learns_the_scripts_again(
        self, tmp_path: Path
    ) -> None:
        """Killed and started anew under its clients it has lost nothing, and they use it again."""
        with running_valkey(tmp_path) as server:
            shop = over(server.url)
            shop.append(event("e1"), event("v1", GUEST))
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
            server.start()
            assert shop.append(event("e1"), event("e2")) == [DUPLICATE, ACCEPTED]
            assert shop.log.hand_over(GUEST, ANNA, T0, heeds=0) == 1
            assert shop.products(ANNA) == ["e1", "e2", "v1"]

    def test_flushed_scripts_are_loaded_again(self, shop: Shop) -> None:
        """``SCRIPT FLUSH`` costs a round trip and no event."""
        shop.client.script_flush()
        shop.append(*many(60), event("v1", GUEST))
        shop.client.script_flush()
        assert shop.log.hand_over(GUEST, ANNA, T0, heeds=0) == 1
        shop.client.script_flush()
        assert shop.append(event("e2")) == [ACCEPTED]
        assert shop.products(ANNA) == [*(e.event_id for e in many(60)), "v1", "e2"]

    def test_redis_out_of_memory_stores_all_of_an_event_or_nothing(self, tmp_path: Path) -> None:
        """A refusal is one error, and what it refused is taken once there is room again."""
        with running_valkey(tmp_path) as server:
            shop = over(server.url)
            shop.client.config_set("maxmemory", "1")
            with pytest.raises(StoreUnavailableError, match="refused"):
                shop.append(event("e1"))
            shop.client.config_set("maxmemory", "0")
            assert shop.client.dbsize() == 0
            assert shop.append(event("e1")) == [ACCEPTED]

    @pytest.mark.parametrize("damaged", [b"", b"x", b"\x01\0\0\0\x01\0", b"\x02\0\0\0\x01\0\0new"])
    def test_profile_of_nobody_is_begun_anew(self, shop: Shop, damaged: bytes) -> None:
        """What no version wrote under a profile's key costs no event: it is written over."""
        for name in (ANNA, BEN):
            shop.client.set(shop.keys.live(name.key), damaged)
        assert shop.append(event("e1")) == [ACCEPTED]
        assert shop.products(ANNA) == ["e1"]
        shop.append(event("v1", GUEST))
        assert shop.log.hand_over(GUEST, BEN, T0, heeds=0) == 1
        assert shop.products(BEN) == ["v1"]

    def test_foreign_key_stores_nothing_of_an_event(self, shop: Shop) -> None:
        """Where the profile cannot be written the log has not the event either."""
        shop.client.rpush(shop.keys.live(ANNA.key), "a list")
        with pytest.raises(StoreUnavailableError, match="refused"):
            shop.append(event("e1"))
        assert shop.log.length() == 0
        shop.client.delete(shop.keys.live(ANNA.key))
        assert shop.append(event("e1")) == [ACCEPTED]

    def test_damaged_records_cost_no_event(self, shop: Shop) -> None:
        """Events are still taken for a profile that cannot be read, and it is left as it is."""
        shop.client.set(shop.keys.live(ANNA.key), b"\x01\0\0\0\x05\0\0" + b"\xff" * PACK_BYTES)
        assert shop.append(*many(2)) == [ACCEPTED] * 2
        with pytest.raises(ValueError, match="damaged"):
            shop.live(ANNA)

    def test_damaged_profile_tells_nothing_and_is_told_of(
        self, guarded: GuardedRedis, keys: KeySchema
    ) -> None:
        """Who asks what is held of a customer gets the rest."""
        told: list[str] = []
        log = RedisEventLog(guarded, keys, LogLimits(), unreadable=told.append)
        log.append([event("e1")], durable=False, heeds=0)
        guarded.client.append(keys.live(ANNA.key), b"\xff")
        assert log.profile_of(ANNA.key) == NO_DEEDS
        assert told == [keys.live(ANNA.key)]


class TestKeys:
    def test_what_one_script_writes_shares_a_hash_tag(self, shop: Shop) -> None:
        """Profile, stream, remembered ids and what moves lie in one slot of a cluster."""
        shop.append(event("e1"), event("v1", GUEST))
        shop.log.hand_over(GUEST, ANNA, T0, heeds=0)
        names = [
            name.decode() for name in shop.client.scan_iter(f"{shop.keys.namespace}:*", count=1_000)
        ]
        tags = {name: name[name.index("{") : name.index("}")] for name in names}
        ours = [name for name, tag in tags.items() if tag == f"{{p:{PARTITION:02}"]
        kinds = {name.split(":")[4] for name in ours}
        assert kinds == {"events", "live", "moved", "seen"}

    def test_only_the_stream_has_no_lifetime(self, shop: Shop) -> None:
        """Full memory evicts what has one; profiles live as long as their kind of shopper."""
        limits = LogLimits()
        shop.append(event("e1"), event("v1", GUEST))
        client, keys = shop.client, shop.keys
        assert client.ttl(keys.events(PARTITION)) == -1
        for name, seconds in {
            keys.live(ANNA.key): limits.customer_seconds,
            keys.live(GUEST.key): limits.visitor_seconds,
            keys.seen(ANNA.key, "e1"): limits.remembered_seconds,
        }.items():
            assert seconds - 60 < client.ttl(name) <= seconds

    def test_repetition_is_remembered_anew(self, shop: Shop) -> None:
        """An id that is still repeated is not forgotten."""
        shop.append(event("e1"))
        name = shop.keys.seen(ANNA.key, "e1")
        shop.client.expire(name, 100)
        assert shop.append(event("e1")) == [DUPLICATE]
        assert shop.client.ttl(name) > 100

    def test_fifty_purchases_are_small(self, shop: Shop) -> None:
        """The live profile of 50 purchases with order and store costs 1,536 bytes at most."""
        for number in range(50):
            shop.append(purchase(number))
        assert len(shop.live(ANNA).deeds) == 50
        assert shop.client.memory_usage(shop.keys.live(ANNA.key), samples=0) <= 1_536

    @pytest.mark.parametrize("n_as_visitor", [10, 26, 28, 50])
    def test_fifty_purchases_are_small_after_a_link_too(
        self, shop: Shop, n_as_visitor: int
    ) -> None:
        """Whichever of them came as a visitor, and whatever comes later."""
        for number in range(n_as_visitor):
            shop.append(purchase(number, GUEST))
        assert shop.log.hand_over(GUEST, ANNA, T0, heeds=0) == n_as_visitor
        for number in range(n_as_visitor, 50):
            shop.append(purchase(number))
        assert len(shop.live(ANNA).deeds) == 50
        assert shop.client.memory_usage(shop.keys.live(ANNA.key), samples=0) <= 1_536

    def test_marks_are_small(self, guarded: GuardedRedis) -> None:
        """What is remembered of an event, a link and an erasure takes 72 to 88 bytes."""
        keys = KeySchema("marked")  # as long as the namespace of a shop that chose none
        shop = shop_of(guarded, keys)
        shop.append(event("e1"))
        shop.log.hand_over(GUEST, ANNA, T0, heeds=0)
        shop.log.erase(BEN.key, 123_456)
        (moved,) = shop.client.scan_iter(f"{keys.namespace}:*:moved:*", count=1_000)
        sizes = [
            shop.client.memory_usage(name, samples=0)
            for name in (keys.seen(ANNA.key, "e1"), keys.erased(BEN.key), moved)
        ]
        assert max(sizes) <= 88


def purchase(number: int, shopper: Shopper = ANNA) -> Event:
    """Return one of many purchases, each an order of its own at one of three stores."""
    return event(
        f"e{number}",
        shopper,
        time=T0 + 3_600 * number,
        lines=(Line(f"product-{number * 7919 % 10_000:05}"),),
        order_id=f"order-{number}",
        location=Location(store_id=f"store-{number % 3:03}", country_code="GB"),
    )


class TestRoom:
    def test_there_is_room_again_after_trimming(
        self, guarded: GuardedRedis, keys: KeySchema
    ) -> None:
        """What was refused is taken once what was collected is trimmed; nothing else is lost."""
        shop = shop_of(guarded, keys, LogLimits(max_events=64 * 3))
        assert shop.append(*many(5)) == [ACCEPTED] * 3 + [FULL] * 2
        first, *rest = shop.log.read(PARTITION, "", 10)
        shop.log.trim(PARTITION, first.position)
        assert shop.append(*many(5)) == [DUPLICATE] * 3 + [ACCEPTED, FULL]
        assert shop.log.read(PARTITION, "", 10)[:2] == rest
        assert shop.products(ANNA) == ["e0000", "e0001", "e0002", "e0003"]

    def test_a_full_partition_refuses_its_own_shoppers_alone(
        self, guarded: GuardedRedis, keys: KeySchema
    ) -> None:
        """The room is divided: one busy shopper leaves the others theirs."""
        shop = shop_of(guarded, keys, LogLimits(max_events=64))
        assert partition_of(BEN.key) != PARTITION
        assert shop.append(*many(2), event("e1", BEN)) == [ACCEPTED, FULL, ACCEPTED]


class TestReading:
    def test_a_thousand_events_of_many_shoppers_in_one_call(self, shop: Shop) -> None:
        """They are spread over the partitions, and each is found in its shopper's, in order."""
        people = [customer(f"c{number}") for number in range(250)]
        events = [event(f"e{number}", people[number % 250]) for number in range(1_000)]
        assert shop.append(*events) == [ACCEPTED] * 1_000
        assert shop.log.length() == 1_000
        for person in people[::50]:
            mine = [one for one in events if one.shopper == person]
            assert list(shop.log.events_of(person.key)) == mine
            assert shop.products(person) == [one.event_id for one in mine]
        assert shop.append(*events) == [DUPLICATE] * 1_000

    def test_more_than_a_script_takes_of_one_shopper(self, shop: Shop) -> None:
        """A call may send a thousand events of one shopper, who then has them in order."""
        events = many(1_000)
        assert shop.append(*events) == [ACCEPTED] * 1_000
        assert shop.products(ANNA) == [one.event_id for one in events]
        assert list(shop.log.events_of(ANNA.key)) == events

    @pytest.mark.parametrize(("n_lines", "n_calls"), [(1, 1), (1_000, 7)])
    def test_a_script_takes_so_many_bytes_at_most(
        self, shop: Shop, n_lines: int, n_calls: int
    ) -> None:
        """Large events go in more calls, between which Redis answers others."""
        lines = tuple(Line(f"product-{number:05}") for number in range(n_lines))
        events = many(20, act=Act.IMPRESSION, lines=lines)
        n_bytes = sum(len(event_json(one)) for one in events)
        assert -(-n_bytes // event_log.BATCH_BYTES) <= n_calls
        shop.append(event("loads the script", BEN))
        shop.client.config_resetstat()
        assert shop.append(*events) == [ACCEPTED] * 20
        assert shop.client.info("commandstats")["cmdstat_evalsha"]["calls"] == n_calls
        assert list(shop.log.events_of(ANNA.key)) == events

    def test_pages_follow_each_other(self, shop: Shop) -> None:
        """From the position of the last one known the next ones are read, each once."""
        assert shop.log.read(PARTITION, "", 10) == []
        events = many(25)
        shop.append(*events)
        found, after = [], ""
        while part := shop.log.read(PARTITION, after, 10):
            assert len(part) <= 10
            found += part
            after = part[-1].position
        assert [logged.entry for logged in found] == events
        assert {logged.partition for logged in found} == {PARTITION}

    def test_time_is_that_of_positions(self, shop: Shop) -> None:
        """What is stored between two looks at the log's clock has its position between them."""
        before = shop.log.now()
        shop.append(event("e1"))
        after = shop.log.now()
        (logged,) = shop.log.read(PARTITION, "", 10)
        assert before <= int(logged.position.split("-")[0]) <= after

    def test_trimming_forgets_what_is_collected_and_nothing_later(self, shop: Shop) -> None:
        """Everything up to a position goes, that one included, and may be trimmed again."""
        events = many(25)
        shop.append(*events)
        until = shop.log.read(PARTITION, "", 10)[-1].position
        for _ in range(2):
            shop.log.trim(PARTITION, until)
            assert [logged.entry for logged in shop.log.read(PARTITION, "", 100)] == events[10:]
        assert shop.log.read(PARTITION, until, 1)[0].entry == events[10]
        shop.log.trim(PARTITION, shop.log.read(PARTITION, "", 100)[-1].position)
        assert shop.log.length() == 0
        shop.append(event("later"))
        assert shop.log.read(PARTITION, until, 10)[0].entry == event("later")

    def test_erasing_reaches_every_page(self, shop: Shop) -> None:
        """Of a long stream all events of a shopper are found, and the others stay."""
        neighbour = next(
            one
            for one in (customer(f"c{number}") for number in range(6_400))
            if partition_of(one.key) == PARTITION
        )
        people = (ANNA, neighbour)
        shop.append(*(event(f"e{n}", people[n % 2], act=Act.IMPRESSION) for n in range(2_200)))
        assert shop.log.erase(ANNA.key, 0).n_events == 1_100
        assert shop.log.length() == 1_100
        assert len(list(shop.log.events_of(neighbour.key))) == 1_100

    @pytest.mark.parametrize("fields", [{"e": b'{"a": 99}'}, {"e": b"\xff"}, {"x": b"1"}])
    def test_entry_that_cannot_be_read_is_given_as_it_lies_there(
        self, shop: Shop, fields: dict[str, bytes]
    ) -> None:
        """Of another version, damaged or somebody else's: it does not hide the others."""
        shop.client.xadd(shop.keys.events(PARTITION), fields)
        shop.append(event("e1"))
        broken, whole = shop.log.read(PARTITION, "", 10)
        ((name, value),) = fields.items()
        assert broken.entry == Unreadable({name.encode(): value})
        assert whole.entry == event("e1")

    def test_entry_that_cannot_be_read_blocks_nobody(
        self, guarded: GuardedRedis, keys: KeySchema
    ) -> None:
        """It is passed over; with their hash in it, it is told of, and erased with the rest."""
        told: list[str] = []
        log = RedisEventLog(guarded, keys, LogLimits(), unreadable=told.append)
        stream = keys.events(PARTITION)
        guarded.client.xadd(stream, {"e": b'{"a": 99}'})
        position: Any = guarded.client.xadd(stream, {"e": f'{{"a": 99, "k": "{ANNA.key}"}}'})
        log.append([event("e1")], durable=False, heeds=0)
        assert list(log.events_of(ANNA.key)) == [event("e1")]
        assert log.erase(ANNA.key, 0).n_events == 2
        assert told == [f"{stream} {position.decode()}"] * 2
        assert log.length() == 1

    def test_who_writes_the_hash_of_another_is_not_that_one(self, shop: Shop) -> None:
        """Receipts show hashes: as the name of a product one says nothing of its person."""
        neighbour = next(
            one
            for one in (customer(f"c{number}") for number in range(6_400))
            if partition_of(one.key) == PARTITION
        )
        shop.append(event("e1", neighbour, lines=(Line(ANNA.key),)))
        assert list(shop.log.events_of(ANNA.key)) == []
        assert shop.log.erase(ANNA.key, 0).n_events == 0
        assert shop.log.length() == 1


def test_numbers_are_exact(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times of the server and revisions near the end of their range pass through Lua unharmed."""
    monkeypatch.setattr(event_log, "BATCH", 1)
    name = shop.keys.live(ANNA.key)
    shop.client.set(name, HEADER.pack(1, 0xFFFF_FFF0, 0))
    shop.append(event("e1"), event("e2"))
    profile = shop.live(ANNA)
    assert profile.revision == 0xFFFF_FFF2
    positions = [logged.position for logged in shop.log.read(PARTITION, "", 10)]
    assert [deed.received for deed in profile.deeds] == [int(p.split("-")[0]) for p in positions]
