"""The Redis event log beyond the contract: disk, memory, room, packing, paging, crashes."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.errors import PreconditionError, StoreUnavailableError
from recsvc.identity import partition_of
from recsvc.service.shopping import (
    INTEREST_SECONDS,
    PURCHASE_SECONDS,
    Event,
    Line,
    Link,
    LiveProfile,
    Outcome,
    Shopper,
)
from recsvc.store import event_log
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.event_log import PACK_BYTES, LogLimits, RedisEventLog
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.profile_format import FORMAT, HEADER, RECEIVED_BYTES, read_profile, record
from tests.shoppers import ANNA, BEN, GUEST, T0, customer, event
from tests.stores import SetClock, running_valkey

ACCEPTED, DUPLICATE, FULL = Outcome.ACCEPTED, Outcome.DUPLICATE, Outcome.FULL
PARTITION = partition_of(ANNA.key)
DAY = 86_400


@dataclass(frozen=True)
class Shop:
    """A log, and a look at what it keeps."""

    guarded: GuardedRedis
    keys: KeySchema
    log: RedisEventLog

    @property
    def client(self) -> Any:  # noqa: ANN401  # redis-py's answers have no useful types
        return self.guarded.client

    def stored(self, shopper: Shopper) -> bytes:
        found = self.client.get(self.keys.live(shopper.key))
        assert isinstance(found, bytes)
        return found

    def live(self, shopper: Shopper) -> LiveProfile:
        return read_profile(self.client.get(self.keys.live(shopper.key)))

    def products(self, shopper: Shopper) -> list[str]:
        return [product for deed in self.live(shopper).deeds for product in deed.products]

    def n_packed(self, shopper: Shopper) -> int:
        return int(HEADER.unpack_from(self.stored(shopper))[2])

    def append(self, *events: Event) -> list[Outcome]:
        return self.log.append(events, durable=False)


@pytest.fixture
def shop(guarded: GuardedRedis, keys: KeySchema) -> Shop:
    return shop_of(guarded, keys)


def shop_of(
    guarded: GuardedRedis,
    keys: KeySchema,
    limits: LogLimits | None = None,
    clock: Callable[[], float] | None = None,
) -> Shop:
    limits = limits or LogLimits()
    log = (
        RedisEventLog(guarded, keys, limits, clock)
        if clock
        else RedisEventLog(guarded, keys, limits)
    )
    return Shop(guarded, keys, log)


def over(url: str, limits: LogLimits | None = None) -> Shop:
    client = connect(url, socket_timeout_seconds=5.0)
    return shop_of(GuardedRedis(client, CircuitBreaker()), KeySchema(), limits)


def many(n: int, shopper: Shopper = ANNA, **fields: Any) -> list[Event]:  # noqa: ANN401  # the fields of Event
    return [event(f"e{number:04}", shopper, **fields) for number in range(n)]


class TestDurable:
    def test_events_are_on_the_disk_when_it_returns(self, shop: Shop) -> None:
        """The embedded Valkey promises it, and says the same of a repetition."""
        assert shop.log.append([event("e1")], durable=True) == [ACCEPTED]
        assert shop.log.append([event("e1"), event("e2")], durable=True) == [DUPLICATE, ACCEPTED]
        assert shop.products(ANNA) == ["e1", "e2"]

    def test_redis_without_a_log_of_writes_is_refused(self, tmp_path: Path) -> None:
        """What Redis cannot promise is an error at once, nothing is stored, and it is no outage."""
        with running_valkey(tmp_path) as server:
            shop = over(server.url)
            shop.client.config_set("appendonly", "no")
            for _ in range(5):
                with pytest.raises(PreconditionError, match="nothing was stored") as caught:
                    shop.log.append([event("e1")], durable=True)
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
                    shop.log.append([event("e1")], durable=True)
            assert shop.log.length() == 1
            shop.client.config_set("appendfsync", "everysec")
            shop = over(server.url, replace(limits, durable_seconds=5.0))
            assert shop.log.append([event("e1")], durable=True) == [DUPLICATE]


class TestFailure:
    def test_absent_redis_is_one_error(self, tmp_path: Path) -> None:
        """Each call says StoreUnavailableError, before and after the breaker has opened."""
        log = over(f"unix://{tmp_path}/nobody.sock").log
        calls: list[Callable[[], object]] = [
            lambda: log.append([event("e1")], durable=False),
            lambda: log.append([event("e1")], durable=True),
            lambda: log.erase(ANNA.key),
            lambda: log.hand_over(GUEST, ANNA, T0),
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
            assert shop.log.hand_over(GUEST, ANNA, T0) == 1
            assert shop.products(ANNA) == ["e1", "e2", "v1"]

    def test_flushed_scripts_are_loaded_again(self, shop: Shop) -> None:
        """``SCRIPT FLUSH`` costs a round trip and no event."""
        shop.client.script_flush()
        shop.append(*many(60), event("v1", GUEST))
        shop.client.script_flush()
        assert shop.log.hand_over(GUEST, ANNA, T0) == 1
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
        assert shop.log.hand_over(GUEST, BEN, T0) == 1
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

    @pytest.mark.parametrize("records", [b"\xff" * 9, bytes(6) + b"\x0f" + bytes(5)])
    def test_damaged_visitor_spoils_no_customer(self, shop: Shop, records: bytes) -> None:
        """A profile that cannot be read, of cut or of unknown records, is not added to another."""
        shop.append(event("own"))
        shop.client.set(shop.keys.live(GUEST.key), HEADER.pack(FORMAT, 5, 0) + records)
        with pytest.raises(StoreUnavailableError, match=r"damaged|not a valid Act"):
            shop.log.hand_over(GUEST, ANNA, T0)
        assert shop.products(ANNA) == ["own"]


class TestKeys:
    def test_what_one_script_writes_shares_a_hash_tag(self, shop: Shop) -> None:
        """Profile, stream, remembered ids and what moves lie in one slot of a cluster."""
        shop.append(event("e1"), event("v1", GUEST))
        shop.log.hand_over(GUEST, ANNA, T0)
        names = [
            name.decode() for name in shop.client.scan_iter(f"{shop.keys.namespace}:*", count=1_000)
        ]
        tags = {name: name[name.index("{") : name.index("}")] for name in names}
        ours = [name for name, tag in tags.items() if tag == f"{{p:{PARTITION:02}"]
        kinds = sorted(name.split(":")[4] for name in ours)
        assert kinds == ["events", "live", "moved", "seen"]

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
            shop.append(
                event(
                    f"e{number}",
                    time=T0 + 3_600 * number,
                    lines=(Line(f"product-{number * 7919 % 10_000:05}"),),
                    order_id=f"order-{number}",
                    location=Location(store_id=f"store-{number % 3:03}", country_code="GB"),
                )
            )
        assert len(shop.live(ANNA).deeds) == 50
        assert shop.client.memory_usage(shop.keys.live(ANNA.key), samples=0) <= 1_536


class TestPacking:
    def test_everything_needed_is_kept(self, shop: Shop) -> None:
        """However often a profile is packed, it has every deed in the order in which it came."""
        events = many(300, order_id="o1", location=Location(store_id="leeds-1"))
        for start in range(0, 300, 7):
            shop.append(*events[start : start + 7])
        assert shop.products(ANNA) == [one.event_id for one in events]
        assert shop.n_packed(ANNA) > 0
        assert len(shop.stored(ANNA)) < PACK_BYTES + 2_500

    def test_packing_changes_neither_revision_nor_lifetime(self, shop: Shop) -> None:
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
        self, guarded: GuardedRedis, keys: KeySchema, age: float, kept: set[Act]
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

    def test_event_that_comes_in_between_is_not_lost(self, shop: Shop) -> None:
        """What was made smaller of an outdated profile is not put in place of a newer one."""
        shop.append(event("e1"))
        outdated = shop.stored(ANNA)
        shop.append(event("e2"))
        newer = shop.stored(ANNA)
        name = shop.keys.live(ANNA.key)
        assert shop.log._replace(keys=[name], args=[outdated, outdated]) == 0
        assert shop.stored(ANNA) == newer
        assert shop.log._replace(keys=[name], args=[newer, newer]) == 1

    def test_erased_profile_does_not_come_back(self, shop: Shop) -> None:
        """Nor is it put where there is none any more."""
        shop.append(event("e1"))
        outdated = shop.stored(ANNA)
        shop.log.erase(ANNA.key)
        name = shop.keys.live(ANNA.key)
        assert shop.log._replace(keys=[name], args=[outdated, outdated]) == 0
        assert shop.live(ANNA).deeds == ()

    def test_impressions_beside_looks_do_not_keep_it_from_packing(self, shop: Shop) -> None:
        """Whatever comes last of a shopper in a call, a profile that has grown is packed."""
        long = "p" * 200
        for number in range(20):
            shop.append(
                event(f"v{number}", act=Act.VIEW, lines=(Line(long),)),
                event(f"i{number}", act=Act.IMPRESSION, lines=(Line(long),)),
            )
        assert shop.n_packed(ANNA) > 0
        assert len(shop.stored(ANNA)) < 2 * PACK_BYTES

    def test_failed_packing_is_no_failed_event(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When the script for it is refused, the events are stored and answered all the same."""
        broken = shop.client.register_script("return redis.error_reply('ERR no')")
        monkeypatch.setattr(shop.log, "_replace", broken)
        assert shop.append(*many(100)) == [ACCEPTED] * 100
        assert shop.n_packed(ANNA) == 0
        monkeypatch.undo()
        shop.append(event("last"))
        assert shop.n_packed(ANNA) > 0
        assert len(shop.products(ANNA)) == 101

    def test_profile_of_a_machine_stays_small(self, shop: Shop) -> None:
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
        assert shop.log.erase(ANNA.key) == 1_100
        assert shop.log.length() == 1_100
        assert len(list(shop.log.events_of(neighbour.key))) == 1_100

    def test_entry_of_another_version_is_named(self, shop: Shop) -> None:
        """What this version cannot read is an error, not an event less."""
        shop.client.xadd(shop.keys.events(PARTITION), {"e": b'{"a": 99}'})
        with pytest.raises(ValueError, match="no event of this version"):
            shop.log.read(PARTITION, "", 10)


