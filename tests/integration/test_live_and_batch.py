"""Lists made in a batch and lists answered live, of one published version: the same."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from threadpoolctl import threadpool_limits

from recsvc.agents.answers import Needs, Suggestions
from recsvc.agents.door import toolbox
from recsvc.agents.tools import Caller, Tools
from recsvc.app.shop import shop_on
from recsvc.artifacts.registry import Registry
from recsvc.client import Client, ask
from recsvc.core.model import Model
from recsvc.core.query import Query
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.terminal import run
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from tests.purchases import SMALL, STORES, Lines, shop_events, shop_products, shop_stores
from tests.serving import NOW, LocalServer, local_server
from training.batch import recommend_all
from training.cli import app
from training.pipeline import fit
from training.purchases import FitInput
from training.schema import CUSTOMERS

pytestmark = pytest.mark.usefixtures("unmeasured")

N_ASKED = 500
N_QUESTIONED = 200
SIZE = 10
PATIENCE_SECONDS = 60.0
"""Far more than a list takes: a late one would be a fallback."""

SETTINGS = replace(
    SMALL,
    n_windows=1,
    separate_guard=False,
    train_customers=200,
    judge_customers=100,
    # Of kinds and prices so few customers teach too little for the guard to let the trees serve.
    without=frozenset({"affinity", "price"}),
)


@dataclass(frozen=True)
class Published:
    """One version, loaded for batches and served."""

    registry: Registry
    recommender: Recommender
    server: LocalServer
    client: Client


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Published]:
    """A fit with trees on four shops' customers, in the same stores."""
    folder = tmp_path_factory.mktemp("live-and-batch")
    shops = [
        shop_events(seed).with_columns(
            pl.concat_str(pl.lit(f"{seed}-"), name).alias(name)
            for name in ("customer_id", "order_id")
        )
        for seed in range(4)
    ]
    events, stores = folder / "events.parquet", folder / "stores.csv"
    products = folder / "products.csv"
    pl.concat(shops).write_parquet(events)
    shop_stores().write_csv(stores)
    shop_products().write_csv(products)
    registry = Registry(folder / "registry")
    source = FitInput(events=[events], stores=stores, products=products)
    version_id = fit(source, SETTINGS, registry, Lines()).version_id
    registry.promote(version_id, NOW)
    manifest, arrays = registry.load(version_id)
    recommender = Recommender(Model.from_arrays(arrays, manifest.parameters))
    with (
        threadpool_limits(1, "blas"),
        local_server(registry.root) as server,
        Client(server.target, deadline_seconds=PATIENCE_SECONDS) as client,
    ):
        yield Published(registry, recommender, server, client)


@pytest.mark.parametrize("only_new", [False, True], ids=["all", "new"])
@pytest.mark.parametrize("is_placed", [False, True], ids=["at-home", "at-a-store"])
def test_live_and_batch_lists_are_identical(
    published: Published, *, only_new: bool, is_placed: bool
) -> None:
    """For 500 customers the server answers what a batch holds, product for product."""
    model = published.recommender.model
    ids = model.customers.ids.take(range(N_ASKED))
    stores = [STORES[n % len(STORES)].store_id if is_placed else None for n in range(N_ASKED)]

    lists = recommend_all(
        published.recommender,
        pl.DataFrame(
            [
                {"customer_id": customer_id, "store_id": store}
                for customer_id, store in zip(ids, stores, strict=True)
            ],
            schema={column.name: column.kind.dtype for column in CUSTOMERS.columns},
        ),
        Query(size=SIZE, now=model.data_end, sold_at=NOW.timestamp(), only_new=only_new),
    )

    batch = {
        str(customer_id): rows["product_id"].to_list()
        for (customer_id,), rows in lists.partition_by("customer_id", as_dict=True).items()
    }
    live = {
        customer_id: [
            product.product_id
            for product in published.client.recommend(
                customer_id,
                location=common.Location(store_id=store) if store else None,
                page_size=SIZE,
                product_filter=common.ProductFilter(exclude_purchased=only_new),
            ).recommendations
        ]
        for customer_id, store in zip(ids, stores, strict=True)
    }
    assert len(live) == N_ASKED
    assert all(len(products) == SIZE for products in live.values())
    assert live == batch


QUESTIONS: dict[str, tuple[list[str], ask.Asked]] = {
    "categories": (
        ["--category", "Food > Coffee", "--category", "Food>Dairy"],
        {"categories": ["Food > Coffee", "Food>Dairy"]},
    ),
    "brand": (
        ["--brand", "brand 1", "--exclude", "p01"],
        {"brands": ["brand 1"], "exclude": ["p01"]},
    ),
    "price": (["--max-price", "2.5", "--currency", "GBP"], {"budget": (2.5, "GBP")}),
    "cart": (["--stage", "cart"], {"journey_stage": common.JOURNEY_STAGE_CART}),
    "discover": (
        ["--stage", "discover", "--only-new"],
        {"journey_stage": common.JOURNEY_STAGE_DISCOVER, "exclude_purchased": True},
    ),
    "varied": (["--diversity", "high"], {}),
    "post-purchase": (
        ["--stage", "post_purchase", "--brand", "Brand 2"],
        {"journey_stage": common.JOURNEY_STAGE_POST_PURCHASE, "brands": ["Brand 2"]},
    ),
}


DIVERSITIES = {"varied": api.DIVERSITY_HIGH}


def in_a_batch(
    published: Published, folder: Path, customers: list[str], *flags: str
) -> pl.DataFrame:
    """What ``recsvc-train recommend`` writes."""
    asked, out = folder / "customers.csv", folder / "lists.parquet"
    pl.DataFrame({"customer_id": customers}).write_csv(asked)
    paths = ["--registry", str(published.registry.root), "--customers", str(asked)]
    assert run(app, ["recommend", *paths, "--out", str(out), "--k", str(SIZE), *flags]) == 0
    return pl.read_parquet(out)


