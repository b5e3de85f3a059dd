"""The commands that call a running server, as any client would: recommend, ingest."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from recsvc.errors import RecsvcError
from recsvc.settings.target import TargetSettings
from recsvc.terminal import asking, attributes_of, new_console

if TYPE_CHECKING:
    from recsvc.client.ingest import Sent

# gRPC is imported by the command that needs it: the supervisor, which loads this module too, must
# stay small, and --help quick.


class Diversity(StrEnum):
    """How varied a list is."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


def recommend_command(
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
        int, typer.Option(metavar="N", help="How many products, 1 to 100.", min=1, max=100)
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

    Without a place it is the list for the customer's home store, learnt from past purchases. A
    server that asks for TLS or a credential: RECSVC_TARGET_CA, RECSVC_TARGET_TOKEN_FILE and others,
    in docs/security.md.

    Example: recsvc recommend 1104 --store 367 --page-size 5
    """
    from google.protobuf.json_format import MessageToDict
    from google.type.latlng_pb2 import LatLng

    from recsvc.client.table import print_list
    from recsvc.client.target import client_of
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
    with asking(target, timeout), client_of(target, TargetSettings.load(), timeout) as client:
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
    if as_json:
        document = MessageToDict(response, preserving_proto_field_name=True)
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    else:
        print_list(response, new_console())


def ingest_command(
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
    rejected: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Write every refused row's number and reason to this file.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Send a file of events to a running server.

    A row that cannot be read or that the server rejects is told, and stops no other. Stopped or cut
    off, the same command goes on where it ended; sending a file twice changes nothing, as each
    event counts once. TLS and credentials are those of recsvc recommend.

    The exit code is 0 where every row was taken, now or before, and 1 where any was refused or
    the file could not be sent.

    Example: recsvc ingest purchases.csv --target 127.0.0.1:50051
    """
    from rich.progress import Progress

    from recsvc.client.event_file import count_rows
    from recsvc.client.ingest import ingest
    from recsvc.client.target import client_of

    console = Console(stderr=True)
    with (
        client_of(target, TargetSettings.load(), None) as client,
        Progress(console=console, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task(file.name, total=count_rows(file))
        sent = ingest(
            file,
            client.ingest_events.send,
            durable=durable,
            rejected=rejected,
            tick=lambda n: progress.advance(task, n),
        )
    if as_json:
        document = {
            "n_rows": sent.n_rows,
            "n_skipped": sent.n_skipped,
            "outcomes": sent.outcomes,
            "n_unreadable": sent.n_unreadable,
            "first_refused": [refused._asdict() for refused in sent.first_refused],
            "reasons": sent.reasons,
        }
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        sys.stdout.write("\n  ".join(_report(sent)) + "\n")
    if sent.n_refused:
        raise typer.Exit(1)


def _report(sent: "Sent") -> Iterator[str]:
    """What came of a file, for people: the counts, then the refused rows."""
    counts = [
        f"{n:,} {name.lower().replace('_', ' ')}" for name, n in sorted(sent.outcomes.items())
    ]
    if sent.n_unreadable:
        counts.append(f"{sent.n_unreadable:,} unreadable")
    earlier = f"; {sent.n_skipped:,} of them by an earlier run" if sent.n_skipped else ""
    yield f"sent {sent.n_rows:,} rows: {', '.join(counts) or 'none'}{earlier}"
    for row, reason in sent.first_refused:
        yield f"row {row:,}: {reason}"
    told = Counter(reason for _, reason in sent.first_refused)
    for reason, n in (sent.reasons - told).most_common():
        yield f"{n:,} more: {reason}"
