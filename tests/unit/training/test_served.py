"""Served lists in files: each once, as long as is set, and nothing of who was erased."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import redis

from recsvc.artifacts.ledger import Decision, LedgerEntry
from recsvc.artifacts.registry import Registry
from recsvc.core.recommendation_id import N_OWN, ListOrigin, Surface, new_recommendation_id
from recsvc.errors import InputError
from recsvc.identity import customer_hash, partition_of, visitor_hash
from recsvc.service.questions import Question
from recsvc.service.served import ServedList
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.embedded import EmbeddedValkey
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.memory import InMemoryServedLists
from recsvc.store.served_lists import RedisServedLists
from training.drain import SETTLED_MILLISECONDS
from training.purge import purge
from training.served import Kept, ServedFiles, collect_served, forget_older

NOW = datetime.now(UTC)


class Later(RedisServedLists):
    """Lists whose clock can be ahead; a run can be cut off before it trims.

    Attributes:
        ahead: milliseconds, enough for nothing to have to settle.
        may_trim: whether a run gets so far.
    """

    ahead = 2 * SETTLED_MILLISECONDS
    may_trim = True

    def now(self) -> int:
        return super().now() + self.ahead

    def trim(self, partition: int, until: str) -> None:
        if not self.may_trim:
            raise KeyboardInterrupt
        super().trim(partition, until)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[redis.Redis]:
    server = EmbeddedValkey(Path(tmp_path_factory.mktemp("valkey")))
    server.start()
    client = connect(server.url, socket_timeout_seconds=10)
    yield client
    client.close()
    server.stop()


@pytest.fixture
def lists(client: redis.Redis) -> Later:
    client.flushall()
    return Later(GuardedRedis(client, CircuitBreaker()), KeySchema("recsvc"))


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty one."""
    made = Registry(tmp_path / "models")
    made.prepare()
    return made


def served(
    registry: Registry, customer: str = "", visitor: str = "", days: float = 0
) -> ServedList:
    """A list that somebody was served so many days ago."""
    time = (NOW - timedelta(days=days)).timestamp()
    key = registry.secret()
    shopper = customer_hash(key, customer) if customer else ""
    return ServedList(
        recommendation_id=new_recommendation_id(
            ListOrigin(Surface.SIMILAR, int(time)), os.urandom(N_OWN)
        ),
        served_time=time,
        made_time=time,
        surface=Surface.SIMILAR,
        shopper=visitor_hash(key, visitor) if visitor else shopper,
        question=Question(customer_id=customer, visitor_id=visitor),
        about=("milk",),
        version_id="v1",
        product_ids=("tea", "jam"),
        scores=(0.5, 0.25),
    )


def names(lists: Iterator[ServedList]) -> list[str]:
    return sorted(each.recommendation_id for each in lists)


def said(registry: Registry, decision: Decision, *people: str) -> None:
    """Write down what people have decided, after all that was collected."""
    time = datetime.now(UTC) + timedelta(minutes=1)
    registry.ledger.append([LedgerEntry(time, decision, people)])


def test_lists_are_read_back_whole(lists: Later, registry: Registry, tmp_path: Path) -> None:
    """Whoever asked, and what nobody in particular asked for."""
    given = [served(registry, "anna"), served(registry, visitor="v"), served(registry)]
    lists.add(given, heeds=0)

    assert collect_served(lists, tmp_path / "served").n_rows == 3

    files = ServedFiles(tmp_path / "served", registry)
    assert [files.find(each.recommendation_id) for each in given] == given
    assert names(files.every()) == names(iter(given))
    assert files.find(served(registry).recommendation_id) is None


def test_a_run_goes_on_where_the_last_one_ended(
    lists: Later, registry: Registry, tmp_path: Path
) -> None:
    """Each list is in one file, once, and the store keeps it all the same."""
    first, second = served(registry, "anna"), served(registry, "anna")
    lists.add([first], heeds=0)
    collect_served(lists, tmp_path)
    assert collect_served(lists, tmp_path).files == ()
    lists.add([first, second], heeds=0)  # the first one again, as a call that was repeated

    assert collect_served(lists, tmp_path).n_rows == 1

    assert names(ServedFiles(tmp_path, registry).every()) == names(iter([first, second]))
    assert lists.find(first.recommendation_id) == first


