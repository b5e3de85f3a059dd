"""What every contestant is given, and the form in which it answers.

Runs in the contestants' own environments: nothing but numpy, scipy and polars.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

SECONDS_A_DAY = 86_400.0
PAIR = ("customer_id", "product_id")


@dataclass(frozen=True, slots=True)
class Files:
    """Where a contestant reads and writes.

    Attributes:
        history: Parquet of purchases.
        products: Parquet that describes the products, if the set has one.
        customers: Parquet with the ``customer_id`` of everybody who is asked for.
        scratch: an empty folder of its own.
    """

    history: Path
    products: Path | None
    customers: Path
    scratch: Path


class Contestant(Protocol):
    """One method: learns once, then is asked for both kinds of lists."""

    def fit(self, files: Files) -> None:
        """Learn from the history."""

    def recommend(self, files: Files, *, size: int, only_new: bool) -> pl.DataFrame:
        """Lists of at most ``size`` products: customer_id, rank (from 1), product_id.

        Args:
            files: as given to ``fit``.
            size: products a customer.
            only_new: leave out what the customer has bought.
        """


@dataclass(frozen=True, slots=True)
class Purchases:
    """A history by number; one entry a customer, product and order.

    Attributes:
        customers: ids, shape ``(n_customers,)``.
        products: ids, shape ``(n_products,)``.
        customer: int32, shape ``(n_purchases,)``, indices into ``customers``.
        product: int32, shape ``(n_purchases,)``, indices into ``products``.
        age_days: float64, shape ``(n_purchases,)``, days before the last purchase;
            all 0 where the set has no times.
        occasions: float64, shape ``(n_purchases,)``; 1, or the quantity where the set has
            no orders, which is how often the customer was there.
    """

    customers: NDArray[np.str_]
    products: NDArray[np.str_]
    customer: NDArray[np.int32]
    product: NDArray[np.int32]
    age_days: NDArray[np.float64]
    occasions: NDArray[np.float64]

    def matrix(self, half_life_days: float | None = None) -> csr_matrix:
        """Customers by products, float32: numbers of occasions, faded by their age if asked."""
        faded = 1.0 if half_life_days is None else np.power(0.5, self.age_days / half_life_days)
        values = self.occasions * faded
        shape = (len(self.customers), len(self.products))
        matrix = csr_matrix((values.astype(np.float32), (self.customer, self.product)), shape=shape)
        matrix.sum_duplicates()
        return matrix

    def rows_of(self, files: Files) -> NDArray[np.int32]:
        """Indices of those customers who are asked for and known, in the file's order."""
        index = {customer: at for at, customer in enumerate(self.customers.tolist())}
        asked = asked_customers(files)
        return np.array([index[customer] for customer in asked if customer in index], np.int32)


def asked_customers(files: Files) -> list[str]:
    """Ids of the customers whose lists are wanted."""
    return pl.read_parquet(files.customers)["customer_id"].to_list()


def read(files: Files) -> Purchases:
    """The history, as all contestants see it that are given numbers."""
    frame = pl.read_parquet(files.history)
    age, occasions = np.zeros(0), np.zeros(0)
    if "order_id" in frame.columns:  # the same product twice on one receipt is one purchase
        frame = frame.unique([*PAIR, "order_id"], keep="first", maintain_order=True)
    elif "quantity" in frame.columns:
        occasions = frame["quantity"].cast(pl.Float64).to_numpy()
    if "event_time" in frame.columns:
        seconds = frame["event_time"].dt.epoch("s").to_numpy()
        age = (seconds.max() - seconds) / SECONDS_A_DAY
    customers, customer = _numbered(frame["customer_id"])
    products, product = _numbered(frame["product_id"])
    return Purchases(
        customers=customers,
        products=products,
        customer=customer,
        product=product,
        age_days=age if len(age) else np.zeros(frame.height),
        occasions=occasions if len(occasions) else np.ones(frame.height),
    )


def _numbered(ids: pl.Series) -> tuple[NDArray[np.str_], NDArray[np.int32]]:
    distinct, index = np.unique(ids.to_numpy().astype(str), return_inverse=True)
    return distinct, index.astype(np.int32)


def lists_frame(lists: Iterable[tuple[str, Sequence[str]]]) -> pl.DataFrame:
    """Lists in the form that is judged, from (customer, products, best first)."""
    rows = [(one, at, product) for one, items in lists for at, product in enumerate(items, 1)]
    schema = {"customer_id": pl.String, "rank": pl.Int32, "product_id": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")
