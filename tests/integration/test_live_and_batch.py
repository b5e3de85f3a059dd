"""Lists made in a batch and lists answered live, of one published version: the same."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import polars as pl
import pytest
from threadpoolctl import threadpool_limits

from recsvc.artifacts.registry import Registry
from recsvc.client import Client
from recsvc.core.model import Model
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from recsvc.v1 import common_pb2 as common
from tests.purchases import SMALL, STORES, Lines, shop_events, shop_stores
from tests.serving import NOW, local_server
from training.batch import recommend_all
from training.pipeline import FitInput, fit
from training.schema import CUSTOMERS

N_ASKED = 500
SIZE = 10
PATIENCE_SECONDS = 60.0
"""Far more than a list takes: a late one would be a fallback."""

SETTINGS = replace(
    SMALL,
    n_windows=1,
    separate_guard=False,
    train_customers=200,
    judge_customers=100,
)


@dataclass(frozen=True)
class Published:
    """One version, loaded for batches and served."""

    recommender: Recommender
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
    pl.concat(shops).write_parquet(events)
    shop_stores().write_csv(stores)
    registry = Registry(folder / "registry")
    source = FitInput(events=[events], stores=stores)
    version_id = fit(source, SETTINGS, registry, Lines()).version_id
    registry.promote(version_id, NOW)
    manifest, arrays = registry.load(version_id)
    recommender = Recommender(Model.from_arrays(arrays, manifest.parameters))
    with (
        threadpool_limits(1, "blas"),
        local_server(registry.root) as server,
        Client(server.target, deadline_seconds=PATIENCE_SECONDS) as client,
    ):
        yield Published(recommender, client)


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
        size=SIZE,
        sold_at=NOW.timestamp(),
        only_new=only_new,
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


def test_the_lists_are_ordered_by_trees(published: Published) -> None:
    """What the lists above compare is the learnt ranker, and not the fusion alone."""
    assert published.recommender.model.rankers[Task.ALL].trees is not None