def test_a_run_that_was_killed_before_it_trimmed_repeats_nothing(
    lists: Later, registry: Registry, tmp_path: Path
) -> None:
    """The file is the record."""
    lists.add([served(registry, f"c{number}") for number in range(30)], heeds=0)
    lists.may_trim = False
    with pytest.raises(KeyboardInterrupt):
        collect_served(lists, tmp_path)
    lists.may_trim = True

    assert collect_served(lists, tmp_path).n_entries == 0

    assert len(list(ServedFiles(tmp_path, registry).every())) == 30


def test_what_has_just_come_in_is_left_for_the_next_run(
    lists: Later, registry: Registry, tmp_path: Path
) -> None:
    """More may follow within the same millisecond."""
    lists.add([served(registry, "anna")], heeds=0)
    lists.ahead = -60_000
    assert collect_served(lists, tmp_path).n_entries == 0
    lists.ahead = 2 * SETTLED_MILLISECONDS
    assert collect_served(lists, tmp_path).n_entries == 1


def test_what_was_erased_before_it_was_collected_is_in_no_file(
    lists: Later, registry: Registry, tmp_path: Path
) -> None:
    """Its name alone was left, and leaves with the run."""
    own, other = served(registry, "anna"), served(registry, "ben")
    lists.add([own, other], heeds=0)
    lists.erase(own.shopper)

    assert collect_served(lists, tmp_path).n_rows == 1

    assert names(ServedFiles(tmp_path, registry).every()) == [other.recommendation_id]
    assert lists.read(partition_of(own.shopper), "", 10) == []


def test_who_is_erased_leaves_the_files(lists: Later, registry: Registry, tmp_path: Path) -> None:
    """As customer and as visitor: not read from that moment on, and gone with the next purge."""
    own = [served(registry, "anna"), served(registry, visitor="v")]
    other = served(registry, "ben")
    lists.add([*own, other], heeds=0)
    collect_served(lists, tmp_path)
    said(registry, Decision.ERASED, *(each.shopper for each in own))

    files = ServedFiles(tmp_path, registry)
    assert names(files.every()) == [other.recommendation_id]
    assert files.find(own[0].recommendation_id) is None
    assert files.rows()["recommendation_id"].to_list() == [other.recommendation_id]

    assert purge(tmp_path, registry) == 2
    assert pl.read_parquet(tmp_path / "*.parquet")["customer_id"].to_list() == ["ben"]
    assert collect_served(lists, tmp_path).n_entries == 0


def test_lists_of_who_has_come_back_are_read(
    lists: Later, registry: Registry, tmp_path: Path
) -> None:
    """By the clock of Redis, which says when each came and when its store let go of the person."""
    own = served(registry, "anna")
    lists.add([own], heeds=0)
    collect_served(lists, tmp_path)
    (received,) = pl.read_parquet(tmp_path / "*.parquet")["received"]
    said(registry, Decision.ERASED, own.shopper)
    for ahead, found in ((-1, [own.recommendation_id]), (0, [])):
        until = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=received + ahead)
        registry.ledger.append([LedgerEntry(until, Decision.SWEPT, (own.shopper,))])
        assert names(ServedFiles(tmp_path, registry).every()) == found


def test_who_does_not_consent_any_more_is_in_no_report(
    lists: Later, registry: Registry, tmp_path: Path
) -> None:
    """As a visitor either; what others were served is, and what nobody in particular was."""
    own, other, nobody = served(registry, "anna"), served(registry, "ben"), served(registry)
    before, stranger = served(registry, visitor="v"), served(registry, visitor="w")
    lists.add([own, other, nobody, before, stranger], heeds=0)
    collect_served(lists, tmp_path)
    said(registry, Decision.LINKED, before.shopper, own.shopper)
    said(registry, Decision.CONSENT_WITHDRAWN, own.shopper)

    found = ServedFiles(tmp_path, registry).rows()

    assert sorted(found["recommendation_id"]) == names(iter([other, nobody, stranger]))


