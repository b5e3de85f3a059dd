"""What a service sells now, for lists that are made beside it."""

import time

from recsvc.core.recommender import Recommender
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.catalogue_store import TableCatalogueStore
from recsvc.store.connection import connect
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.tables import RedisTables

TIMEOUT_SECONDS = 30.0
"""A whole catalogue is read at once."""


def as_sold(recommender: Recommender, redis: str, namespace: str) -> Recommender:
    """The same model over the products as the shop has described them to its service since.

    Args:
        recommender: a model, with the products that it has learnt.
        redis: URL of the service's Redis.
        namespace: of the service.

    Raises:
        StoreUnavailableError: it cannot be asked: nobody knows then what may be listed.
        SettingsError: the URL cannot be used.
    """
    client = connect(
        redis, connect_timeout_seconds=TIMEOUT_SECONDS, socket_timeout_seconds=TIMEOUT_SECONDS
    )
    try:
        tables = RedisTables(GuardedRedis(client, CircuitBreaker()), KeySchema(namespace))
        said = TableCatalogueStore(tables).products_since(0, time.monotonic() + TIMEOUT_SECONDS)
    finally:
        client.close()
    if not said.rows:
        return recommender
    return recommender.selling(recommender.assortment.with_products(list(said.rows.values())))
