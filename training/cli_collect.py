"""The command that drains the service's event log: ``collect``."""

from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from recsvc.artifacts.registry import Registry
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.connection import connect
from recsvc.store.event_log import LogLimits, RedisEventLog
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from training.collect import Collected, collect
from training.options import JsonOption, print_result, reporting
from training.purge import purge

TIMEOUT_SECONDS = 30.0

RedisOption = Annotated[
    str,
    typer.Option(
        "--redis",
        envvar="RECSVC_REDIS_URL",
        help="Redis or Valkey of the service: redis://, rediss:// or unix://; the embedded one is "
        "unix://REGISTRY.valkey/valkey.sock while the service runs.",
    ),
]
NamespaceOption = Annotated[
    str,
    typer.Option("--namespace", envvar="RECSVC_NAMESPACE", help="Namespace of the service."),
]


def drained(redis: str, namespace: str, folder: Path) -> Collected:
    """Drain the log of a service into a folder.

    Raises:
        SettingsError: the URL or the namespace cannot be used.
        StoreUnavailableError: the log cannot be read.
    """
    client = connect(
        redis, connect_timeout_seconds=TIMEOUT_SECONDS, socket_timeout_seconds=TIMEOUT_SECONDS
    )
    guarded = GuardedRedis(client, CircuitBreaker())
    log = RedisEventLog(guarded, KeySchema(namespace), LogLimits())
    try:
        with reporting() as reporter, reporter.stage("collect"):
            return collect(log, folder)
    finally:
        client.close()


def collect_command(
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
            help="Folder of the models, whose ledger says who was erased: their rows are removed "
            "from the history.",
        ),
    ] = None,
    to_json: JsonOption = False,
) -> None:
    """Drain the live event log of the service into the history, each event exactly once.

    Writes a Parquet file a run, then lets Redis forget what is in it. Killed at any moment, it
    loses and repeats nothing: run it again. What came in within the last second is left for the
    next run.
    """
    started = monotonic()
    found = drained(redis, namespace, into)
    n_erased = purge(into, Registry.open(registry)) if registry else 0
    result = {
        "n_events": found.n_events,
        "n_rows": found.n_rows,
        "n_rows_erased": n_erased,
        "files": [str(path) for path in found.files],
        "seconds": round(monotonic() - started, 1),
    }
    files = ", ".join(map(str, found.files)) or "nothing new"
    print_result(result, f"collected {found.n_events:,} events: {files}", to_json)