def test_a_row_says_through_which_door_a_list_was_shown(
    lists: Later, registry: Registry, tmp_path: Path
) -> None:
    """Where the caller has said it: what an agent is given, it need not tell."""
    by_agent = Question(customer_id="anna", channel="AGENT")
    lists.add(
        [replace(served(registry, "anna"), question=by_agent), served(registry, "ben")], heeds=0
    )
    collect_served(lists, tmp_path)

    found = ServedFiles(tmp_path, registry).rows().select("customer_id", "channel")

    assert sorted(found.rows()) == [("anna", "AGENT"), ("ben", None)]


def test_lists_are_kept_for_a_set_time(lists: Later, registry: Registry, tmp_path: Path) -> None:
    """Files that hold nothing else are deleted, but the newest, which says how far a run was."""
    for days in (5, 3, 1):
        lists.add(
            [served(registry, "anna", days=days), served(registry, "ben", days=days + 1)], heeds=0
        )
        collect_served(lists, tmp_path)

    assert forget_older(tmp_path, 3.5, NOW) == 3
    assert [path.name for path in sorted(tmp_path.glob("*.parquet"))] == [
        "live-00000002.parquet",
        "live-00000003.parquet",
    ]
    assert len(list(ServedFiles(tmp_path, registry).every())) == 3

    assert forget_older(tmp_path, 0.5, NOW) == 3
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["live-00000003.parquet"]
    assert collect_served(lists, tmp_path).n_entries == 0


def test_lists_of_store_and_files_are_each_told_once(
    lists: Later, registry: Registry, tmp_path: Path
) -> None:
    """What either has is found."""
    both, old, new = (served(registry, name) for name in ("anna", "ben", "clara"))
    lists.add([both, old], heeds=0)
    collect_served(lists, tmp_path)
    store = InMemoryServedLists()
    store.add([both, new], heeds=0)

    kept = Kept(store, ServedFiles(tmp_path, registry))

    assert names(kept.every()) == names(iter([both, old, new]))
    assert [kept.find(each.recommendation_id) for each in (both, old, new)] == [both, old, new]
    assert names(Kept(store, None).every()) == names(iter([both, new]))
    assert Kept(store, None).find(old.recommendation_id) is None


def test_a_folder_without_served_lists_is_refused(registry: Registry, tmp_path: Path) -> None:
    """One that has events is not taken for them."""
    with pytest.raises(InputError, match="holds no served lists"):
        ServedFiles(tmp_path, registry)
    pl.DataFrame({"event_id": ["e"]}).write_parquet(tmp_path / "live-00000001.parquet")
    with pytest.raises(InputError, match=r"lacks .*record.* give the folder _served"):
        ServedFiles(tmp_path, registry)


def test_a_damaged_list_is_named(lists: Later, registry: Registry, tmp_path: Path) -> None:
    """Rather than passed over."""
    one = served(registry, "anna")
    lists.add([one], heeds=0)
    (path,) = collect_served(lists, tmp_path).files
    pl.read_parquet(path).with_columns(record=pl.lit(b"x")).write_parquet(path)
    with pytest.raises(InputError, match=f"{one.recommendation_id}: .*damaged"):
        list(ServedFiles(tmp_path, registry).every())


def test_a_damaged_file_is_named(lists: Later, registry: Registry, tmp_path: Path) -> None:
    """By whoever meets the damage first."""
    one = served(registry, "anna")
    lists.add([one], heeds=0)
    (path,) = collect_served(lists, tmp_path).files
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"\x28\xb5\x2f\xfd", b"\xff\xff\xff\xff"))  # of packed pages
    said = f"{path.name}: is not a Parquet file, or a damaged one"
    files = ServedFiles(tmp_path, registry)
    with pytest.raises(InputError, match=said):
        files.find(one.recommendation_id)
    with pytest.raises(InputError, match=said):
        files.rows()
    with pytest.raises(InputError, match=said):
        forget_older(tmp_path, 1, NOW)
    path.write_bytes(whole[:-1])
    with pytest.raises(InputError, match=said):
        ServedFiles(tmp_path, registry)


def test_a_page_of_lists_says_where_each_lies(lists: Later, registry: Registry) -> None:
    """So that the next one goes on after it."""
    given = [served(registry, "anna") for _ in range(3)]
    lists.add(given, heeds=0)
    partition = partition_of(given[0].shopper)
    first = lists.read(partition, "", 2)
    assert [each.entry for each in first] == given[:2]
    assert [each.entry for each in lists.read(partition, first[-1].position, 2)] == [given[2]]
