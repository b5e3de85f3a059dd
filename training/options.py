"""What the commands of ``recsvc-train`` share: their options, and how they read and answer."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from recsvc import __version__
from recsvc.artifacts.manifest import Manifest
from recsvc.artifacts.registry import Registry
from recsvc.core.model import Model
from recsvc.core.recommender import Recommender
from recsvc.core.rules import Rulebook
from recsvc.errors import ArtifactError, InputError
from recsvc.redis_option import without_password
from recsvc.service.defaults import Defaults
from recsvc.settings.lists import ListSettings
from training.progress import ConsoleReporter
from training.purchases import FitInput
from training.settings import PRESETS, REMOVABLE
from training.slices import read_segments

_MappedFile = tuple[Path | None, list[str] | None]
"""A file, and what an option says of its columns."""

EventsOption = Annotated[
    list[Path],
    typer.Option(
        "--events",
        help="CSV or Parquet file of events, or a folder of them; may be given more than once.",
    ),
]
NamespaceOption = Annotated[
    str,
    typer.Option("--namespace", envvar="RECSVC_NAMESPACE", help="Namespace of the service."),
]
ShopRedisOption = Annotated[
    str | None,
    typer.Option(
        "--redis",
        envvar="RECSVC_REDIS_URL",
        callback=without_password,
        help="Redis of the service, whose catalogue says what has changed since the model learnt: "
        "what is sold, what is new, and which products are sensitive.",
    ),
]
ProductsOption = Annotated[
    Path | None, typer.Option("--products", help="File that describes the products.")
]
StoresOption = Annotated[
    Path | None, typer.Option("--stores", help="File that says where the stores are.")
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="NAME=COLUMN",
        help="What the events call a column, as in customer_id=CustomerNo; may be repeated.",
    ),
]
MapProductsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map-products", metavar="NAME=COLUMN", help="The same for the file of products."
    ),
]
MapStoresOption = Annotated[
    list[str] | None,
    typer.Option("--map-stores", metavar="NAME=COLUMN", help="The same for the file of stores."),
]
TimezoneOption = Annotated[
    str, typer.Option("--timezone", help="Zone of times that name none, as in Europe/Berlin.")
]
QuarantineOption = Annotated[
    Path,
    typer.Option(
        "--quarantine",
        help="CSV file for the rows that cannot be used; replaced by each run.",
    ),
]
# A run that only reads does not replace what fit has left.
NoQuarantineOption = Annotated[
    Path | None,
    typer.Option(
        "--quarantine",
        help="CSV file for the rows that cannot be used, replaced by each run; else not kept.",
    ),
]
MaxQuarantinedOption = Annotated[
    float,
    typer.Option(
        "--max-quarantined", help="Stop when more than this share of the rows is unusable, 0 to 1."
    ),
]
ModelOption = Annotated[
    str,
    typer.Option("--model", help="A version, the beginning of one, or current."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="TOML file of settings, as recsvc-train settings prints and recsvc-train tune "
        "writes; other options win over it.",
    ),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        "--preset",
        metavar="|".join(PRESETS),
        help="How much to search: fast for a first look, balanced (the default), or best, which "
        "takes a few times as long.",
    ),
]
SeedOption = Annotated[
    int | None,
    typer.Option("--seed", min=0, help="The same seed gives the same result; 0 unless given."),
]
WithoutOption = Annotated[
    list[str] | None,
    typer.Option("--without", help=f"Leave out one of: {', '.join(REMOVABLE)}; repeatable."),
]
PlacementOption = Annotated[
    str, typer.Option("--placement", help="Placement id that rules may name.")
]
AnyStockOption = Annotated[
    bool,
    typer.Option(
        "--any-stock",
        help="Whatever is in stock, though the rules ask for what is: that the service alone "
        "knows.",
    ),
]
SegmentsOption = Annotated[
    Path | None,
    typer.Option(
        "--segments",
        help="CSV or Parquet file with customer_id and segment: measures each segment by itself.",
    ),
]

CustomerSegmentsOption = Annotated[
    Path | None,
    typer.Option(
        "--segments",
        help="CSV or Parquet file with customer_id and segment: the shop's rules may name them.",
    ),
]


def load(registry: str, model_ref: str) -> tuple[Manifest, Recommender]:
    """A published version, ready to rank.

    Raises:
        RegistryError: there is no such version.
        ArtifactError: it is damaged, or was made by another release.
    """
    manifest, arrays = Registry.open(registry).load(model_ref)
    try:
        return manifest, Recommender(Model.from_arrays(arrays, manifest.parameters))
    except (LookupError, ValueError, TypeError) as error:
        raise ArtifactError(
            f"model {manifest.version_id}: is not of this recsvc "
            f"({type(error).__name__}: {error}): recsvc {manifest.code_version} has trained it, "
            f"and this is {__version__}; fit the model again"
        ) from error


def shops_defaults() -> Defaults:
    """What holds where nothing else is said, as the service is told it.

    Raises:
        SettingsError: RECSVC_DIVERSITY is no level.
    """
    return Defaults.of(ListSettings.load())


def check_stock(book: Rulebook, *, any_stock: bool) -> None:
    """Refuse rules that ask for what is in stock: a batch would list what is not there.

    Raises:
        InputError: they do, and nobody has said that it does not matter.
    """
    if book.in_stock_only and not any_stock:
        raise InputError(
            f"rules {book.version_id}: in_stock_only is set, and the service alone knows what is "
            "in stock: ask it for these lists (BatchRecommend), or give --any-stock"
        )


def mapping_of(option: str, pairs: list[str] | None) -> dict[str, str]:
    """What ``--map`` and its like say: canonical column name to the files' own.

    Raises:
        InputError: one of ``pairs`` is no ``NAME=COLUMN``.
    """
    mapping = {}
    for pair in pairs or []:
        name, equals, column = pair.partition("=")
        if not (name and equals and column):
            raise InputError(f"{option} {pair}: write it as NAME=COLUMN, as in product_id=SKU")
        mapping[name] = column
    return mapping


def source_of(
    events: list[Path],
    column_map: list[str] | None,
    timezone: str,
    quarantine: Path | None,
    max_quarantined: float,
    *,
    products: _MappedFile = (None, None),
    stores: _MappedFile = (None, None),
    segments: Path | None = None,
) -> FitInput:
    """The files of a run, as the options of these names say.

    Args:
        events: likewise.
        column_map: likewise.
        timezone: likewise.
        quarantine: likewise.
        max_quarantined: likewise.
        products: the file, and what ``--map-products`` says of it.
        stores: likewise.
        segments: the file of customers and their segments.

    Raises:
        InputError: a mapping is not of ``NAME=COLUMN``, or the segments cannot be read.
    """
    products_file, map_products = products
    stores_file, map_stores = stores
    return FitInput(
        events=events,
        products=products_file,
        stores=stores_file,
        mapping=mapping_of("--map", column_map),
        product_mapping=mapping_of("--map-products", map_products),
        store_mapping=mapping_of("--map-stores", map_stores),
        timezone=timezone,
        quarantine=quarantine,
        max_quarantined_share=max_quarantined,
        segments=read_segments(segments, max_quarantined) if segments else {},
    )


def origin_of(context: typer.Context, parameter: str) -> str:
    """Where an option has its value from: ``COMMANDLINE``, ``ENVIRONMENT``, ``DEFAULT``."""
    source = context.get_parameter_source(parameter)
    return source.name if source is not None else ""


def check_writable(option: str, path: Path) -> None:
    """Refuse a file that cannot be written, before the work that it is for.

    Raises:
        InputError: it cannot.
    """
    folder = path.parent
    if path.is_dir() or not (folder.is_dir() and os.access(folder, os.W_OK)):
        raise InputError(f"{option} {path}: cannot be written; give a file in a folder that can")


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Say in one line that what was worked for cannot be written after all.

    Raises:
        InputError: ``--out`` cannot.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"--out {out}: cannot be written ({error.strerror or error}); give another path"
        ) from None


@contextmanager
def reporting() -> Iterator[ConsoleReporter]:
    """Show progress where people look, so that the result can be piped."""
    with ConsoleReporter(Console(stderr=True)) as reporter:
        yield reporter


def day_of(seconds: float) -> str:
    """A moment as people write its day, UTC."""
    return f"{datetime.fromtimestamp(seconds, UTC):%d %B %Y}"
