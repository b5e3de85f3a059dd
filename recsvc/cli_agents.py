"""The command that serves agents: ``recsvc mcp``."""

import os
import sys
from enum import StrEnum
from importlib.util import find_spec
from typing import Annotated

import typer

from recsvc.cli_options import DataDirOption, FormatOption, LevelOption, RedisOption, RegistryOption
from recsvc.errors import InputError
from recsvc.logs import make_logger
from recsvc.settings.access import DoorSettings
from recsvc.settings.logs import LogSettings
from recsvc.settings.server import ServerSettings
from recsvc.settings.target import TargetSettings
from recsvc.variables import unknown_variables


class Channel(StrEnum):
    """How agents' lists are marked."""

    AGENT = "AGENT"
    CHAT = "CHAT"


def mcp_command(
    registry: RegistryOption = None,
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
            "stdio. An address that other machines reach needs keys of tokens, or "
            "RECSVC_ALLOW_ANONYMOUS.",
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
    redis: RedisOption = None,
    data_dir: DataDirOption = None,
    log_level: LevelOption = None,
    log_format: FormatOption = None,
) -> None:
    """Serve agents: recommendations as tools of the Model Context Protocol.

    Over a registry it stands alone; over --target it asks a running service. It speaks stdio, to
    the program that starts it, or HTTP. Whom an answer is for is said by --customer or by a
    bearer token (RECSVC_JWT_SECRET, RECSVC_JWT_KEYS_FILE, RECSVC_JWT_KEYS_URL), and never by an
    argument of a tool. RECSVC_RATE_LIMIT is how many talks a second each caller may begin, of four
    HTTP requests each.
    What a server that asks for credentials is told: docs/security.md.
    Logs go to stderr. docs/agents.md lists the tools. Needs the extra: pip install
    "recsvc[agents]".

    Example: recsvc mcp --registry models --customer 1104
    """
    if find_spec("mcp") is None:
        raise InputError('recsvc mcp needs the SDK of the protocol: pip install "recsvc[agents]"')
    from recsvc.mcp import (
        DoorOptions,
        local_shop,
        open_door,
        remote_shop,
    )  # its libraries are an extra

    if target and registry:
        raise InputError("--target and --registry are two shops; give one of them")
    logs = LogSettings.load({"log_level": log_level, "log_format": log_format})
    logger = make_logger(logs.log_level, logs.log_format, sys.stderr)
    for name, hint in unknown_variables(os.environ):
        logger.warning("unknown_setting", variable=name, hint=hint)
    options = DoorOptions(
        http=http, customer_id=customer, channel=channel.value, access=DoorSettings.load()
    )

    def announce(url: str) -> None:
        sys.stdout.write(f"listening on {url}\n")
        sys.stdout.flush()

    if target:
        with remote_shop(target, TargetSettings.load()) as shop:
            open_door(shop, options, logger, announce)
        return
    given = {"registry": registry, "redis_url": redis, "data_dir": data_dir}
    settings = ServerSettings.load(given)
    with local_shop(settings, logger) as shop:
        open_door(shop, options, logger, announce)
