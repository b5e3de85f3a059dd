"""What every ``Tables`` promises, over each adapter; Redis is a real embedded Valkey."""

import math
import uuid
from itertools import permutations

import pytest
import redis

from recsvc.errors import StoreUnavailableError
from recsvc.service.selling import Changes
from recsvc.store import tables as module
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.tables import Kept, RedisTables, Row, Tables
from tests.stores import Stores

FOREVER = math.inf
ODD = ("", " ", "a b", "é\U0001f6d2", "\0", "x\n", "n", "{p:07}", "*", "0", "x" * 1_000)
"""Names that mean something to a store, or look as if they did."""


@pytest.fixture
def tables(stores: Stores) -> Tables:
    return stores.tables


def write(tables: Tables, *names: str, shown: bytes = b"1") -> None:
    """Write rows one call each, so that they are written one after another."""
    for name in names:
        tables.put("t", [Row(name, shown)])


def since(tables: Tables, known: int) -> Changes[Kept]:
    return tables.changes("t", known, FOREVER)


def shown(changes: Changes[Kept]) -> dict[str, bytes]:
    return {name: kept.shown for name, kept in changes.rows.items()}


def kept(tables: Tables, name: str) -> Kept:
    (found,) = tables.get("t", [name])
    assert found is not None
    return found


def test_rows_come_back(tables: Tables) -> None:
    """Both parts of each, in the order asked; None for what was never written."""
    rows = [Row("a", b"shown", b"hidden"), Row("b", b"", b"\0"), Row("c", b"\xff" * 300)]
    assert tables.put("t", rows)[0] == [True, True, True]
    found = tables.get("t", ["b", "nothing", "a", "c", "a"])
    assert [one and (one.shown, one.hidden) for one in found] == [
        (b"", b"\0"),
        None,
        (b"shown", b"hidden"),
        (b"\xff" * 300, b""),
        (b"shown", b"hidden"),
    ]
    assert tables.get("t", []) == []
    assert tables.get("other", ["a"]) == [None]


def test_nothing_written_is_the_beginning(tables: Tables) -> None:
    """Revision 0 without rows, as of a moment; it is no news."""
    found = since(tables, 0)
    assert (found.revision, dict(found.rows), found.is_whole) == (0, {}, False)
    assert found.as_of > 1_700_000_000_000


def test_the_last_word_counts_and_the_first_time_stays(tables: Tables) -> None:
    """A row that is written again is another, as old as it was."""
    written_at = tables.put("t", [Row("a", b"1", b"x")])[1]
    stamp = kept(tables, "a").stamp
    assert stamp // 1_000 == written_at
    assert tables.put("t", [Row("a", b"2")])[0] == [True]
    assert kept(tables, "a") == Kept(b"2", b"", stamp)


@pytest.mark.parametrize("order", list(permutations([1, 2, 3])))
def test_the_newest_stamp_wins_in_whatever_order(tables: Tables, order: tuple[int, ...]) -> None:
    """What is older is said not to be applied, whether in one call or in several."""
    applied = []
    for stamp in order:
        applied += tables.put("t", [Row("several", b"%d" % stamp, stamp=stamp)])[0]
    at_once, _ = tables.put("t", [Row("one", b"%d" % stamp, stamp=stamp) for stamp in order])
    expected = [stamp > max(order[:at], default=0) for at, stamp in enumerate(order)]
    assert applied == at_once == expected
    assert tables.get("t", ["several", "one"]) == [Kept(b"3", b"", 3)] * 2


def test_an_equal_stamp_changes_nothing(tables: Tables) -> None:
    """Not even with other content; and it is no change for who follows."""
    latest = 2**52 + 1  # microseconds of the year 2112
    tables.put("t", [Row("a", b"1", b"x", latest)])
    revision = since(tables, 0).revision
    again = [Row("a", b"2", b"y", latest), Row("a", b"3", b"z", latest - 1)]
    assert tables.put("t", again)[0] == [False, False]
    assert kept(tables, "a") == Kept(b"1", b"x", latest)
    assert since(tables, revision).revision == revision


