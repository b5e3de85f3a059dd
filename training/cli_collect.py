"""The command that drains what the service has written down: ``collect``."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from recsvc.artifacts.registry import Registry
from recsvc.redis_option import without_password
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.event_log import RedisEventLog
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.log_limits import LogLimits
from recsvc.store.served_lists import RedisServedLists
from training.answers import JsonOption, print_result
from training.collect import collect
from training.drain import UNREADABLE, Collected
from training.options import NamespaceOption, reporting
from training.purge import purge
from training.served import FOLDER, KEPT_DAYS, collect_served, forget_older

TIMEOUT_SECONDS = 30.0

RedisOption = Annotated[
    str,
    typer.Option(
        "--redis",
        envvar="RECSVC_REDIS_URL",
        callback=without_password,
        help="Redis or Valkey of the service: redis://, rediss:// or unix://; the embedded one is "
        "unix://REGISTRY.valkey/valkey.sock while the service runs.",
    ),
]
ServedOption = Annotated[
    Path | None,
    typer.Option(
        "--served",
        help="Folder of the served lists that recsvc-train collect has written, "
        f"{FOLDER} in that of its --into.",
    ),
]
ServedDaysOption = Annotated[
    int,
    typer.Option(
        "--served-days",
        min=1,
        help="How long the files keep served lists, days; older ones are left out by each run.",
    ),
]


@dataclass(frozen=True, slots=True)
class Drained:
    """What a run has drained.

    Attributes:
        events: into the history.
        lists: that were served, into files of their own.
        n_rows_erased: rows of the history that erased people have left.
        n_lists_erased: likewise of lists.
        n_lists_forgotten: lists that were too old.
    """

    events: Collected
    lists: Collected
    n_rows_erased: int
    n_lists_erased: int
    n_lists_forgotten: int


def drained(
    redis: str,
    namespace: str,
    folder: Path,
    *,
    registry: str | None = None,
    served: Path | None = None,
    served_days: int = KEPT_DAYS,
) -> Drained:
    """Drain events and served lists of a service into folders.

    Args:
        redis: URL of the service's Redis.
        namespace: of the service.
        folder: of the history.
        registry: whose ledger says who was erased; None leaves them in the files.
        served: of the served lists; within ``folder`` unless given.
        served_days: how long those are kept.

    Raises:
        SettingsError: the URL or the namespace cannot be used.
        StoreUnavailableError: the log cannot be read.
        PreconditionError: another run is under way.
        InputError: a folder has files of another origin.
    """
    served = served or folder / FOLDER
    client = connect(
        redis, connect_timeout_seconds=TIMEOUT_SECONDS, socket_timeout_seconds=TIMEOUT_SECONDS
    )
    guarded, keys = GuardedRedis(client, CircuitBreaker()), KeySchema(namespace)
    try:
        with reporting() as reporter, reporter.stage("collect") as tick:
            events = collect(RedisEventLog(guarded, keys, LogLimits()), folder, tick)
            lists = collect_served(RedisServedLists(guarded, keys), served, tick)
            if n_unreadable := events.n_unreadable + lists.n_unreadable:
                reporter.log(
                    f"warning: {n_unreadable:,} entries could not be read, damaged or of a newer "
                    f"recsvc: they are in {UNREADABLE} of {folder} and {served}"
                )
    finally:
        client.close()
    ledger = Registry.open(registry) if registry else None
    return Drained(
        events,
        lists,
        n_rows_erased=purge(folder, ledger) if ledger else 0,
        n_lists_erased=purge(served, ledger) if ledger else 0,
        n_lists_forgotten=forget_older(served, served_days, datetime.now(UTC)),
    )


def collect_command(  # options of a command line
    redis: RedisOption,
    into: Annotated[
        Path,
        typer.Option("--into", help="Folder of the history: give it to fit as --events."),
    ],
    *,
    namespace: NamespaceOption = "recsvc",
    registry: Annotated[
        str | None,
        typer.Option(
            "--registry",
            envvar="RECSVC_REGISTRY",
            help="Folder of the models, whose ledger says who was erased: their events and lists "
            "are removed from the files.",
        ),
    ] = None,
    served: Annotated[
        Path | None,
        typer.Option(
            "--served",
            help=f"Folder of the served lists; {FOLDER} in that of --into unless given.",
        ),
    ] = None,
    served_days: ServedDaysOption = KEPT_DAYS,
    to_json: JsonOption = False,
) -> None:
    """Drain live events, and the sample of served lists, into files, each exactly once.

    Writes Parquet files, then lets Redis forget the events that are in them; lists stay there as
    long as RECSVC_SERVED_DAYS of the service says. Killed at any moment, it loses and repeats
    nothing: run it again. What came in within the last second is left for the next run.
    """
    started = monotonic()
    found = drained(
        redis, namespace, into, registry=registry, served=served, served_days=served_days
    )
    events, lists = found.events, found.lists
    n_unreadable = events.n_unreadable + lists.n_unreadable
    result = {
        "n_events": events.n_entries,
        "n_rows": events.n_rows,
        "n_unreadable": n_unreadable,
        "n_rows_erased": found.n_rows_erased,
        "files": [str(path) for path in events.files],
        "n_lists": lists.n_rows,
        "n_lists_erased": found.n_lists_erased,
        "n_lists_forgotten": found.n_lists_forgotten,
        "served_files": [str(path) for path in lists.files],
        "seconds": round(monotonic() - started, 1),
    }
    files = ", ".join(map(str, (*events.files, *lists.files))) or "nothing new"
    text = f"collected {events.n_entries:,} events and {lists.n_rows:,} served lists: {files}"
    print_result(result, text, to_json)
