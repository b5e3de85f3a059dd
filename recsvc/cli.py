"""The ``recsvc`` command."""

import json
import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from recsvc import rules
from recsvc.errors import InputError, RecsvcError, UnavailableError
from recsvc.settings import LogFormat, LogLevel, LogSettings, ServerSettings, TokenSettings
from recsvc.telemetry import make_logger
from recsvc.terminal import attributes_of, new_app, run

# gRPC and the model's libraries are imported by the commands that need them: the supervisor
# must stay small, and --help quick.

app = new_app("Per-customer product recommendations that fit the place and the past purchases.")
app.add_typer(rules.app, name="rules")

Registry = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Model registry, as recsvc-train fit --registry wrote it. Else RECSVC_REGISTRY.",
        show_default=False,
    ),
]
Listen = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Where gRPC listens; port 0 takes a free one, 0.0.0.0 lets other machines in. "
        "Else RECSVC_LISTEN, else 127.0.0.1:50051.",
        show_default=False,
    ),
]
Redis = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="Redis or Valkey, for example redis://localhost:6379/0. Else RECSVC_REDIS_URL, "
        "else an embedded Valkey is started and stopped with the service.",
        show_default=False,
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Folder of the embedded Valkey. Else RECSVC_DATA_DIR, else the registry's path "
        "with .valkey added.",
        show_default=False,
    ),
]
Level = Annotated[
    LogLevel | None,
    typer.Option(
        help="From which level on to log. Else RECSVC_LOG_LEVEL, else info.",
        show_default=False,
    ),
]
Format = Annotated[
    LogFormat | None,
    typer.Option(
        help="json, or console for eyes. Else RECSVC_LOG_FORMAT, else json.",
        show_default=False,
    ),
]


class Diversity(StrEnum):
    """How varied a list is."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Channel(StrEnum):
    """How agents' lists are marked."""

    AGENT = "AGENT"
    CHAT = "CHAT"


@app.command()
def serve(  # one argument a flag
    registry: Registry = None,
    listen: Listen = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Server processes that share the port; one a core is a good number. "
            "Else RECSVC_WORKERS, else 1.",
            show_default=False,
        ),
    ] = None,
    redis: Redis = None,
    data_dir: DataDir = None,
    metrics_listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Where Prometheus reads the metrics; 'off' for nowhere. Else "
            "RECSVC_METRICS_LISTEN, else a free port of 127.0.0.1, which the log names.",
            show_default=False,
        ),
    ] = None,
    log_level: Level = None,
    log_format: Format = None,
) -> None:
    """Serve recommendations over gRPC.

    Prints 'listening on HOST:PORT' once it answers, and logs to stderr, one line a call.
    Another model is picked up without a restart: recsvc-train promote. SIGTERM and Ctrl-C let
    running calls end. docs/operations.md lists every setting, metric and log field.

    Example: recsvc serve --registry models --listen 127.0.0.1:50051 --workers 2
    """
    from recsvc.launch import serve as launch

    settings = ServerSettings.load(
        {
            "registry": registry,
            "listen": listen,
            "workers": workers,
            "redis_url": redis,
            "data_dir": data_dir,
            "metrics_listen": metrics_listen,
            "log_level": log_level,
            "log_format": log_format,
        }
    )
    logger = make_logger(settings.log_level, settings.log_format, sys.stderr)

    def announce(address: str) -> None:
        sys.stdout.write(f"listening on {address}\n")
        sys.stdout.flush()

    raise typer.Exit(launch(settings, logger, announce))