def test_only_what_changed_is_read(tables: Tables) -> None:
    """As it is now, each once; and to who knows all of it nothing."""
    write(tables, "a", "b", "c")
    known = since(tables, 0).revision
    write(tables, "b", "d", shown=b"2")
    write(tables, "b", shown=b"3")
    found = since(tables, known)
    assert shown(found) == {"b": b"3", "d": b"2"}
    assert not found.is_whole
    assert found.revision > known
    later = since(tables, found.revision)
    assert (later.revision, dict(later.rows), later.is_whole) == (found.revision, {}, False)
    assert later.as_of >= found.as_of > 0


def test_all_rows_come_in_the_order_of_their_first_writing(tables: Tables) -> None:
    """Whatever was written again since, and whatever their names."""
    write(tables, "c", "a", "b")
    write(tables, "a", "d", shown=b"2")
    assert list(since(tables, 0).rows) == ["c", "a", "b", "d"]


def test_rows_of_one_call_come_in_the_order_of_the_call(tables: Tables) -> None:
    """To who follows; their order in a whole reading is one that every process finds."""
    write(tables, "first")
    known = since(tables, 0).revision
    tables.put("t", [Row("c", b""), Row("a", b""), Row("b", b"")])
    assert list(since(tables, known).rows) == ["c", "a", "b"]


def test_what_shows_no_difference_is_no_change(tables: Tables) -> None:
    """An equal row, a hidden part, or a newer stamp alone are kept, and nobody reads on."""
    tables.put("t", [Row("a", b"1", b"x"), Row("s", b"1", b"x", stamp=1)])
    known = since(tables, 0).revision
    tables.put("t", [Row("a", b"1", b"x"), Row("s", b"1", b"x", stamp=2)])
    assert tables.put("t", [Row("a", b"1", b"y"), Row("s", b"1", b"yy", stamp=3)])[0] == [True] * 2
    assert (kept(tables, "a").hidden, kept(tables, "s")) == (b"y", Kept(b"1", b"yy", 3))
    assert since(tables, known).revision == known
    # Where one part ends counts, not only what both hold together.
    tables.put("t", [Row("a", b"1y", b"")])
    assert shown(since(tables, known)) == {"a": b"1y"}


def test_a_name_may_be_anything(tables: Tables) -> None:
    """It is the shop's own text; so is the name of a table after its colon."""
    tables.put("t", [Row(name, name.encode()) for name in ODD])
    assert shown(since(tables, 0)) == {name: name.encode() for name in ODD}
    found = tables.get("t", ODD)
    assert [one and one.shown for one in found] == [name.encode() for name in ODD]
    for name in ODD:
        tables.put(f"stock:{name}", [Row("p", name.encode())])
    for name in ODD:
        assert shown(tables.changes(f"stock:{name}", 0, FOREVER)) == {"p": name.encode()}


def test_a_write_is_known_to_who_reads_as_of_later(tables: Tables) -> None:
    """Both moments are of one clock."""
    before = since(tables, 0).as_of
    written_at = tables.put("t", [Row("a", b"")])[1]
    assert before <= written_at <= since(tables, 0).as_of


@pytest.fixture
def keys() -> KeySchema:
    return KeySchema(f"test-{uuid.uuid4().hex}")


@pytest.fixture
def shared(client: redis.Redis, keys: KeySchema) -> RedisTables:
    """Tables that processes share."""
    return RedisTables(GuardedRedis(client, CircuitBreaker()), keys)


