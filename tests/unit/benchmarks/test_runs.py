"""The benchmark's data, baselines and runs, on a handful of purchases."""

import json
import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from recsvc.errors import InputError
from tests.benchmarks.quality.bench import measure
from tests.benchmarks.quality.contestants import CONTESTANTS, Contestant, key
from tests.benchmarks.quality.datasets import DataSet, cut, prepare
from tests.benchmarks.quality.peers.baselines import create
from tests.benchmarks.quality.peers.purchases import Files, read
from tests.benchmarks.quality.results import Results, load
from tests.benchmarks.quality.runner import OK, Limits, root, run

START = datetime(2024, 1, 1)  # noqa: DTZ001  # files have naive times
POPULARITY, OWN = (one for one in CONTESTANTS if one.library == "baseline")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set's files: a and b bought tea twice lately, all bought jam long ago."""
    rows = [
        ("a", "tea", 100, "o1"),
        ("a", "tea", 100, "o1"),
        ("a", "tea", 99, "o2"),
        ("b", "tea", 98, "o3"),
        ("a", "jam", 1, "o4"),
        ("b", "jam", 1, "o5"),
        ("c", "jam", 1, "o6"),
        ("c", "oil", 90, "o7"),
    ]
    history = pl.DataFrame(
        {
            "customer_id": [row[0] for row in rows],
            "product_id": [row[1] for row in rows],
            "event_time": [START + timedelta(days=row[2]) for row in rows],
            "order_id": [row[3] for row in rows],
        }
    )
    history.write_parquet(tmp_path / "online_retail_ii_history.parquet")
    test = pl.DataFrame({"customer_id": ["a", "c"], "product_id": ["oil", "tea"]})
    test.write_parquet(tmp_path / "online_retail_ii_test.parquet")
    return tmp_path


@pytest.fixture
def data(folder: Path, tmp_path: Path) -> DataSet:
    prepared = prepare("online_retail_ii", folder, tmp_path / "work")
    assert prepared is not None
    return prepared


def files_of(data: DataSet, scratch: Path) -> Files:
    return Files(data.history, data.products, data.customers, scratch)


def lists(frame: pl.DataFrame) -> dict[str, list[str]]:
    grouped = frame.sort("rank").group_by("customer_id", maintain_order=True)
    return dict(grouped.agg("product_id").sort("customer_id").iter_rows())


def test_the_last_28_days_of_known_customers_and_products_are_held_out() -> None:
    """Only products with ten buyers before, and customers with such a purchase, are kept."""
    times = [START, START + timedelta(days=40)]
    rows = [(f"c{n}", "tea", times[0], f"o{n}") for n in range(10)]
    rows += [("c0", "rare", times[0], "o10"), ("c1", "tea", times[1], "o11")]
    rows += [("c1", "tea", times[1], "o12"), ("new", "tea", times[1], "o13")]
    rows += [("c2", "rare", times[1], "o14")]
    schema = ["customer_id", "product_id", "event_time", "order_id"]
    history, test = cut(pl.DataFrame(rows, schema=schema, orient="row"))
    assert history.height == 10
    assert test.rows() == [("c1", "tea")]


def test_a_set_is_counted_and_told_apart_by_its_contents(folder: Path, tmp_path: Path) -> None:
    """The digest follows the contents; a sample keeps the rows of its customers."""
    whole = prepare("online_retail_ii", folder, tmp_path / "a")
    again = prepare("online_retail_ii", folder, tmp_path / "b")
    part = prepare("online_retail_ii", folder, tmp_path / "c", sample=1)
    assert whole is not None
    assert again is not None
    assert part is not None
    assert whole.digest == again.digest != part.digest
    assert whole.counts["purchases"] == 8
    assert part.counts["test_customers"] == 1
    assert set(pl.read_parquet(part.history)["customer_id"]) == {"a"}


def test_a_set_that_is_not_there_is_left_out(folder: Path, tmp_path: Path) -> None:
    """No file is no set; half a set is an error that names what is missing."""
    assert prepare("gowalla", folder, tmp_path / "work") is None
    assert prepare("gowalla", None, tmp_path / "work") is None
    (folder / "online_retail_ii_test.parquet").unlink()
    with pytest.raises(InputError, match="is missing beside the history"):
        prepare("online_retail_ii", folder, tmp_path / "work")


