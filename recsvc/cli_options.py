"""Options that commands of ``recsvc`` share: the settings of the service, as flags."""

from pathlib import Path
from typing import Annotated

import typer

from recsvc.redis_option import without_password
from recsvc.settings.logs import LogFormat, LogLevel

RegistryOption = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Model registry, as recsvc-train fit --registry wrote it. Else RECSVC_REGISTRY.",
        show_default=False,
    ),
]
ListenOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Where gRPC listens; port 0 takes a free one, 0.0.0.0 lets other machines in. "
        "Else RECSVC_LISTEN, else 127.0.0.1:50051.",
        show_default=False,
    ),
]
RedisOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        callback=without_password,
        help="Redis or Valkey, for example redis://localhost:6379/0; a URL with a password in "
        "RECSVC_REDIS_URL alone. Else that, else an embedded Valkey is started and stopped with "
        "the service.",
        show_default=False,
    ),
]
DataDirOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of the embedded Valkey. Else RECSVC_DATA_DIR, else the registry's path "
        "with .valkey added.",
        show_default=False,
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Server processes that share the port; one a core is a good number. "
        "Else RECSVC_WORKERS, else 1.",
        show_default=False,
    ),
]
MetricsOption = Annotated[
    str | None,
    typer.Option(
        "--metrics-listen",
        metavar="HOST:PORT",
        help="Where Prometheus reads the metrics; 'off' for nowhere. Else "
        "RECSVC_METRICS_LISTEN, else a free port of 127.0.0.1, which the log names.",
        show_default=False,
    ),
]
LevelOption = Annotated[
    LogLevel | None,
    typer.Option(
        help="From which level on to log. Else RECSVC_LOG_LEVEL, else info.",
        show_default=False,
    ),
]
FormatOption = Annotated[
    LogFormat | None,
    typer.Option(
        help="json, or console for eyes. Else RECSVC_LOG_FORMAT, else json.",
        show_default=False,
    ),
]