def test_who_is_too_far_behind_reads_all_of_it(
    shared: RedisTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table remembers its latest changes only; who has the others reads on as ever."""
    monkeypatch.setattr(module, "N_REMEMBERED", 10)
    write(shared, "a", "b")
    known = since(shared, 0).revision
    # Redis forgets in lumps of a hundred.
    for number in range(3):
        shared.put("t", [Row("b", b"%d %d" % (number, n)) for n in range(100)])
    behind = since(shared, known)
    assert behind.is_whole
    assert shown(behind) == {"a": b"1", "b": b"2 99"}
    assert behind.revision > known
    near = since(shared, behind.revision - 5)
    assert (shown(near), near.is_whole) == ({"b": b"2 99"}, False)


def test_a_table_that_was_emptied_is_noticed(
    shared: RedisTables, keys: KeySchema, client: redis.Redis
) -> None:
    """By who knew something of it: there is nothing, and that is all. Then by who knew that."""
    write(shared, "a", "b")
    known = since(shared, 0).revision
    client.delete(keys.rows("t"), keys.changes("t"))
    emptied = since(shared, known)
    assert (emptied.revision, dict(emptied.rows), emptied.is_whole) == (0, {}, True)
    assert emptied.as_of > 0
    write(shared, "c")
    for one in (since(shared, known), since(shared, 0)):  # who missed it, and who did not
        assert (shown(one), one.is_whole) == ({"c": b"1"}, True)
        assert one.revision > known
    again = since(shared, 0).revision
    write(shared, "d")
    assert shown(since(shared, again)) == {"d": b"1"}


def test_many_changes_come_step_by_step(
    shared: RedisTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that Redis is never busy for long; the moment is known with the last step only."""
    write(shared, "a")
    known = since(shared, 0).revision
    shared.put("t", [Row(f"{n:02}", b"") for n in range(25)])
    monkeypatch.setattr(module, "BATCH", 10)
    steps = [since(shared, known)]
    while not steps[-1].as_of:
        steps.append(since(shared, steps[-1].revision))
    assert [len(step.rows) for step in steps] == [10, 10, 5]
    assert [name for step in steps for name in step.rows] == [f"{n:02}" for n in range(25)]
    assert steps[-1].revision == since(shared, 0).revision > known
    assert not any(step.is_whole for step in steps)


def test_a_whole_reading_ends_with_the_time(
    shared: RedisTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cannot wait for all of a large table gets none of it; who can gets every row."""
    names = [f"{n:03}" for n in range(200)]
    shared.put("t", [Row(name, b"x" * 200) for name in names])  # too large for Redis's small form
    monkeypatch.setattr(module, "BATCH", 10)
    with pytest.raises(StoreUnavailableError, match="no time to read all of 't'"):
        shared.changes("t", 0, 0.0)
    assert list(since(shared, 0).rows) == names


def test_tables_over_one_redis_are_one(
    shared: RedisTables, client: redis.Redis, keys: KeySchema
) -> None:
    """Another process follows what this one writes, stamps and refusals included."""
    other = RedisTables(GuardedRedis(client, CircuitBreaker()), keys)
    shared.put("t", [Row("a", b"1", stamp=5)])
    known = since(other, 0).revision
    assert other.put("t", [Row("a", b"2", stamp=4)])[0] == [False]
    assert other.put("t", [Row("a", b"3", stamp=6)])[0] == [True]
    assert shown(since(shared, known)) == {"a": b"3"}


def test_changes_without_a_chain_are_read_whole(
    shared: RedisTables, keys: KeySchema, client: redis.Redis
) -> None:
    """As an earlier version wrote them: nothing is missed, and nothing fails."""
    write(shared, "a")
    known = since(shared, 0).revision
    client.hset(keys.rows("t"), "b", bytes(7) + Row("b", b"1").value)
    client.xadd(keys.changes("t"), {"n": "b"}, id=f"{known + 1}-0")
    found = since(shared, known)
    assert (found.is_whole, shown(found), found.revision) == (
        True,
        {"a": b"1", "b": b"1"},
        known + 1,
    )