@app.command()
def recommend(  # one argument a flag
    customer: Annotated[
        str,
        typer.Argument(
            metavar="CUSTOMER",
            help="Customer id, as in the purchase files. One that the model does not know, or "
            "none, gets the list of the place.",
            show_default=False,
        ),
    ] = "",
    target: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The server to ask.")
    ] = "127.0.0.1:50051",
    store: Annotated[
        str, typer.Option(metavar="ID", help="Store where the customer is.", show_default=False)
    ] = "",
    country: Annotated[
        str,
        typer.Option(metavar="CODE", help="Country, ISO 3166-1: GB.", show_default=False),
    ] = "",
    subdivision: Annotated[
        str,
        typer.Option(metavar="CODE", help="Region, ISO 3166-2: GB-ENG.", show_default=False),
    ] = "",
    postal_code: Annotated[
        str, typer.Option(metavar="CODE", help="Postal code.", show_default=False)
    ] = "",
    lat: Annotated[
        float | None,
        typer.Option(metavar="DEGREES", help="Latitude; with --lon.", show_default=False),
    ] = None,
    lon: Annotated[
        float | None,
        typer.Option(metavar="DEGREES", help="Longitude; with --lat.", show_default=False),
    ] = None,
    page_size: Annotated[
        int, typer.Option(metavar="N", help="How many products, at most 100.")
    ] = 10,
    only_new: Annotated[
        bool, typer.Option("--only-new", help="Leave out what the customer has bought.")
    ] = False,
    attributes: Annotated[
        list[str] | None,
        typer.Option(
            "--attribute",
            metavar="NAME=VALUE",
            help="Only products with this attribute; of one name any, of several all.",
            show_default=False,
        ),
    ] = None,
    diversity: Annotated[
        Diversity | None,
        typer.Option(
            help="How varied the list is; unset as the shop has it.",
            case_sensitive=False,
            show_default=False,
        ),
    ] = None,
    language: Annotated[
        str,
        typer.Option(
            metavar="TAG", help="Language of the reasons, BCP 47: de.", show_default=False
        ),
    ] = "",
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long to wait for the answer.", min=0.001)
    ] = 1.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole response as JSON.")
    ] = False,
) -> None:
    """Ask a running server for a customer's list, and why each product is on it.

    Without a place it is the list for the customer's home store, learnt from past purchases.

    Example: recsvc recommend 1104 --store 367 --page-size 5
    """
    from google.protobuf.json_format import MessageToDict
    from google.type.latlng_pb2 import LatLng

    from recsvc.client import Client
    from recsvc.client.table import print_list
    from recsvc.v1.common_pb2 import Location
    from recsvc.v1.recommendation_service_pb2 import Diversity as ApiDiversity

    if (lat is None) != (lon is None):
        raise RecsvcError("--lat and --lon belong together: give both or neither")
    location = Location(
        store_id=store,
        country_code=country,
        subdivision_code=subdivision,
        postal_code=postal_code,
        lat_lng=None if lat is None or lon is None else LatLng(latitude=lat, longitude=lon),
    )
    level = "UNSPECIFIED" if diversity is None else diversity.name
    with Client(target, deadline_seconds=timeout) as client:
        try:
            response = client.recommend(
                customer,
                location=location,
                page_size=page_size,
                language_code=language,
                exclude_purchased=only_new or None,
                attributes=attributes_of(attributes or ()),
                diversity=ApiDiversity.Value(f"DIVERSITY_{level}"),  # type: ignore[arg-type]  # an int to protobuf's stubs
                explain=True,
                include_products=True,
            )
        except UnavailableError as error:
            if error.reason != "DEADLINE_EXCEEDED":
                raise
            raise UnavailableError(
                f"{target} did not answer within {timeout:g} s; try again, or wait longer "
                "with --timeout"
            ) from error
    if as_json:
        document = MessageToDict(response, preserving_proto_field_name=True)
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    else:
        print_list(response, _console())


