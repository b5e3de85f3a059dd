"""The commands that run the service here, or check that it could: serve, demo, doctor."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from recsvc.cli_options import (
    DataDirOption,
    FormatOption,
    LevelOption,
    ListenOption,
    MetricsOption,
    RedisOption,
    RegistryOption,
    WorkersOption,
)
from recsvc.logs import make_logger
from recsvc.settings.server import ServerSettings
from recsvc.signals import ended_by_sigterm, held_roll
from recsvc.terminal import new_console

# gRPC and the model's libraries are imported by the commands that need them: the supervisor
# must stay small, and --help quick.


def serve_command(
    registry: RegistryOption = None,
    listen: ListenOption = None,
    workers: WorkersOption = None,
    redis: RedisOption = None,
    data_dir: DataDirOption = None,
    metrics_listen: MetricsOption = None,
    log_level: LevelOption = None,
    log_format: FormatOption = None,
) -> None:
    """Serve recommendations over gRPC.

    Prints 'listening on HOST:PORT' once it answers, and logs to stderr, one line a call.
    Another model is picked up without a restart: recsvc-train promote. SIGTERM and Ctrl-C let
    running calls end. docs/operations.md lists every setting, metric and log field, and
    docs/security.md says who may call: where other machines reach it, it asks for a credential.

    Example: recsvc serve --registry models --listen 127.0.0.1:50051 --workers 2
    """
    with held_roll():
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
        raise typer.Exit(launch(settings, logger, _announce))


def _announce(address: str) -> None:
    sys.stdout.write(f"listening on {address}\n")
    sys.stdout.flush()


def demo_command(
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Where the model and the data are kept.")
    ] = Path(".demo"),
) -> None:
    """Train on a year of real groceries, serve, and show what is recommended to whom, and where.

    The first run takes a minute or two; another one uses the model that is there. Needs the
    extras: pip install "recsvc[training,demo]".
    """
    from recsvc.demo import run_demo

    with ended_by_sigterm():
        run_demo(directory, new_console())


def doctor_command(
    registry: RegistryOption = None,
    listen: ListenOption = None,
    workers: WorkersOption = None,
    redis: RedisOption = None,
    data_dir: DataDirOption = None,
    metrics_listen: MetricsOption = None,
    log_level: LevelOption = None,
    log_format: FormatOption = None,
) -> None:
    """Check that the service could start here: settings, model, Redis, who may call, port.

    One line a check; the exit code is 0 only if all are well, or but a warning. Give it the flags
    and the environment of recsvc serve, also beside one that runs.

    Example: recsvc doctor --registry models
    """
    from recsvc.doctor import findings

    given = {
        "registry": registry,
        "listen": listen,
        "workers": workers,
        "redis_url": redis,
        "data_dir": data_dir,
        "metrics_listen": metrics_listen,
        "log_level": log_level,
        "log_format": log_format,
    }
    is_well = True
    for finding in findings(given):
        is_well = is_well and finding.is_well
        mark = "warn" if finding.is_warning else "ok  " if finding.is_well else "FAIL"
        sys.stdout.write(f"{mark}  {finding.subject}: {finding.text}\n")
    raise typer.Exit(0 if is_well else 1)
