"""The command that makes room, ``prune``."""

from typing import Annotated

import typer

from recsvc.artifacts.registry import Registry
from recsvc.artifacts.removal import RemovalError
from recsvc.artifacts.retention import KEPT, prune
from training.answers import JsonOption, RegistryOption, print_result
from training.pruned import as_removed, removed_lines


def prune_command(
    registry: RegistryOption,
    *,
    keep: Annotated[
        int,
        typer.Option(
            "--keep", min=1, envvar="RECSVC_KEEP_MODELS", help="How many of the newest to keep."
        ),
    ] = KEPT,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Remove nothing, and say what would be.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove old versions that nobody needs any more; nightly does it by itself.

    The current version stays, the newest --keep, as many that a rollback would return to, and those
    of experiments that run. A server that still has an older one loaded goes on with it.
    """
    nothing = "nothing to remove"
    failed: RemovalError | None = None
    try:
        removed = prune(Registry.open(registry), keep, dry_run=dry_run)
    except RemovalError as error:
        removed, failed, nothing = error.removed, error, "nothing removed"
    result = as_removed(removed) | {"dry_run": dry_run}
    lines = removed_lines(removed, dry_run=dry_run) or [nothing]
    print_result(result, "\n".join(lines), as_json)
    if failed is not None:
        raise failed