def test_a_set_without_its_columns_is_refused(folder: Path, tmp_path: Path) -> None:
    """A missing column is named with its file."""
    path = folder / "online_retail_ii_test.parquet"
    pl.read_parquet(path).drop("product_id").write_parquet(path)
    with pytest.raises(InputError, match=r"_test.parquet: no column product_id"):
        prepare("online_retail_ii", folder, tmp_path / "work")


def test_one_order_is_one_occasion(data: DataSet, tmp_path: Path) -> None:
    """Two rows of a product on one receipt count once."""
    purchases = read(files_of(data, tmp_path))
    counts = purchases.matrix()
    assert purchases.products.tolist() == ["jam", "oil", "tea"]
    assert counts.toarray()[0].tolist() == [1.0, 0.0, 2.0]


def test_without_orders_the_quantity_counts(data: DataSet, tmp_path: Path) -> None:
    """Visits that come as one row with their number are that many occasions."""
    frame = pl.DataFrame({"customer_id": ["a"], "product_id": ["p"], "quantity": [28]})
    frame.write_parquet(data.history)
    assert read(files_of(data, tmp_path)).matrix().toarray().tolist() == [[28.0]]


def test_popularity_is_of_late(data: DataSet, tmp_path: Path) -> None:
    """Recent purchases outweigh more numerous old ones; bought ones can be left out."""
    files = files_of(data, tmp_path)
    popularity = create("popularity")
    popularity.fit(files)
    assert lists(popularity.recommend(files, size=2, only_new=False)) == {
        "a": ["tea", "oil"],
        "c": ["tea", "oil"],
    }
    assert lists(popularity.recommend(files, size=2, only_new=True)) == {"a": ["oil"], "c": ["tea"]}


def test_own_purchases_come_first(data: DataSet, tmp_path: Path) -> None:
    """The customer's favourites go before best sellers, and nothing is there twice."""
    files = files_of(data, tmp_path)
    own = create("own frequency")
    own.fit(files)
    assert lists(own.recommend(files, size=3, only_new=False)) == {
        "a": ["tea", "jam", "oil"],
        "c": ["oil", "jam", "tea"],
    }


def test_a_result_is_kept_until_its_data_change(data: DataSet) -> None:
    """The key follows data, model and packages."""
    one = Contestant("implicit", "ALS", "implicit_models", can_hide=True)
    other = Contestant("implicit", "BPR", "implicit_models", can_hide=True)
    keys = {key(one, data.digest, root()), key(other, data.digest, root()), key(one, "", root())}
    assert len(keys) == 3
    assert key(one, data.digest, root()) in keys


def test_a_contestant_runs_once_and_failures_are_told(data: DataSet, tmp_path: Path) -> None:
    """A finished one is not run again; one that cannot start is a row with its reason."""
    broken = Contestant("baseline", "nonsense", "baselines", can_hide=False)
    path, work = tmp_path / "results.json", tmp_path / "work"
    results = Results()
    for _ in range(2):
        measure(
            data, [POPULARITY, broken], results, work=work, path=path, limits=Limits(cpu_minutes=1)
        )
    rows = load(path).rows["online_retail_ii"]
    assert rows[POPULARITY.name].figures["new"]["ndcg@10"].mean == 1.0
    assert rows[POPULARITY.name].run.peak_mib is not None
    assert rows[broken.name].run.status == "KeyError: 'nonsense'"
    log = work / "runs" / f"online_retail_ii-{data.digest[:8]}" / "baseline-popularity"
    assert json.loads((log / "timing.json").read_text())["fit_seconds"] > 0


def test_an_interpreter_is_found_by_a_relative_path(data: DataSet, tmp_path: Path) -> None:
    """Environments may be named from where the benchmark was started, as ``.bench`` is."""
    python = Path(os.path.relpath(sys.executable))
    ended = run(POPULARITY, python, data, tmp_path / "run", Limits(cpu_minutes=1))
    assert ended.status == OK
