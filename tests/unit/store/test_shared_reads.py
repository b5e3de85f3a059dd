"""Many threads on one connection to a real Valkey, and to what only looks like one."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import redis

from recsvc.store.connection import connect
from recsvc.store.embedded import EmbeddedValkey
from recsvc.store.shared_reads import SharedReads
from tests.serving import wait_until
from tests.stores import running_valkey

N_THREADS = 8
PATIENCE_SECONDS = 10.0
Values = list[list[bytes | None]]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    with running_valkey(tmp_path / "valkey") as own:
        yield own


@contextmanager
def reading(url: str, seconds: float = PATIENCE_SECONDS) -> Iterator[SharedReads]:
    """Reads of a process that has done nothing else."""
    with connect(url, connect_timeout_seconds=seconds, socket_timeout_seconds=seconds) as client:
        yield SharedReads(client)


@contextmanager
def stopped(server: EmbeddedValkey) -> Iterator[None]:
    """A server that answers nothing for a while."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@contextmanager
def answering(path: Path, *answers: bytes, pause_seconds: float = 0.0) -> Iterator[str]:
    """Something else: to the first question of each connection it gives one of the answers.

    Where that is empty it closes the connection instead.
    """
    with ExitStack() as open_until_the_end:
        listening = open_until_the_end.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(str(path))
        listening.listen()

        def serve() -> None:
            for answer in answers:
                connection, _ = listening.accept()
                open_until_the_end.callback(connection.close)
                while b"MGET" not in (asked := connection.recv(65_536)):
                    connection.sendall(b"+OK\r\n" * asked.count(b"CLIENT"))
                if not answer:
                    connection.close()
                size = 1 if pause_seconds else max(1, len(answer))
                with suppress(OSError):  # who asked has left
                    for at in range(0, len(answer), size):
                        connection.sendall(answer[at : at + size])
                        time.sleep(pause_seconds)  # drop by drop

        threading.Thread(target=serve, daemon=True).start()
        yield f"unix://{path}"


def all_ask(reads: SharedReads, names: Sequence[Sequence[str]]) -> list["Future[Values]"]:
    """Each from a thread of its own; returns when all wait."""
    pool = ThreadPoolExecutor(len(names))
    futures = [pool.submit(reads.get, [each]) for each in names]
    pool.shutdown(wait=False)
    time.sleep(0.05)  # that they wait cannot be seen from outside
    return futures


