"""What processes tell each other through a real Valkey."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from recsvc.core.live import Act
from recsvc.core.places import Location
from recsvc.errors import StoreUnavailableError
from recsvc.service.ports import Person
from recsvc.service.shopping import Shopper
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.embedded import EmbeddedValkey
from recsvc.store.event_log import RedisEventLog
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.log_limits import LogLimits
from recsvc.store.people import RedisPeople
from recsvc.store.shopper_changes import PING_SECONDS, RedisShopperChanges
from tests.serving import Log, wait_until
from tests.shoppers import ANNA, BEN, GUEST, T0, event
from tests.stores import running_valkey


class Ear:
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.dropped: list[str] = []
        self.heard_at: list[float] = []
        self.delays: list[float] = []
        self.n_lost = 0

    def drop(self, shopper: str) -> None:
        self.dropped.append(shopper)

    def heard(self, as_of: float) -> None:
        self.heard_at.append(as_of)
        self.delays.append(time.monotonic() - as_of)

    def lost(self) -> None:
        self.n_lost += 1


@contextmanager
def listening(url: str, keys: KeySchema, log: Log | None = None) -> Iterator[Ear]:
    """Another process, as far as it listens."""
    ear = Ear()
    client = connect(url, max_connections=1)
    changes = RedisShopperChanges(client, keys, ear, (log or Log()).logger)
    changes.start()
    try:
        yield ear
    finally:
        changes.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as own:
        yield own


@pytest.fixture
def client(server: EmbeddedValkey) -> Iterator[redis.Redis]:
    with connect(server.url, socket_timeout_seconds=5.0) as own:
        yield own


AT_ONCE: Any = {"durable": False, "heeds": 0}
MOVED = Person(home=Location(store_id="y"))

Write = Callable[[RedisEventLog, RedisPeople], object]


@pytest.mark.parametrize(
    ("write", "named"),
    [
        (
            lambda log, _: log.append([event("e1"), event("e2", BEN)], durable=False, heeds=0),
            {ANNA, BEN},
        ),
        (lambda log, _: log.erase(ANNA.key, 1), {ANNA}),
        (lambda log, _: log.hand_over(GUEST, ANNA, T0, 0), {GUEST, ANNA}),
        (
            lambda _, people: people.put(ANNA.key, Person(home=Location(store_id="y")), heeds=0),
            {ANNA},
        ),
        (lambda _, people: people.put(ANNA.key, Person(updated=2.0), Person(), heeds=0), {ANNA}),
    ],
)
def test_whoever_writes_names_the_shopper(
    server: EmbeddedValkey, client: redis.Redis, keys: KeySchema, write: Write, named: set[Shopper]
) -> None:
    """To every other process, and to its own at once."""
    told: list[str] = []
    guarded = GuardedRedis(client, CircuitBreaker())
    log = RedisEventLog(guarded, keys, LogLimits(), changed=told.append)
    people = RedisPeople(guarded, keys, told.append)
    log.append([event("before", GUEST)], durable=False, heeds=0)
    with listening(server.url, keys) as one, listening(server.url, keys) as other:
        wait_until(lambda: bool(one.heard_at) and bool(other.heard_at))
        told.clear()
        write(log, people)
        expected = {shopper.key for shopper in named}
        assert set(told) == expected
        wait_until(lambda: set(one.dropped) == set(other.dropped) == expected)
    assert one.n_lost == 1  # as it ended


def test_who_still_listens_keeps_the_connection(server: EmbeddedValkey, keys: KeySchema) -> None:
    """An end that is told and not waited for takes it away from nobody."""
    ear, log = Ear(), Log()
    client = connect(server.url, max_connections=1)
    changes = RedisShopperChanges(client, keys, ear, log.logger)
    changes.start()
    wait_until(lambda: bool(ear.heard_at))
    changes.stop(0.0)
    changes.stop()
    assert ear.n_lost == 1
    assert log.lines("changes_not_heard") == []


def test_who_did_much_is_named_once(
    server: EmbeddedValkey, client: redis.Redis, keys: KeySchema
) -> None:
    """Of what was written in one step."""
    log = RedisEventLog(GuardedRedis(client, CircuitBreaker()), keys, LogLimits())
    with listening(server.url, keys) as ear:
        wait_until(lambda: bool(ear.heard_at))
        log.append([event(f"e{n}") for n in range(3)], **AT_ONCE)
        client.publish(keys.changed, "end")
        wait_until(lambda: "end" in ear.dropped)
        assert ear.dropped == [ANNA.key, "end"]


def test_what_shapes_no_list_is_not_told(
    server: EmbeddedValkey, client: redis.Redis, keys: KeySchema
) -> None:
    """Something seen, and an event that was known before."""
    told: list[str] = []
    log = RedisEventLog(
        GuardedRedis(client, CircuitBreaker()), keys, LogLimits(), changed=told.append
    )
    log.append([event("e1")], durable=False, heeds=0)
    told.clear()
    with listening(server.url, keys) as ear:
        wait_until(lambda: bool(ear.heard_at))
        log.append([event("e1"), event("e2", act=Act.IMPRESSION)], durable=False, heeds=0)
        n_heard = len(ear.heard_at)
        wait_until(lambda: len(ear.heard_at) > n_heard + 1)
        assert (told, ear.dropped) == ([], [])


def test_who_publishes_must_be_allowed_to(client: redis.Redis, server: EmbeddedValkey) -> None:
    """Else nothing is written: a list that nobody was told of would be given for a minute."""
    keys = KeySchema("acl")
    client.execute_command("ACL", "SETUSER", "deaf", "on", ">pass", "~*", "+@all", "resetchannels")
    url = server.url.replace("unix://", "unix://deaf:pass@")
    with connect(url, socket_timeout_seconds=5.0) as deaf:
        log = RedisEventLog(GuardedRedis(deaf, CircuitBreaker()), keys, LogLimits())
        with pytest.raises(StoreUnavailableError, match="refused"):
            log.append([event("e1")], durable=False, heeds=0)
        with pytest.raises(StoreUnavailableError, match="refused"):
            RedisPeople(GuardedRedis(deaf, CircuitBreaker()), keys).put(ANNA.key, Person(), heeds=0)
    assert client.keys("acl:*") == []


def test_a_line_that_breaks_is_lost_and_taken_up_again(
    server: EmbeddedValkey, client: redis.Redis, keys: KeySchema
) -> None:
    """What was told between is missed, and whoever listens knows that."""
    log = Log()
    with listening(server.url, keys, log) as ear:
        wait_until(lambda: bool(ear.heard_at))
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        wait_until(lambda: ear.n_lost == 1)
        n_heard = len(ear.heard_at)
        wait_until(lambda: len(ear.heard_at) > n_heard)
        client.publish(keys.changed, "someone")
        wait_until(lambda: ear.dropped == ["someone"])
    wait_until(lambda: bool(log.lines("changes_heard_again")))
    assert len(log.lines("changes_not_heard")) == 1


def test_what_is_no_text_names_nobody(
    server: EmbeddedValkey, client: redis.Redis, keys: KeySchema
) -> None:
    """Anybody may have said it, and whoever is named after it is heard of."""
    with listening(server.url, keys) as ear:
        wait_until(lambda: bool(ear.heard_at))
        client.publish(keys.changed, b"\xff\xfe")
        client.publish(keys.changed, "someone")
        wait_until(lambda: "someone" in ear.dropped)
        assert ear.n_lost == 0


def refuse_anew(listening_on: socket.socket) -> None:
    """Refuse every command, each connection in other words, until the socket is closed."""
    n_refused = 0
    with suppress(OSError):
        while True:
            with listening_on.accept()[0] as link:
                n_refused += 1
                while said := link.recv(4096):
                    link.sendall(b"-ERR refused %d\r\n" % n_refused * said.count(b"*"))


def test_an_outage_is_told_once(tmp_path: Path, keys: KeySchema) -> None:
    """Though it is told in other words at each attempt."""
    path, log = tmp_path / "other.sock", Log()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        threading.Thread(target=refuse_anew, args=(other,), daemon=True).start()
        with listening(f"unix://{path}", keys, log) as ear:
            wait_until(lambda: ear.n_lost >= 3)
        other.shutdown(socket.SHUT_RDWR)
    (line,) = log.lines("changes_not_heard")
    assert "refused 1" in line["error"]


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, keys: KeySchema) -> None:
    """It took the connection, and what is told there may never arrive."""
    path = tmp_path / "silent.sock"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with listening(f"unix://{path}", keys) as ear:
            wait_until(lambda: ear.n_lost > 0)
            assert ear.heard_at == []


def test_a_line_that_falls_silent_is_given_up(
    server: EmbeddedValkey, client: redis.Redis, keys: KeySchema
) -> None:
    """Nothing counts as heard that was not answered."""
    with listening(server.url, keys) as ear:
        wait_until(lambda: bool(ear.heard_at))
        client.execute_command("CLIENT", "PAUSE", 3_000, "ALL")
        paused_at = time.monotonic()
        wait_until(lambda: ear.n_lost == 1)
        assert max(ear.heard_at) <= paused_at
        client.execute_command("CLIENT", "UNPAUSE")


def test_what_was_heard_is_as_old_as_the_question(
    server: EmbeddedValkey, client: redis.Redis, keys: KeySchema
) -> None:
    """However late the answer comes: what was published after the question may be behind it."""

    def is_heard_late() -> bool:
        client.execute_command("CLIENT", "PAUSE", 600, "ALL")
        client.ping()  # waits as long as the others
        return max(ear.delays) > PING_SECONDS

    with listening(server.url, keys) as ear:
        wait_until(lambda: bool(ear.heard_at))
        wait_until(is_heard_late)


def test_no_server_is_told_once(tmp_path: Path, keys: KeySchema) -> None:
    log = Log()
    with listening(f"unix://{tmp_path}/nobody.sock", keys, log) as ear:
        wait_until(lambda: ear.n_lost >= 2)
    assert len(log.lines("changes_not_heard")) == 1


def test_it_ends_when_it_is_told_to(server: EmbeddedValkey, keys: KeySchema) -> None:
    with listening(server.url, keys) as ear:
        wait_until(lambda: bool(ear.heard_at))
    assert "shopper-changes" not in {thread.name for thread in threading.enumerate()}
