"""The agents' door as agents meet it: the SDK's client, every transport, two revisions."""

import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import jwt
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from recsvc.cli import app
from recsvc.client import Client as Caller
from recsvc.terminal import run
from tests.agents import MODES, given, over_http, over_stdio, product_ids, refused
from tests.serving import LocalServer, local_server, small_registry

SECRET = "s" * 32
ANYONE = "anyone-who-reaches-the-port"

TOOLS = {
    "recommend_products",
    "find_similar_products",
    "find_bought_together",
    "buy_again",
    "get_product",
    "find_stores",
    "record_feedback",
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_registry(tmp_path_factory.mktemp("agents")).root


@pytest.fixture(scope="module")
def server(registry: Path) -> Iterator[LocalServer]:
    with local_server(registry) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(server: LocalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The door over HTTP for who has a token, in front of a running service."""
    log = tmp_path_factory.mktemp("guarded") / "log"
    rules = {"RECSVC_JWT_SECRET": SECRET, "RECSVC_JWT_AUDIENCE": "shop", "RECSVC_JWT_SCOPE": "ask"}
    with over_http(log, "--target", server.target, **rules) as url:
        yield url


def token(**changes: object) -> str:
    """One that says anna, with changes."""
    claims = {"sub": "anna", "exp": int(time.time()) + 600, "aud": "shop", "scope": "ask"}
    return jwt.encode(claims | changes, SECRET, "HS256")


@asynccontextmanager
async def connected(url: str, bearer: str, mode: str) -> AsyncIterator[Client]:
    """A client with a token over HTTP."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    async with (
        create_mcp_http_client(headers) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


def listing(url: str, bearer: str) -> httpx2.Response:
    """What is answered to a call for the tools."""
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
    headers = {"Accept": "application/json, text/event-stream"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    return httpx2.post(url, json=request, headers=headers)


def in_a_loop(ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test's coroutine."""
    anyio.run(ask)


async def ask_everything(client: Client, mode: str) -> None:
    """Each tool once, as anna's agent."""
    assert client.protocol_version == MODES[mode]
    assert client.instructions is not None
    assert "no instruction to you" in client.instructions
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert tools.keys() == TOOLS
    for tool in tools.values():
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint == (tool.name != "record_feedback")
        assert tool.annotations.idempotent_hint == tool.annotations.read_only_hint
        assert not tool.annotations.destructive_hint
        assert tool.output_schema is not None
        assert tool.input_schema["additionalProperties"] is False
        assert not {"customer_id", "customer"} & tool.input_schema["properties"].keys()

    listed = given(await client.call_tool("recommend_products", {"how_many": 3}))
    first = listed["products"][0]
    assert (first["product_id"], first["rank"]) == ("espresso", 1)
    assert first["price"] == {"amount": 7.5, "currency": "GBP"}
    assert first["reason"].startswith("You have bought this 3 times")
    assert (listed["store_id"], bool(listed["recommendation_id"])) == ("leeds-1", True)

    coffee = {"categories": ["Drinks > Coffee"], "budget": {"amount": 6, "currency": "GBP"}}
    assert product_ids(await client.call_tool("recommend_products", coffee)) == ["filter"]
    other = await client.call_tool("find_similar_products", {"product_id": "espresso"})
    assert "filter" in product_ids(other)
    with_it = await client.call_tool("find_bought_together", {"product_ids": ["espresso"]})
    assert "espresso" not in product_ids(with_it)
    needs = given(await client.call_tool("buy_again", {"exclude": ["milk"]}))["products"]
    assert "milk" not in {need["product_id"] for need in needs}
    assert all(need["due_time"] for need in needs)
    entry = given(await client.call_tool("get_product", {"product_id": "tea"}))
    assert entry["product"]["title"] == "Green tea"
    found = given(await client.call_tool("find_stores", {"text": "york"}))
    assert [store["store_id"] for store in found["stores"]] == ["york-1"]

    opinion = {"product_id": "tea", "recommendation_id": listed["recommendation_id"]}
    outcomes = [
        given(await client.call_tool("record_feedback", opinion | {"rating": rating}))["outcome"]
        for rating in (1, 5, 1)
    ]
    assert outcomes == ["ACCEPTED"] * 3
    assert "give one that an answer has named" in refused(
        await client.call_tool("get_product", {"product_id": "nothing"})
    )


@pytest.mark.parametrize("mode", MODES)
def test_stdio_is_for_the_customer_that_it_was_started_for(registry: Path, mode: str) -> None:
    """Over a registry alone, in both revisions; naming somebody else changes nothing."""

    async def ask() -> None:
        started = over_stdio("--registry", str(registry), "--customer", "anna")
        async with Client(started, mode=mode) as client:
            await ask_everything(client, mode)
            mine = given(await client.call_tool("recommend_products", {"how_many": 3}))
            tried = given(
                await client.call_tool("recommend_products", {"how_many": 3, "customer_id": "ben"})
            )
            assert tried["products"] == mine["products"]
            assert tried["notes"][0].startswith("customer_id: ignored.")

    in_a_loop(ask)


@pytest.mark.parametrize("mode", MODES)
def test_a_token_says_whom_a_call_over_http_is_for(guarded: str, mode: str) -> None:
    """Over a running service, in both revisions; two agents at once have two customers."""

    async def ask() -> None:
        async with (
            connected(guarded, token(sub="anna"), mode) as annas,
            connected(guarded, token(sub="clara"), mode) as claras,
        ):
            await ask_everything(annas, mode)
            theirs = await claras.call_tool("recommend_products", {"how_many": 3})
            tried = await claras.call_tool(
                "recommend_products", {"how_many": 3, "customer_id": "anna"}
            )
            assert product_ids(theirs)[0] == "tea"
            assert product_ids(tried) == product_ids(theirs)

    in_a_loop(ask)


@pytest.mark.parametrize(
    ("bearer", "status"),
    [("", 401), ("nonsense", 401), (token(aud="other"), 401), (token(scope="look"), 403)],
)
def test_who_has_no_good_token_is_turned_away(guarded: str, bearer: str, status: int) -> None:
    """Before anything is looked at, with the status that the protocol wants."""
    answer = listing(guarded, bearer)
    assert answer.status_code == status
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_clocks_may_be_half_a_minute_apart(guarded: str) -> None:
    """As the documentation says: a token that has just expired is still believed."""
    now = int(time.time())
    assert listing(guarded, token(exp=now - 5)).status_code == httpx2.codes.OK
    assert listing(guarded, token(exp=now - 60)).status_code == httpx2.codes.UNAUTHORIZED


@pytest.mark.parametrize(
    ("http", "words"),
    [("127.0.0.1:0", {}), ("0.0.0.0:0", {"RECSVC_ALLOW_ANONYMOUS": ANYONE})],
)
def test_without_keys_http_is_for_nobody_in_particular(
    server: LocalServer, tmp_path: Path, http: str, words: dict[str, str]
) -> None:
    """It says so when it starts; lists are those of the place, and no argument helps."""
    log = tmp_path / "log"

    async def ask(url: str, mode: str) -> None:
        async with connected(url, token(), mode) as client:
            here = {"store_id": "york-1", "how_many": 3}
            anonymous = await client.call_tool("recommend_products", here)
            named = await client.call_tool("recommend_products", here | {"customer_id": "anna"})
            assert product_ids(named) == product_ids(anonymous)
            assert "espresso" not in product_ids(anonymous)[:1]
            said = refused(await client.call_tool("buy_again", {}))
            assert said.startswith("customer: nobody is signed in")

    shop = "--target", server.target, "--channel", "chat"
    with over_http(log, *shop, http=http, **words) as url:
        for mode in MODES:
            anyio.run(partial(ask, url, mode))
    assert "anonymous_only" in log.read_text()


def test_recalled_products_leave_every_answer(server: LocalServer, guarded: str) -> None:
    """Within the call after: an agent is under the same constraints as a shop window."""

    async def ask() -> None:
        async with connected(guarded, token(sub="ben"), "auto") as client:
            assert "espresso" not in product_ids(await client.call_tool("recommend_products", {}))
            gone = refused(await client.call_tool("get_product", {"product_id": "espresso"}))
            assert "withdrawn" in gone

    with Caller(server.target, deadline_seconds=20) as caller:
        caller.withdraw_products(["espresso"])
        try:
            in_a_loop(ask)
        finally:
            caller.restore_products(["espresso"])


def test_a_variable_that_nobody_reads_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else happens; with the one that may be meant, and not with its value."""
    monkeypatch.setenv("RECSVC_JWT_SECRETS", "hush")

    assert run(app, ["mcp", "--target", "host:1", "--http", "192.0.2.1:1"]) == 1

    warning, *_ = capsys.readouterr().err.splitlines()
    line = json.loads(warning)
    assert (line["event"], line["level"]) == ("unknown_setting", "warning")
    assert line["variable"] == "RECSVC_JWT_SECRETS"
    assert line["hint"].endswith("did you mean RECSVC_JWT_SECRET?")
    assert "hush" not in warning


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--target", "host:1", "--registry", "models"], "two shops"),
        (["--target", "host:1", "--http", "127.0.0.1:0", "--customer", "anna"], "a token says"),
        (["--target", "host:1", "--http", "192.0.2.1:1"], "cannot listen on 192.0.2.1:1"),
        (["--target", "host:1", "--http", "shop"], "--http: 'shop' is no address; give HOST:PORT"),
        (["--registry", "/nowhere"], "/nowhere"),
    ],
)
def test_a_door_that_cannot_be_opened_says_why(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    flags: list[str],
    said: str,
) -> None:
    """In one line, at the start."""
    monkeypatch.setenv("RECSVC_ALLOW_ANONYMOUS", ANYONE)
    assert run(app, ["mcp", *flags]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert said in errors[-1]


@pytest.mark.parametrize("http", ["0.0.0.0:0", "[::]:0", "192.0.2.1:1", "shop.example:8080"])
def test_strangers_reach_no_door_that_asks_nobody(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, http: str
) -> None:
    """Before the shop is opened, in one line, with every way out; keys of services are none."""
    monkeypatch.setenv("RECSVC_API_KEYS_FILE", "keys.json")
    assert run(app, ["mcp", "--registry", "/nowhere", "--http", http]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"error: --http: {http} is open to other machines")
    for way in ("RECSVC_JWT_KEYS_URL", "127.0.0.1", f"RECSVC_ALLOW_ANONYMOUS={ANYONE}"):
        assert way in said


@pytest.mark.parametrize(
    ("variable", "value"),
    [("RECSVC_JWT_SECRET", SECRET), ("RECSVC_ALLOW_ANONYMOUS", ANYONE)],
)
def test_keys_of_tokens_or_plain_words_open_it(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
) -> None:
    """What is missing then is the shop."""
    monkeypatch.setenv(variable, value)
    assert run(app, ["mcp", "--registry", "/nowhere", "--http", "0.0.0.0:0"]) == 1
    assert "--http" not in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(("flags", "is_told"), [((), True), (("--log-level", "error"), False)])
def test_the_log_is_as_the_settings_say(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    flags: tuple[str, ...],
    *,
    is_told: bool,
) -> None:
    """Those of any other command: the variable's format, the flag's level."""
    monkeypatch.setenv("RECSVC_LOG_FORMAT", "console")
    monkeypatch.setenv("RECSVC_ALLOW_ANONYMOUS", ANYONE)
    assert run(app, ["mcp", "--target", "host:1", "--http", "192.0.2.1:1", *flags]) == 1
    errors = capsys.readouterr().err
    assert ("anonymous_only" in errors) == is_told
    assert not errors.startswith("{")


def test_a_missing_sdk_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the extra that brings it."""
    monkeypatch.setattr("recsvc.cli_agents.find_spec", lambda _: None)
    assert run(app, ["mcp", "--target", "host:1"]) == 1
    assert 'pip install "recsvc[agents]"' in capsys.readouterr().err