def seconds_to_fail(call: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises((redis.RedisError, OSError)):
        call()
    return time.monotonic() - began


def test_threads_get_their_own_over_one_connection(server: EmbeddedValkey) -> None:
    """Each what it asked for, in its order, and None where there is nothing."""
    with connect(server.url) as writer, reading(server.url) as reads:
        names = [[f"{thread}/{step}" for step in range(20)] for thread in range(N_THREADS)]
        writer.mset({name: f"of {name}" for each in names for name in each})
        writer.client_setname("writer")

        def work(thread: int) -> list[Values]:
            return [reads.get([[name], [name, "none"]]) for name in names[thread]]

        with ThreadPoolExecutor(N_THREADS) as pool:
            found = list(pool.map(work, range(N_THREADS)))
        others = [each for each in writer.client_list() if each["name"] != "writer"]
    wanted = [[f"of {name}".encode() for name in each] for each in names]
    assert found == [[[[value], [value, None]] for value in each] for each in wanted]
    assert len(others) == 1


def test_a_reader_takes_no_connection_of_the_others(server: EmbeddedValkey) -> None:
    """However many read, the client's own calls have the connections that it was given."""
    with connect(server.url, max_connections=1) as client:
        readers = [SharedReads(client) for _ in range(3)]
        client.set("name", b"value")

        assert [reader.get([["name"]]) for reader in readers] == [[[b"value"]]] * 3
        assert client.get("name") == b"value"


def test_what_waits_goes_together(server: EmbeddedValkey) -> None:
    """All who came while the first one waited are answered after it, by one who asks for all."""
    with connect(server.url) as writer, reading(server.url) as reads:
        writer.mset({str(n): str(n) for n in range(N_THREADS)})
        reads.get([["0"]])
        with stopped(server):
            futures = all_ask(reads, [[str(n)] for n in range(N_THREADS)])
            assert not any(future.done() for future in futures)
        assert [future.result() for future in futures] == [
            [[str(n).encode()]] for n in range(N_THREADS)
        ]


def test_what_is_refused_is_its_askers_alone(server: EmbeddedValkey) -> None:
    """Those who were asked for in the same round trip get their answers."""
    with connect(server.url) as writer:
        writer.set("open:1", "1")
        writer.execute_command("ACL", "SETUSER", "shop", "on", ">p", "~open:*", "+@all")
        with reading(f"{server.url}?username=shop&password=p") as reads:
            reads.get([["open:1"]])
            with stopped(server):
                futures = all_ask(reads, [["open:1"], ["open:1"], ["shut"], ["open:1"]])
            with pytest.raises(redis.ResponseError, match="permission"):
                futures[2].result()
            assert [futures[n].result() for n in (0, 1, 3)] == [[[b"1"]]] * 3


def test_a_connection_that_was_closed_meanwhile_is_nobodys_failure(
    server: EmbeddedValkey,
) -> None:
    """The server was killed and is back: the next one to ask notices nothing."""
    with connect(server.url) as writer, reading(server.url) as reads:
        writer.set("kept", "1")
        assert reads.get([["kept"]]) == [[b"1"]]
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        seconds_to_fail(lambda: reads.get([["kept"]]))
        server.start()
        assert reads.get([["kept"]]) == [[b"1"]]
        writer.client_kill_filter(_type="normal", skipme=True)
        assert reads.get([["kept"]]) == [[b"1"]]


def test_silence_is_everybodys_failure_once(server: EmbeddedValkey) -> None:
    """All fail in the time that one is given, and what comes late answers nobody's question."""
    with connect(server.url) as writer, reading(server.url, 0.5) as reads:
        writer.mset({str(n): str(n) for n in range(N_THREADS)})
        reads.get([["0"]])
        with stopped(server):
            began = time.monotonic()
            for future in all_ask(reads, [[str(n)] for n in range(N_THREADS)]):
                with pytest.raises(redis.RedisError):
                    future.result()
            # One after another they would take twice that.
            assert time.monotonic() - began < 0.25 * N_THREADS
        wait_until(writer.ping)
        for n in reversed(range(N_THREADS)):
            assert reads.get([[str(n)]]) == [[str(n).encode()]]


@pytest.mark.parametrize(
    "garbage",
    [
        b"?what\r\n",
        b"$3\r\nabc\r\n",
        b"*1\r\n$1\r\nx\r\n",
        b"+OK\r\n*2\r\n$1\r\nb\r\n$1\r\na\r\n",
        b"",
    ],
)
def test_garbage_is_no_answer(tmp_path: Path, garbage: bytes) -> None:
    """The connection that it came over is given up, and the next one may be better."""
    right = b"*2\r\n$1\r\na\r\n$-1\r\n"
    path = tmp_path / "odd.sock"
    with answering(path, garbage, right) as url, reading(url, 5.0) as reads:
        seconds_to_fail(lambda: reads.get([["a", "b"]]))
        assert reads.get([["a", "b"]]) == [[b"a", None]]


def test_an_answer_drop_by_drop_is_given_up(tmp_path: Path) -> None:
    """Though none of its drops comes too late."""
    drops = b"*1\r\n$1\r\na\r\n" * 40
    path = tmp_path / "slow.sock"
    with answering(path, drops, pause_seconds=0.01) as url, reading(url, 0.3) as reads:
        assert seconds_to_fail(lambda: reads.get([["a"]] * 40)) < 1.0


def test_who_is_not_there_is_a_failure(tmp_path: Path) -> None:
    """Of each who asks, again and again."""
    with reading(f"unix://{tmp_path}/nobody.sock") as reads:
        for _ in range(3):
            assert seconds_to_fail(lambda: reads.get([["a"]])) < 1.0
