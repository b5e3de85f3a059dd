"""Draining the event log: each event exactly once, whatever is killed and whenever."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.core.recommendation_id import N_OWN, ListOrigin, Surface, new_recommendation_id
from recsvc.errors import InputError, PreconditionError
from recsvc.identity import customer_hash, partition_of, visitor_hash
from recsvc.service.questions import Question
from recsvc.service.served import ServedList
from recsvc.service.shopping import Event, Line, Person, Shopper
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.embedded import EmbeddedValkey
from recsvc.store.event_log import RedisEventLog
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.log_limits import LogLimits
from recsvc.store.served_lists import RedisServedLists
from tests.unit.artifacts.crashes import IS_TOLD, Writers, cases, running_writers
from tests.unit.artifacts.dying_writer import Job, bring_in
from tests.unit.artifacts.faulty_disk import Fault, FaultyDisk
from tests.unit.training import collecting
from tests.unit.training.collecting import Later
from training.cli_collect import drained
from training.collect import collect
from training.drain import SETTLED_MILLISECONDS
from training.events import read_events
from training.served import collect_served

KEY = b"secret"


@pytest.fixture(scope="module")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = EmbeddedValkey(Path(tmp_path_factory.mktemp("valkey")))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def log(valkey_url: str) -> Iterator[RedisEventLog]:
    client = connect(valkey_url, socket_timeout_seconds=10)
    client.flushall()
    yield RedisEventLog(GuardedRedis(client, CircuitBreaker()), KeySchema("recsvc"), LogLimits())
    client.close()


def customer(customer_id: str) -> Shopper:
    return Shopper(Person.CUSTOMER, customer_id, customer_hash(KEY, customer_id))


def visitor(visitor_id: str) -> Shopper:
    return Shopper(Person.VISITOR, visitor_id, visitor_hash(KEY, visitor_id))


def bought(number: int, shopper: Shopper | None = None, *products: str) -> Event:
    return Event(
        event_id=f"e{number}",
        act=Act.PURCHASE,
        shopper=shopper or customer(f"c{number % 7}"),
        time=1_700_000_000 + number,
        lines=tuple(Line(product, 2.0, 1.5, "EUR") for product in products or ("tea",)),
        location=Location(store_id="leeds-1", cell="861973497ffffff"),
        order_id=f"o{number}",
        channel="STORE",
    )


def a_list(number: int) -> ServedList:
    """One that a customer is served now."""
    now, name = time.time(), f"c{number}"
    return ServedList(
        recommendation_id=new_recommendation_id(
            ListOrigin(Surface.RECOMMEND, int(now)), os.urandom(N_OWN)
        ),
        served_time=now,
        made_time=now,
        surface=Surface.RECOMMEND,
        shopper=customer_hash(KEY, name),
        question=Question(customer_id=name),
        version_id="v1",
        product_ids=("tea",),
    )


def event_ids(folder: Path) -> list[str]:
    """The events of a history, sorted."""
    return sorted(pl.read_parquet(folder / "*.parquet")["event_id"].to_list())


def test_every_product_of_an_event_is_a_row_that_training_reads(
    log: RedisEventLog, tmp_path: Path
) -> None:
    """Who, what, when, where, for how much: nothing of a purchase is lost on the way."""
    log.append([bought(1, customer("anna"), "tea", "milk")], durable=False, heeds=0)

    found = collect(Later(log), tmp_path / "live")
    events, report = read_events([tmp_path / "live"])

    assert (found.n_entries, found.n_rows) == (1, 2)
    rows = events.select(
        "customer_id", "product_id", "quantity", "unit_price", "order_id", "store_id", "channel"
    ).rows()
    assert rows == [
        ("anna", "milk", 2.0, 1.5, "o1", "leeds-1", "STORE"),
        ("anna", "tea", 2.0, 1.5, "o1", "leeds-1", "STORE"),
    ]
    assert events["event_time"].dt.epoch("s").to_list() == [1_700_000_001] * 2
    assert events["latitude"].null_count() == 0
    assert list(report.collected) == [events["partition"][0]]


def test_what_was_collected_is_gone_from_the_log_and_the_next_run_goes_on(
    log: RedisEventLog, tmp_path: Path
) -> None:
    """Each run writes what is new, and a run without anything new writes nothing."""
    log.append([bought(n) for n in range(50)], durable=False, heeds=0)
    first = collect(Later(log), tmp_path)
    assert log.length() == 0
    assert collect(Later(log), tmp_path).files == ()

    log.append([bought(n) for n in range(40, 60)], durable=False, heeds=0)
    second = collect(Later(log), tmp_path)

    assert [path.name for path in (*first.files, *second.files)] == [
        "live-00000001.parquet",
        "live-00000002.parquet",
    ]
    assert event_ids(tmp_path) == sorted(f"e{n}" for n in range(60))


def test_a_run_that_was_killed_before_it_trimmed_repeats_nothing(
    log: RedisEventLog, tmp_path: Path
) -> None:
    """The file is the record: what it has is trimmed by the next run, not read again."""
    log.append([bought(n) for n in range(30)], durable=False, heeds=0)
    killed = Later(log)
    killed.may_trim = False
    with pytest.raises(KeyboardInterrupt):
        collect(killed, tmp_path)
    assert log.length() == 30

    assert collect(Later(log), tmp_path).n_entries == 0

    assert log.length() == 0
    assert event_ids(tmp_path) == sorted(f"e{n}" for n in range(30))


def test_what_has_left_the_log_outlives_a_loss_of_power(
    log: RedisEventLog, valkey_url: str, tmp_path: Path
) -> None:
    """Also what the first run brings into folders that it has just made."""
    events = [bought(number) for number in range(20)]
    log.append(events, durable=False, heeds=0)
    connect(valkey_url).xadd(KeySchema("recsvc").events(3), {"e": b"\xff"})
    root, left = tmp_path / "disk", tmp_path / "left"
    root.mkdir()
    with FaultyDisk(root, Fault.POWER_LOST, 0, left) as disk:
        collected = collect(Later(log), root / "shops" / "live")
        disk.lose_power()
    assert (log.length(), collected.n_unreadable) == (0, 1)
    assert event_ids(left / "shops" / "live") == sorted(event.event_id for event in events)
    (unreadable,) = (left / "shops" / "live" / "_unreadable").iterdir()
    assert json.loads(unreadable.read_text())["partition"] == 3


@pytest.fixture(scope="module")
def writers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writers]:
    with running_writers(tmp_path_factory.mktemp("writers"), collecting.__name__) as them:
        yield them


@pytest.mark.parametrize("n_before", [0, 3])
def test_each_event_is_collected_once_wherever_a_run_is_interrupted(
    writers: Writers, log: RedisEventLog, valkey_url: str, tmp_path: Path, n_before: int
) -> None:
    """By the next run, whatever the disk has lost; what could not be read is there as well."""
    client = connect(valkey_url)
    task = f"{collecting.__name__}:{collecting.collect_all.__name__}"
    disk = tmp_path / "disk"
    disk.mkdir()
    if n_before:
        (disk / "registry").mkdir()
        log.append([bought(number) for number in range(n_before)], durable=False, heeds=0)
        collect(Later(log), disk / "registry" / "live")
    events = [bought(number) for number in range(n_before, n_before + 9)]
    n_all = n_before + len(events)

    def fill() -> None:
        client.flushall()
        log.append(events, durable=False, heeds=0)
        client.xadd(KeySchema("recsvc").events(3), {"e": b"\xff"})

    fill()
    end, _ = writers.interrupted(disk, Fault.KILLED, 0, task=task, word=valkey_url)
    assert end.error == ""
    for fault, number in cases(end.steps):
        fill()
        ended, left = writers.interrupted(disk, fault, number, task=task, word=valkey_url)
        where = (fault, number, end.steps)
        assert (ended.error != "") == (fault in IS_TOLD), where
        waiting = log.length()
        said, _ = bring_in(Job(task, str(left / "registry"), valkey_url))
        assert said == "", where
        live = left / "registry" / "live"
        assert event_ids(live) == sorted(f"e{n}" for n in range(n_all)), (where, waiting)
        assert log.length() == 0
        lines = [path.read_text() for path in (live / "_unreadable").glob("*.jsonl")]
        assert len(lines) == 1, where
        assert json.loads(lines[0])["partition"] == 3


def test_a_file_that_was_not_finished_is_nobodys(log: RedisEventLog, tmp_path: Path) -> None:
    """What a killed run left half written is neither read nor in the way."""
    (tmp_path / ".live-00000001.parquet").write_bytes(b"half")
    log.append([bought(1)], durable=False, heeds=0)

    collect(Later(log), tmp_path)

    assert [path.name for path in tmp_path.glob("*live*")] == ["live-00000001.parquet"]


def test_what_has_just_come_in_is_left_for_the_next_run(log: RedisEventLog, tmp_path: Path) -> None:
    """More may follow within the same millisecond, so the last second is not touched."""
    log.append([bought(1)], durable=False, heeds=0)
    assert collect(log, tmp_path).n_entries == 0
    assert log.length() == 1


def test_a_visitor_who_became_a_customer_brings_the_purchases_along(
    log: RedisEventLog, tmp_path: Path
) -> None:
    """What was done before the link is the customer's; what came after it is nobody's."""
    log.append(
        [bought(1, visitor("v"), "tea"), bought(2, visitor("w"), "jam")], durable=False, heeds=0
    )
    log.hand_over(visitor("v"), customer("anna"), 1_700_000_100, heeds=0)
    time.sleep(0.01)
    log.append([bought(3, visitor("v"), "milk")], durable=False, heeds=0)

    collect(Later(log), tmp_path)
    events, report = read_events([tmp_path])

    assert events.select("customer_id", "product_id").rows() == [("anna", "tea")]
    assert report.n_quarantined == 0


def test_two_runs_at_once_are_refused(log: RedisEventLog, tmp_path: Path) -> None:
    """The second would read what the first is about to trim."""

    class Nested(Later):
        def now(self) -> int:
            with pytest.raises(PreconditionError, match="another recsvc-train collect"):
                collect(Later(self.inner), tmp_path)
            return super().now()

    log.append([bought(1)], durable=False, heeds=0)
    assert collect(Nested(log), tmp_path).n_entries == 1


def test_a_file_of_another_origin_stops_the_run(log: RedisEventLog, tmp_path: Path) -> None:
    """Without its note of how far the log was collected, everything could be read twice."""
    pl.DataFrame({"customer_id": ["a"]}).write_parquet(tmp_path / "live-00000009.parquet")
    with pytest.raises(InputError, match="does not say how far"):
        collect(Later(log), tmp_path)


_LOOP = """
import sys
from pathlib import Path
from training.cli_collect import drained
while True:
    drained(sys.argv[1], "recsvc", Path(sys.argv[2]))
