"""The agents' door before strangers: who says nothing, asks too much, or too often."""

import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx2
import jwt
import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from recsvc.agents.connections import MAX_CALLS, MAX_CONNECTIONS, REQUEST_SECONDS
from recsvc.agents.transports import MAX_BODY_BYTES, MAX_HEADER_BYTES
from tests.agents import MODES, over_http, refused
from tests.serving import LocalServer, local_server, small_registry

SECRET = "s" * 32
ACCEPT = {"Accept": "application/json, text/event-stream"}
HALF_HEAD = b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:1\r\nX-Half"
HALF_BODY = (
    b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:1\r\nAccept: application/json, text/event-stream\r\n"
    b'Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"jsonrpc"'
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    root = small_registry(tmp_path_factory.mktemp("crowd")).root
    with local_server(root) as running:
        yield running


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("door") / "log"


@pytest.fixture(scope="module")
def door(server: LocalServer, log: Path) -> Iterator[str]:
    """One for anybody."""
    with over_http(log, "--target", server.target) as url:
        yield url


def request_of(method: str, **params: object) -> dict[str, object]:
    """One of the older revision, which needs nothing before it."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


LIST = json.dumps(request_of("tools/list"))


def listing(url: str, bearer: str = "", **headers: str) -> httpx2.Response:
    """What is answered to a call for the tools."""
    shown = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return httpx2.post(url, json=request_of("tools/list"), headers=ACCEPT | shown | headers)


def token(subject: str) -> str:
    claims = {"sub": subject, "exp": int(time.time()) + 600}
    return jwt.encode(claims, SECRET, "HS256")


def opened(url: str, sends: bytes) -> socket.socket:
    """A connection on which so much is said, and no more."""
    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=5)
    connection.sendall(sends)
    return connection


def is_closed(connection: socket.socket) -> bool:
    """Whether the door has hung up by now."""
    connection.settimeout(0)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def is_cut(connection: socket.socket) -> bool:
    """Whether the door hears no more of it, whatever there is to read."""
    connection.settimeout(0)
    try:
        connection.send(b" ")
    except BlockingIOError:
        return False
    except (ConnectionResetError, BrokenPipeError):
        return True
    return False


def soon(is_so: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes true in time."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def n_open(connections: Sequence[socket.socket]) -> int:
    return sum(not is_closed(connection) for connection in connections)


def test_a_crowd_that_says_nothing_is_shown_out(door: str, log: Path) -> None:
    """No more come in than there is room for; others are told so; and then there is room again."""
    with ExitStack() as stack:

        def come(said: Sequence[bytes]) -> list[socket.socket]:
            return [stack.enter_context(closing(opened(door, one))) for one in said]

        crowd = come([HALF_BODY, b""] * 100 + [HALF_HEAD] * (MAX_CALLS - 202))
        assert listing(door).is_success
        crowd += come([b""] * 2)
        assert listing(door).status_code == httpx2.codes.SERVICE_UNAVAILABLE
        assert soon(lambda: "door_full" in log.read_text(), 5)

        crowd += come([b"", HALF_HEAD] * ((MAX_CONNECTIONS - MAX_CALLS) // 2))
        more = come([b""] * 20)
        assert soon(lambda: n_open(more) == 0, 5)
        assert n_open(crowd) == MAX_CONNECTIONS

        assert soon(lambda: n_open(crowd) == 0, REQUEST_SECONDS + 10)
        assert listing(door).status_code == httpx2.codes.OK
    assert "Traceback" not in log.read_text()


def test_a_piece_of_a_request_buys_no_time(door: str) -> None:
    """Who sends a byte a second is shown out as who sends none; who asks each second is kept."""
    regular = HTTPConnection(urlsplit(door).netloc, timeout=5)
    regular.connect()
    regular.auto_open = 0  # one that was lost is not made anew
    with closing(regular), closing(opened(door, HALF_HEAD)) as trickle:
        until = time.monotonic() + REQUEST_SECONDS + 10
        while not is_closed(trickle) and time.monotonic() < until:
            trickle.sendall(b"x")
            regular.request("POST", "/mcp", LIST, ACCEPT | {"Content-Type": "application/json"})
            assert json.load(regular.getresponse())["result"]["tools"]
            time.sleep(1)
        assert time.monotonic() < until
        time.sleep(2)
        regular.request("POST", "/mcp", LIST, ACCEPT | {"Content-Type": "application/json"})
        assert regular.getresponse().read()


def test_who_takes_no_answer_is_shown_out(door: str) -> None:
    """However much was asked before: nothing that is left unread keeps a place."""
    body = LIST.encode()
    whole = HALF_BODY.replace(b"Length: 100", f"Length: {len(body)}".encode())
    whole = whole.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + body
    parts = urlsplit(door)
    with socket.socket() as unread:
        unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        unread.connect((parts.hostname, parts.port))
        unread.sendall(whole * 600)
        time.sleep(5)
        assert not is_cut(unread)
        assert soon(lambda: is_cut(unread), 2 * REQUEST_SECONDS)


def test_half_a_request_holds_up_no_end(server: LocalServer, tmp_path: Path) -> None:
    """It is cut, and the door ends well."""
    with ExitStack() as stack:
        with over_http(tmp_path / "log", "--target", server.target) as url:
            half = stack.enter_context(closing(opened(url, HALF_BODY)))
            assert listing(url).status_code == httpx2.codes.OK
            assert not is_closed(half)
            left = time.monotonic()
        assert time.monotonic() - left < 5
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_nobody_holds_a_stream_on_which_nothing_comes(door: str) -> None:
    """The older revision may ask for one; the protocol lets a server have none."""
    answer = httpx2.get(door, headers={"Accept": "text/event-stream"})
    assert answer.status_code == httpx2.codes.METHOD_NOT_ALLOWED
    assert answer.headers["allow"] == "POST"


def test_requests_have_bounds_that_the_longest_keep(door: str) -> None:
    """All that the tools take passes; beyond it nothing is read."""
    ids = [f"{number:0256}" for number in range(600)]
    longest = request_of(
        "tools/call",
        name="recommend_products",
        arguments={"exclude": ids[:500], "basket": ids[500:]},
    )
    assert len(json.dumps(longest)) < MAX_BODY_BYTES
    answer = httpx2.post(door, json=longest, headers=ACCEPT)
    assert answer.status_code == httpx2.codes.OK
    assert not answer.json()["result"].get("isError")

    longer = request_of("tools/list", padding="x" * MAX_BODY_BYTES)
    answer = httpx2.post(door, json=longer, headers=ACCEPT)
    assert answer.status_code == httpx2.codes.CONTENT_TOO_LARGE
    assert listing(door, **{"X-Long": "x" * (MAX_HEADER_BYTES // 2)}).is_success
    with closing(opened(door, HALF_HEAD + b"x" * MAX_HEADER_BYTES)) as endless:
        assert endless.recv(20).startswith(b"HTTP/1.1 400")


def test_each_address_has_a_rate(server: LocalServer, tmp_path: Path) -> None:
    """Where nobody says who they are; beyond it the answer says when to come back."""
    with over_http(tmp_path / "log", "--target", server.target, RECSVC_RATE_LIMIT="0.0025") as url:
        assert listing(url).status_code == httpx2.codes.OK
        answer = listing(url)
        assert answer.status_code == httpx2.codes.TOO_MANY_REQUESTS
        seconds = int(answer.headers["retry-after"])
        assert 60 <= seconds <= 151
        assert answer.json()["error"]["message"].endswith(f"ask again in {seconds} s")
        # Of a proxy on this machine it is believed whose a request is.
        assert listing(url, **{"X-Forwarded-For": "192.0.2.7"}).is_success


def test_each_subject_has_a_rate_wherever_it_is(server: LocalServer, tmp_path: Path) -> None:
    """Where tokens say who they are; who shows none that is good is counted by address."""
    rules = {"RECSVC_RATE_LIMIT": "0.0025", "RECSVC_JWT_SECRET": SECRET}
    with over_http(tmp_path / "log", "--target", server.target, **rules) as url:
        subjects = ["anna", "clara", "anna"]
        answers = [listing(url, token(subject)).status_code for subject in subjects]
        assert answers == [200, 200, 429]
        strangers = [listing(url, bearer).status_code for bearer in ("nonsense", "", "guess")]
        assert strangers == [401, 429, 429]


@pytest.mark.parametrize("mode", MODES)
def test_an_agent_that_asks_too_often_is_told_so(
    server: LocalServer, tmp_path: Path, mode: str
) -> None:
    """In the protocol's own words, by the SDK's client; and is served again after a while."""
    said: list[str] = []

    async def ask(client: Client) -> None:
        try:
            await client.call_tool("find_stores", {"text": "york"})
        except MCPError as error:
            said.append(str(error))

    async def crowd(url: str) -> None:
        async with Client(url, mode=mode) as client:
            async with anyio.create_task_group() as tasks:
                for _ in range(40):
                    tasks.start_soon(ask, client)
            await anyio.sleep(2)
            assert refused(await client.call_tool("buy_again", {})).startswith("customer: nobody")

    with over_http(tmp_path / "log", "--target", server.target, RECSVC_RATE_LIMIT="2") as url:
        anyio.run(crowd, url)
    assert said
    assert all(one.startswith("too many requests; ask again in ") for one in said)


@pytest.mark.parametrize("mode", MODES)
def test_an_agent_that_may_ask_once_a_second_can(
    server: LocalServer, tmp_path: Path, mode: str
) -> None:
    """Which takes several requests over HTTP, all at once."""

    async def ask(url: str) -> str:
        async with Client(url, mode=mode) as client:
            await client.list_tools()
            return refused(await client.call_tool("buy_again", {}))

    with over_http(tmp_path / "log", "--target", server.target, RECSVC_RATE_LIMIT="1") as url:
        assert anyio.run(ask, url).startswith("customer: nobody")


def test_what_follows_an_early_answer_leaves_no_trace(door: str, log: Path) -> None:
    """Such as nonsense in place of the rest of a request whose path is unknown."""
    begun = b"POST /nothing HTTP/1.1\r\nHost: 127.0.0.1:1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with closing(opened(door, begun)) as connection:
        assert connection.recv(20).startswith(b"HTTP/1.1 404")
        connection.sendall(b"zz\r\n")
        assert soon(lambda: is_cut(connection), 5)
    assert listing(door).is_success
    assert "Traceback" not in log.read_text()