class TestHandOver:
    def test_the_log_says_who_the_visitor_was(self, shop: Shop) -> None:
        """A link lies in the customer's partition, for the trainer."""
        shop.append(event("v1", GUEST))
        shop.log.hand_over(GUEST, ANNA, T0)
        (logged,) = shop.log.read(PARTITION, "", 10)
        assert logged.entry == Link(GUEST, ANNA, T0)

    @pytest.mark.parametrize("is_added", [False, True])
    def test_move_that_was_cut_off_is_finished(self, shop: Shop, *, is_added: bool) -> None:
        """Died before or after the customer had it: the next call moves it once, and the rest."""
        shop.append(event("own"), event("v1", GUEST))
        live, moving = shop.keys.live(GUEST.key), shop.keys.moving(GUEST.key)
        value = shop.stored(GUEST)
        if is_added:
            shop.log._move(value, GUEST, ANNA, T0)
        shop.client.rename(live, moving)
        shop.append(event("v2", GUEST))
        assert shop.log.hand_over(GUEST, ANNA, T0) == 2
        assert shop.products(ANNA) == ["own", "v1", "v2"]
        assert not shop.client.exists(live, moving)
        assert len(shop.log.read(PARTITION, "", 10)) == 3
        assert shop.log.hand_over(GUEST, ANNA, T0) == 0

    def test_move_is_known_as_long_as_it_may_be_finished(self, shop: Shop) -> None:
        """A move that was cut off a week ago is not made twice."""
        shop.append(event("v1", GUEST))
        value, moving = shop.stored(GUEST), shop.keys.moving(GUEST.key)
        shop.log.hand_over(GUEST, ANNA, T0)
        (moved,) = shop.client.scan_iter(f"{shop.keys.namespace}:*:moved:*", count=1_000)
        assert shop.client.ttl(moved) > LogLimits().visitor_seconds - 60
        shop.client.set(moving, value)
        shop.log.hand_over(GUEST, ANNA, T0)
        assert shop.products(ANNA) == ["v1"]

    def test_another_process_that_is_late_removes_only_what_was_moved(self, shop: Shop) -> None:
        """What was set aside meanwhile stays until it is moved itself."""
        shop.append(event("v1", GUEST))
        value, moving = shop.stored(GUEST), shop.keys.moving(GUEST.key)
        shop.log.hand_over(GUEST, ANNA, T0)
        shop.append(event("v2", GUEST))
        newer = shop.stored(GUEST)
        shop.client.rename(shop.keys.live(GUEST.key), moving)
        shop.log._drop(keys=[moving], args=[value])
        assert shop.client.get(moving) == newer

    def test_packed_profiles_are_handed_over_too(self, shop: Shop) -> None:
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

    def test_visitor_who_is_erased_while_moving_is_gone(self, shop: Shop) -> None:
        """What a cut-off move has set aside is erased too."""
        shop.append(event("v1", GUEST))
        shop.client.rename(shop.keys.live(GUEST.key), shop.keys.moving(GUEST.key))
        assert shop.log.erase(GUEST.key) == 1
        assert shop.log.hand_over(GUEST, ANNA, T0) == 0
        assert shop.live(ANNA).deeds == ()


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