@app.command()
def ingest(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help=".csv with a header, or .jsonl with one object a line; the columns are those of "
            "recsvc-train's events (docs/data.md), beside event_id, visitor_id and rating.",
        ),
    ],
    target: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The server to send to.")
    ] = "127.0.0.1:50051",
    durable: Annotated[
        bool, typer.Option("--durable", help="Go on only when events are on the server's disk.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Send a file of events to a running server.

    Stopped or cut off, the same command goes on where it ended; sending a file twice changes
    nothing, as each event counts once.

    Example: recsvc ingest purchases.csv --target 127.0.0.1:50051
    """
    from rich.progress import Progress

    from recsvc.client import Client
    from recsvc.client import ingest as sending

    console = Console(stderr=True)
    with (
        Client(target) as client,
        Progress(console=console, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task(file.name, total=sending.count_rows(file))
        sent = sending.ingest(
            file,
            client.ingest_events.send,
            durable=durable,
            tick=lambda n: progress.advance(task, n),
        )
    if as_json:
        document = {
            "n_rows": sent.n_rows,
            "n_skipped": sent.n_skipped,
            "outcomes": dict(sent.outcomes),
            "first_rejected": sent.first_rejected,
        }
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        counts = ", ".join(f"{n:,} {name.lower()}" for name, n in sorted(sent.outcomes.items()))
        earlier = f"; {sent.n_skipped:,} had been sent before" if sent.n_skipped else ""
        sys.stdout.write(f"sent {sent.n_rows:,} rows: {counts or 'none'}{earlier}\n")
        if sent.first_rejected:
            sys.stdout.write(f"first rejected: {sent.first_rejected}\n")


@app.command()
def mcp(  # one argument a flag
    registry: Registry = None,
    target: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="A running recsvc serve to ask, instead of a registry.",
            show_default=False,
        ),
    ] = None,
    http: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve streamable HTTP there, under /mcp; port 0 takes a free one. Without it, "
            "stdio.",
            show_default=False,
        ),
    ] = "",
    customer: Annotated[
        str,
        typer.Option(
            metavar="ID",
            help="Whom stdio is for; without it, nobody in particular. Over HTTP a token says it.",
            show_default=False,
        ),
    ] = "",
    channel: Annotated[
        Channel,
        typer.Option(
            help="The door that lists and feedback are marked with.", case_sensitive=False
        ),
    ] = Channel.AGENT,
    redis: Redis = None,
    data_dir: DataDir = None,
    log_level: Level = None,
    log_format: Format = None,
) -> None:
    """Serve agents: recommendations as tools of the Model Context Protocol.

    Over a registry it stands alone; over --target it asks a running service. It speaks stdio, to
    the program that starts it, or HTTP. Whom an answer is for is said by --customer or by a
    bearer token (RECSVC_JWT_SECRET, RECSVC_JWT_KEYS_FILE), and never by an argument of a tool.
    Logs go to stderr. docs/agents.md lists the tools. Needs the extra: pip install
    "recsvc[agents]".

    Example: recsvc mcp --registry models --customer 1104
    """
    if find_spec("mcp") is None:
        raise InputError('recsvc mcp needs the SDK of the protocol: pip install "recsvc[agents]"')
    from recsvc.mcp import DoorOptions, local_shop, open_door, remote_shop

    if target and registry:
        raise InputError("--target and --registry are two shops; give one of them")
    options = DoorOptions(http=http, customer_id=customer, channel=channel.value)
    tokens = TokenSettings.load()
    logs = LogSettings.load({"log_level": log_level, "log_format": log_format})
    logger = make_logger(logs.log_level, logs.log_format, sys.stderr)

    def announce(url: str) -> None:
        sys.stdout.write(f"listening on {url}\n")
        sys.stdout.flush()

    if target:
        with remote_shop(target) as shop:
            open_door(shop, options, tokens, logger, announce)
        return
    given = {"registry": registry, "redis_url": redis, "data_dir": data_dir}
    settings = ServerSettings.load(given)
    with local_shop(settings, logger) as shop:
        open_door(shop, options, tokens, logger, announce)


@app.command()
def demo(
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where the model and the data are kept.")
    ] = Path(".demo"),
) -> None:
    """Train on a year of real groceries, serve, and show what is recommended to whom, and where.

    The first run takes a minute or two; another one uses the model that is there. Needs the
    extras: pip install "recsvc[training,demo]".
    """
    from recsvc.demo import run_demo

    run_demo(directory, _console())


@app.command()
def doctor(
    registry: Registry = None,
    listen: Listen = None,
    redis: Redis = None,
    data_dir: DataDir = None,
) -> None:
    """Check that the service could start here: settings, model, Redis, port.

    One line a check; the exit code is 0 only if all are well. Give it the flags and the
    environment of recsvc serve.

    Example: recsvc doctor --registry models
    """
    from recsvc.doctor import findings

    given = {"registry": registry, "listen": listen, "redis_url": redis, "data_dir": data_dir}
    is_well = True
    for finding in findings(given):
        is_well = is_well and finding.is_well
        mark = "ok  " if finding.is_well else "FAIL"
        sys.stdout.write(f"{mark}  {finding.subject}: {finding.text}\n")
    raise typer.Exit(0 if is_well else 1)


def _console() -> Console:
    console = Console()
    # A file or a pipe has no width; a table squeezed into 80 columns is no use to anybody.
    return console if console.is_terminal else Console(width=160)


def main() -> None:
    """Run the ``recsvc`` command."""
    sys.exit(run(app))


if __name__ == "__main__":
    main()
