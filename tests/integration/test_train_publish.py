"""From a shop's files to published lists, through the command line as a user would."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.model import Model
from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.sources import Strategy
from recsvc.terminal import run
from tests.purchases import N_CUSTOMERS, N_DAYS, START, shop_events, write_shop
from training.cli import app

pytestmark = pytest.mark.usefixtures("unmeasured")

Capture = pytest.CaptureFixture[str]
SCRIPT = str(Path(sys.executable).parent / "recsvc-train")
LATER_FROM = START + timedelta(days=N_DAYS - 28)


class Trained(NamedTuple):
    """A shop that has been trained on once.

    Attributes:
        folder: events.parquet, products.csv and stores.csv of seven months, later.csv of
            the month after, customers.csv, and the registry.
        said: what ``fit --json`` printed.
        log: what it wrote to standard error.
    """

    folder: Path
    said: dict[str, Any]
    log: str

    @property
    def registry(self) -> str:
        return str(self.folder / "registry")

    def files(self) -> list[str]:
        """The options that name the input."""
        names = {
            "events": "events.parquet",
            "products": "products.csv",
            "stores": "stores.csv",
            "quarantine": "quarantine.csv",
        }
        return [
            part
            for option, name in names.items()
            for part in (f"--{option}", str(self.folder / name))
        ]

    def recommender(self) -> Recommender:
        """The version that the first fit has published."""
        manifest, arrays = Registry(self.registry).load(self.said["version_id"])
        return Recommender(Model.from_arrays(arrays, manifest.parameters))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder)
    events = shop_events()
    events.filter(pl.col("event_time") < LATER_FROM).write_parquet(folder / "events.parquet")
    events.filter(pl.col("event_time") >= LATER_FROM).write_csv(folder / "later.csv")
    ids = [f"c{n:03}" for n in range(N_CUSTOMERS)]
    pl.DataFrame({"customer_id": [*ids, "nobody"]}).write_csv(folder / "customers.csv")
    trained = Trained(folder, {}, "")
    command = [
        *(SCRIPT, "fit", *trained.files(), "--registry", trained.registry),
        *("--preset", "fast", "--seed", "3", "--promote", "--json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return trained._replace(said=json.loads(done.stdout), log=done.stderr)


def recommend(trained: Trained, customers: Path, *flags: str) -> pl.DataFrame:
    out = customers.with_suffix(".parquet")
    arguments = ["recommend", "--customers", str(customers), "--registry", trained.registry]
    assert run(app, [*arguments, "--out", str(out), *flags]) == 0
    return pl.read_parquet(out)


def test_fit_publishes_a_measured_version(trained: Trained) -> None:
    """The version is current, has been measured, and is better than every baseline."""
    pointer = Registry(trained.registry).pointer()
    assert pointer is not None
    assert pointer.version_id == trained.said["version_id"]
    assert trained.said["promoted"] is True
    assert trained.said["data"]["n_customers"] == N_CUSTOMERS
    rankers = trained.said["metrics"]["test"]["rankers"]
    ours = rankers["recsvc"]["all"]["ndcg@10"]
    assert ours > max(rankers[name]["all"]["ndcg@10"] for name in rankers if name != "recsvc")
    assert not (trained.folder / "quarantine.csv").exists()


def test_the_log_of_a_run_is_plain_lines(trained: Trained) -> None:
    """Away from a terminal there are no bars and no control codes."""
    assert "\x1b" not in trained.log
    assert "\r" not in trained.log
    assert "━" not in trained.log
    assert "fit on all the data: " in trained.log


@pytest.mark.parametrize("only_new", [False, True])
def test_lists_are_what_the_recommender_answers(
    trained: Trained, tmp_path: Path, *, only_new: bool
) -> None:
    """Product for product, the lists of a batch are those of the published model."""
    customers = tmp_path / "customers.csv"
    customers.write_bytes((trained.folder / "customers.csv").read_bytes())
    flags = ["--only-new"] if only_new else []

    lists = recommend(trained, customers, "--k", "7", *flags)

    recommender = trained.recommender()
    model = recommender.model
    ids = pl.read_csv(customers)["customer_id"].to_list()
    assert lists["customer_id"].unique(maintain_order=True).to_list() == ids
    for customer_id in ids:
        customer = model.customers.index(customer_id)
        ranking = recommender.recommend(
            Query(
                customer=customer,
                place=recommender.place(customer, Location()),
                size=7,
                now=model.data_end,
                only_new=only_new,
            )
        )
        rows = lists.filter(customer_id=customer_id)
        assert rows["product_id"].to_list() == model.catalogue.items.ids.take(ranking.items)
        assert rows["strategy"].to_list() == [Strategy(s).name for s in ranking.strategies]


def test_a_store_in_the_customers_file_changes_the_lists(trained: Trained, tmp_path: Path) -> None:
    """In the other country most lists of new products differ by two products or more."""
    customers = tmp_path / "customers.csv"
    ids = [f"c{n:03}" for n in range(0, N_CUSTOMERS, 6)]  # all at home in Leeds
    rows = [(customer_id, store) for customer_id in ids for store in ("leeds-1", "porto-1")]
    pl.DataFrame(rows, schema=["customer_id", "store_id"], orient="row").write_csv(customers)

    lists = recommend(trained, customers, "--k", "10", "--only-new")

    products = {
        key: set(rows["product_id"])
        for key, rows in lists.partition_by("customer_id", "store_id", as_dict=True).items()
    }
    n_changed = [len(products[i, "porto-1"] - products[i, "leeds-1"]) for i in ids]
    assert sum(n >= 2 for n in n_changed) > len(ids) / 2
    assert (lists.filter(store_id="porto-1")["location_level"] == "STORE").mean() > 0.5  # type: ignore[operator]  # a mean of Booleans


def test_a_version_is_measured_on_later_purchases(trained: Trained, capsys: Capture) -> None:
    """The month after the model's data is measured as its own hold-out was."""
    arguments = ["evaluate", "--events", str(trained.folder / "later.csv")]
    arguments += ["--registry", trained.registry]

    assert run(app, [*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["version_id"] == trained.said["version_id"]
    ours, sales = said["rankers"]["recsvc"]["all"], said["rankers"]["popularity"]["all"]
    assert ours["customers"] > 100
    assert ours["ndcg@10"] > sales["ndcg@10"]
    assert {row["name"] for row in said["slices"]["country"]} == {"GB", "PT"}

    assert run(app, arguments) == 0
    out, _ = capsys.readouterr()
    assert out.endswith(f"{ours['customers']} customers\n")
    assert "new to the customer" in out


def test_a_second_version_waits_to_be_promoted(trained: Trained, capsys: Capture) -> None:
    """Without --promote the current version stays; promote and rollback move to and fro."""
    first = trained.said["version_id"]
    arguments = ["fit", *trained.files(), "--registry", trained.registry, "--preset", "fast"]
    for part in ("collaborative", "neighbours", "trees"):
        arguments += ["--without", part]

    assert run(app, arguments) == 0
    out, err = capsys.readouterr()
    second = out.split()[1]
    assert out.startswith("published ")
    assert f"recsvc-train promote --registry {trained.registry} {second}" in out
    assert "collaborative" not in err
    assert _current(trained, capsys) == first

    assert run(app, ["promote", second, "--registry", trained.registry]) == 0
    assert _current(trained, capsys) == second
    assert run(app, ["rollback", "--registry", trained.registry]) == 0
    assert _current(trained, capsys) == first


def test_without_the_extra_the_script_says_how_to_get_it(tmp_path: Path) -> None:
    """A server's install has no trainer; its command says so in a line, not in a trace."""
    (tmp_path / "polars.py").write_text("raise ModuleNotFoundError(name='polars')\n")

    def ended(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "training", *arguments],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    lacking = 'error: the trainer needs polars: pip install "recsvc[training]"\n'
    assert ended("fit", "--help") == (1, "", lacking)
    # What needs no trainer is there without it: the help, and the name that was meant.
    code, helped, _ = ended("--help")
    assert (code, "List the published versions" in helped) == (0, True)
    code, _, said = ended("model")
    assert (code, "Did you mean 'models'" in said) == (1, True)


def test_an_error_of_the_script_is_one_line(trained: Trained) -> None:
    """The console script itself ends with 1 and one line, whatever went wrong."""
    command = [SCRIPT, "promote", "no-such-version"]

    done = subprocess.run(
        [*command, "--registry", trained.registry], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: model 'no-such-version' is not in ")
    assert done.stderr.count("\n") == 1


def _current(trained: Trained, capsys: Capture) -> str:
    """The version that ``models`` marks as current."""
    capsys.readouterr()
    assert run(app, ["models", "--registry", trained.registry, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    (current,) = [row["version_id"] for row in rows if row["state"] == "current"]
    assert all(row["ndcg_all"] > 0 for row in rows)
    return str(current)