def by_customer(lists: pl.DataFrame, customers: list[str], *columns: str) -> dict[str, list[Any]]:
    """The rows of each customer, whoever has none included."""
    found = lists.partition_by("customer_id", as_dict=True)
    nothing = lists.clear()
    return {
        customer: found.get((customer,), nothing).select(columns).rows() for customer in customers
    }


@pytest.mark.parametrize("question", QUESTIONS)
def test_the_same_question_has_the_same_list(
    published: Published, tmp_path: Path, question: str
) -> None:
    """Asked by the command's options or over gRPC: products, scores and strategies."""
    flags, asked = QUESTIONS[question]
    customers = published.recommender.model.customers.ids.take(range(N_QUESTIONED))
    asked = {**asked, "page_size": SIZE}

    lists = in_a_batch(published, tmp_path, customers, *flags)

    live = {
        customer: [
            (item.product_id, item.score, api.Strategy.Name(item.strategy))
            for item in published.client.recommend(
                customer, diversity=DIVERSITIES.get(question, api.DIVERSITY_NONE), **asked
            ).recommendations
        ]
        for customer in customers
    }
    lists = lists.with_columns(strategy="STRATEGY_" + pl.col("strategy"))
    assert all(live.values())
    assert live == by_customer(lists, customers, "product_id", "score", "strategy")


@pytest.mark.parametrize(
    ("flags", "asked"),
    [
        ([], {}),
        (
            ["--category", "Food > Fruit", "--exclude", "p30"],
            {"categories": ["Food > Fruit"], "exclude": ["p30"]},
        ),
    ],
    ids=["all", "fruit"],
)
def test_live_and_batch_agree_on_who_needs_what_again(
    published: Published, tmp_path: Path, flags: list[str], asked: ask.Asked
) -> None:
    """And when, how often and how much."""
    customers = published.recommender.model.customers.ids.take(range(N_QUESTIONED))
    asked = {**asked, "page_size": SIZE}

    lists = in_a_batch(published, tmp_path, customers, "--surface", "buy-again", *flags)

    live = {
        customer: [
            (
                line.recommended_product.product_id,
                line.due_time.ToSeconds(),
                line.usual_quantity,
                pytest.approx(line.usual_interval.ToSeconds() / 86_400, abs=1e-4),
            )
            for line in published.client.list_buy_again(customer, **asked).recommendations
        ]
        for customer in customers
    }
    lists = lists.with_columns(due=pl.col("due_time").dt.epoch("s"))
    assert sum(map(len, live.values())) > 2 * N_QUESTIONED
    assert lists["usual_quantity"].n_unique() > 1
    assert live == by_customer(
        lists, customers, "product_id", "due", "usual_quantity", "usual_interval_days"
    )


def test_the_lists_are_ordered_by_trees(published: Published) -> None:
    """What the lists above compare is the learnt ranker, and not the fusion alone."""
    assert published.recommender.model.rankers[Task.ALL].trees is not None


ASKED_OF_AGENTS: dict[str, tuple[str, dict[str, Any], Callable[[Client, str], Iterable[Any]]]] = {
    "plain": (
        "recommend_products",
        {},
        lambda client, customer: client.recommend(customer, page_size=SIZE).recommendations,
    ),
    "narrowed": (
        "recommend_products",
        {
            "categories": ["Food > Coffee", "Food>Dairy"],
            "budget": {"amount": 4, "currency": "GBP"},
            "exclude": ["p01"],
        },
        lambda client, customer: (
            client.recommend(
                customer,
                page_size=SIZE,
                categories=["Food > Coffee", "Food>Dairy"],
                budget=(4, "GBP"),
                exclude=["p01"],
            ).recommendations
        ),
    ),
    "new-at-a-store": (
        "recommend_products",
        {"only_new": True, "store_id": STORES[0].store_id, "basket": ["p02"]},
        lambda client, customer: (
            client.recommend(
                customer,
                page_size=SIZE,
                exclude_purchased=True,
                store_id=STORES[0].store_id,
                basket=["p02"],
            ).recommendations
        ),
    ),
    "together": (
        "find_bought_together",
        {"product_ids": ["p03"]},
        lambda client, customer: (
            client.list_bought_together(["p03"], customer, page_size=SIZE).recommendations
        ),
    ),
    "again": (
        "buy_again",
        {},
        lambda client, customer: [
            item.recommended_product
            for item in client.list_buy_again(customer, page_size=SIZE).recommendations
        ],
    ),
}


def test_agents_are_answered_as_everybody_else(published: Published) -> None:
    """By the tools, for 200 customers and 5 questions: the lists of the client."""
    customers = published.recommender.model.customers.ids.take(range(N_QUESTIONED))
    shop = shop_on(published.server.worker.ground)
    tools = {tool.name: tool for tool in toolbox(Tools(shop, "AGENT"))}

    def told(question: str, customer: str) -> list[str]:
        name, arguments, _ = ASKED_OF_AGENTS[question]
        asked = tools[name].arguments.model_validate({**arguments, "how_many": SIZE})
        answer = tools[name].call(asked, Caller(customer))
        assert isinstance(answer, Suggestions | Needs)
        return [product.product_id for product in answer.products]

    for question, (_, _, ask_client) in ASKED_OF_AGENTS.items():
        lists = {customer: told(question, customer) for customer in customers}
        assert any(lists.values())
        assert lists == {
            customer: [item.product_id for item in ask_client(published.client, customer)]
            for customer in customers
        }
