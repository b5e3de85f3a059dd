"""The command that probes run, and run often: whether a server can answer. It imports little."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from recsvc.terminal import asking

if TYPE_CHECKING:
    from grpc import ChannelCredentials

_TARGET = "RECSVC_TARGET_"


def health_command(
    target: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The server to ask.")
    ] = "127.0.0.1:50051",
    service: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="One service of it, such as recsvc.v1.ModelService; else the whole.",
            show_default=False,
        ),
    ] = "",
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long to wait for the answer.", min=0.001)
    ] = 2.0,
) -> None:
    """Ask a running server whether it can answer, by gRPC's standard health protocol.

    Prints SERVING, or what it is instead; the exit code is 0 only for SERVING. It needs no
    credential; TLS is that of recsvc recommend.

    Example: recsvc health --target 127.0.0.1:50051
    """
    from recsvc.client.health import health_of

    with asking(target, timeout):
        status = health_of(target, service, credentials=_tls(), deadline_seconds=timeout)
    sys.stdout.write(f"{status}\n")
    raise typer.Exit(0 if status == "SERVING" else 1)


def _tls() -> "ChannelCredentials | None":
    """What the environment says of TLS."""
    # To load what reads settings costs a fifth of the whole command.
    if not any(name.upper().startswith(_TARGET) for name in os.environ):
        return None
    from recsvc.client.target import tls_of
    from recsvc.settings.target import TargetSettings

    return tls_of(TargetSettings.load())