"""


def test_runs_that_are_killed_at_any_moment_lose_and_repeat_nothing(
    valkey_url: str, log: RedisEventLog, tmp_path: Path
) -> None:
    """Collecting goes on while events and lists come in, and is killed again and again."""
    n_sent = 0
    served = RedisServedLists(log._redis, KeySchema("recsvc"))
    names = []
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", _LOOP, valkey_url, str(tmp_path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
        )
        until = time.monotonic() + 3
        while time.monotonic() < until:
            log.append([bought(n) for n in range(n_sent, n_sent + 50)], durable=False, heeds=0)
            n_sent += 50
            lists = [a_list(n % 7) for n in range(20)]
            served.add(lists, heeds=0)
            names += [each.recommendation_id for each in lists]
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()

    time.sleep(1.5 * SETTLED_MILLISECONDS / 1_000)
    drained(valkey_url, "recsvc", tmp_path)

    assert event_ids(tmp_path) == sorted(f"e{n}" for n in range(n_sent))
    assert log.length() == 0
    kept = pl.read_parquet(tmp_path / "_served" / "*.parquet")
    assert sorted(kept["recommendation_id"]) == sorted(names)


def test_what_cannot_be_read_is_set_aside_and_stops_nothing(
    log: RedisEventLog, valkey_url: str, tmp_path: Path
) -> None:
    """It lies beside the history as it lay in the log, and is gone from there."""
    client = connect(valkey_url)
    stream = KeySchema("recsvc").events(3)
    position = client.xadd(stream, {"e": b'{"a": 99, "k": "\xff"}'})
    assert isinstance(position, bytes)
    log.append([bought(1)], durable=False, heeds=0)

    found = collect(Later(log), tmp_path / "live")

    assert (found.n_entries, found.n_rows, found.n_unreadable) == (2, 1, 1)
    (path,) = (tmp_path / "live" / "_unreadable").iterdir()
    assert path.name == "live-00000001.jsonl"
    assert json.loads(path.read_text()) == {
        "partition": 3,
        "position": position.decode(),
        "fields": {"e": '{"a": 99, "k": "\udcff"}'},
    }
    assert log.length() == 0
    assert event_ids(tmp_path / "live") == ["e1"]
    read_events([tmp_path / "live"])


def test_a_list_that_cannot_be_read_is_set_aside(valkey_url: str, tmp_path: Path) -> None:
    """The lists after it are collected, and so are they exported."""
    client = connect(valkey_url)
    client.flushall()
    told: list[str] = []
    keys = KeySchema("recsvc")
    lists = RedisServedLists(GuardedRedis(client, CircuitBreaker()), keys, unreadable=told.append)
    broken, whole = a_list(1), a_list(1)
    lists.add([broken, whole], heeds=0)
    key = keys.served(partition_of(broken.shopper), int(broken.served_time) // 3_600)
    client.hset(key, broken.recommendation_id, broken.shopper.encode() + b"?")

    time.sleep(SETTLED_MILLISECONDS / 1_000 + 0.1)
    found = collect_served(lists, tmp_path)

    assert (found.n_entries, found.n_rows, found.n_unreadable) == (2, 1, 1)
    assert lists.of_shopper(whole.shopper) == list(lists.every()) == [whole]
    assert told == [f"{key} {broken.recommendation_id}"] * 2


@pytest.mark.parametrize("blocked", [".", ".lock", ".live-00000001.parquet"])
def test_where_nothing_can_be_written_nothing_is_lost(
    log: RedisEventLog, tmp_path: Path, blocked: str
) -> None:
    """The folder, or what is to lie there, is something else: it is named, and events wait on."""
    log.append([bought(1)], durable=False, heeds=0)
    folder = tmp_path / "live"
    if blocked == ".":
        folder.write_text("a file")
    else:
        (folder / blocked).mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written"):
        collect(Later(log), folder)
    assert log.length() == 1
