"""The command for every night: ``nightly``."""

from pathlib import Path
from shlex import quote
from time import monotonic
from typing import Annotated

import typer

from recsvc.artifacts.journal import Note
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.removal import RemovalError, RemovedVersion
from recsvc.artifacts.retention import KEPT, prune
from recsvc.errors import InputError, RegistryError
from recsvc.redis_option import without_password
from recsvc.terminal import whoami
from training.answers import REFUSED, JsonOption, RegistryOption, print_result
from training.cli_collect import ServedDaysOption, drained
from training.cli_promotion import ForceOption
from training.events import MAX_QUARANTINED_SHARE
from training.gate import lines, no_better, why_refused
from training.nightly import Outcome, as_json, nightly
from training.options import (
    ConfigOption,
    CustomerSegmentsOption,
    EventsOption,
    MapOption,
    MapProductsOption,
    MapStoresOption,
    MaxQuarantinedOption,
    NamespaceOption,
    PresetOption,
    ProductsOption,
    QuarantineOption,
    SeedOption,
    StoresOption,
    TimezoneOption,
    WithoutOption,
    origin_of,
    reporting,
    source_of,
)
from training.pruned import as_removed, removed_lines
from training.served import KEPT_DAYS
from training.settings_file import read_settings


def nightly_command(
    context: typer.Context,
    events: EventsOption,
    registry: RegistryOption,
    *,
    redis: Annotated[
        str | None,
        typer.Option(
            "--redis",
            envvar="RECSVC_REDIS_URL",
            callback=without_password,
            help="Redis or Valkey of the service, to collect its live events from first, with "
            "--collect-into.",
        ),
    ] = None,
    namespace: NamespaceOption = "recsvc",
    collect_into: Annotated[
        Path | None,
        typer.Option(
            "--collect-into",
            help="Folder that live events are collected into, as recsvc-train collect does; it is "
            "part of the history.",
        ),
    ] = None,
    served_days: ServedDaysOption = KEPT_DAYS,
    products: ProductsOption = None,
    stores: StoresOption = None,
    column_map: MapOption = None,
    map_products: MapProductsOption = None,
    map_stores: MapStoresOption = None,
    segments: CustomerSegmentsOption = None,
    timezone: TimezoneOption = "UTC",
    quarantine: QuarantineOption = Path("quarantine.csv"),
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    config: ConfigOption = None,
    preset: PresetOption = None,
    seed: SeedOption = None,
    without: WithoutOption = None,
    force: ForceOption = False,
    keep: Annotated[
        int,
        typer.Option(
            "--keep",
            min=0,
            envvar="RECSVC_KEEP_MODELS",
            help="Versions to keep once a new one is served, as recsvc-train prune does; 0 keeps "
            "all.",
        ),
    ] = KEPT,
    to_json: JsonOption = False,
) -> None:
    """Train on the whole history and serve the result, unless it is worse or was not measured.

    Worse than what is served, that is, or measured on fewer than two customers.
    Collect (with --redis and --collect-into), validate, fit, evaluate, gate, publish, promote,
    prune. The gate fits the same recipe on what the current model knew, and compares the two on
    what was bought since: both have it before them.
    Run it again with the same files and flags after a crash, and it goes on where it ended.

    Exit codes: 0 promoted, 3 refused (nothing is published, the current model stays), 1 failed
    (bad input, or another run is under way).
    """
    started = monotonic()
    settings = read_settings(config, preset, seed=seed, without=without)
    if collect_into is None and origin_of(context, "redis") == "ENVIRONMENT":
        redis = None  # that is there for other commands too
    source = source_of(
        [*events, *_collected(redis, namespace, collect_into, registry, served_days)],
        column_map,
        timezone,
        quarantine,
        max_quarantined,
        products=(products, map_products),
        stores=(stores, map_stores),
        segments=segments,
    )
    store = Registry.open(registry)
    with reporting() as reporter:
        outcome = nightly(source, settings, store, reporter, note=Note(whoami()), force=force)
    removed = _pruned(store, keep) if outcome.promoted and keep else []
    result = as_json(outcome) | as_removed(removed) | {"seconds": round(monotonic() - started, 1)}
    warnings: list[str] = []
    if outcome.promoted:
        result["metrics"] = store.manifest(outcome.version_id).metrics
        result["warnings"] = warnings = no_better(result["metrics"])
    beware = [f"  beware: {line}" for line in warnings]
    text = "\n".join([*_lines(outcome, registry), *beware, *removed_lines(removed)])
    print_result(result, text, to_json)
    if not outcome.promoted:
        raise typer.Exit(REFUSED)


def _collected(
    redis: str | None, namespace: str, folder: Path | None, registry: str, served_days: int
) -> list[Path]:
    """Collect what has come in, leave out who was erased, and return where it lies.

    Raises:
        InputError: only one of the two is given.
    """
    if (redis is None) != (folder is None):
        raise InputError(
            "--redis (or RECSVC_REDIS_URL) and --collect-into belong together; give both or neither"
        )
    if redis is None or folder is None:
        return []
    found = drained(redis, namespace, folder, registry=registry, served_days=served_days)
    with reporting() as reporter:
        reporter.log(
            f"nightly: collect: {found.events.n_entries:,} events, "
            f"{found.lists.n_rows:,} served lists"
        )
    return [folder] if any(folder.glob("*.parquet")) else []


def _pruned(registry: Registry, keep: int) -> list[RemovedVersion]:
    """Remove what is old; the night has ended well whether that works or not."""
    try:
        return prune(registry, keep)
    except (RegistryError, InputError) as error:
        with reporting() as reporter:
            reporter.log(f"nightly: old versions are not removed: {error}")
        return error.removed if isinstance(error, RemovalError) else []


def _lines(outcome: Outcome, registry: str) -> list[str]:
    state = outcome.state
    if outcome.promoted:
        said = f"promoted {outcome.version_id}, generation {outcome.generation}"
        return [said, *lines(state.decision)]
    why = why_refused(state.decision, state.yardstick)
    history = f"recsvc-train models --history --registry {quote(registry)}"
    return [
        f"refused {outcome.version_id}: {why}; what is current stays",
        *lines(state.decision),
        f"to promote it all the same, run the same command with --force; see also {history}",
    ]
