"""``python -m tests.chaos``: a shop under load while everything behind it goes wrong."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from recsvc.errors import InputError
from recsvc.terminal import run
from tests.chaos.faults import ALL
from tests.chaos.report import broken, table
from tests.chaos.run import run as put_to_the_test
from tests.chaos.schedule import LONG

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def chaos(
    minutes: Annotated[float, typer.Option("--minutes", help="How long, at least.")] = 10.0,
    seed: Annotated[int, typer.Option("--seed", help="Of load and faults.")] = 1,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="A fault, by its name; repeatable.")
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option("--keep", help="Folder for logs and files, empty or new; else they go."),
    ] = None,
) -> None:
    """Let faults happen to a loaded service: a table of what came of it, and JSON on stdout."""
    kinds = {kind.name: kind for kind in ALL}
    if unknown := sorted(set(only or ()) - set(kinds)):
        raise InputError(f"--only {', '.join(unknown)}: give any of {', '.join(kinds)}")

    if keep is not None:
        _prepare(keep)

    def tell(what: str) -> None:
        sys.stderr.write(what + "\n")

    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        found = put_to_the_test(
            keep or Path(folder),
            [kinds[name] for name in only or kinds],
            seconds=60 * minutes,
            seed=seed,
            pace=LONG,
            tell=tell,
        )
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    sys.stderr.write(table(found))
    raise typer.Exit(1 if broken(found) else 0)


def _prepare(keep: Path) -> None:
    """Have an empty folder there.

    Raises:
        InputError: there is something else.
    """
    try:
        keep.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--keep {keep}: {error.strerror}; name a folder") from error
    if any(keep.iterdir()):
        raise InputError(f"--keep {keep}: the folder is not empty; name an empty or a new one")


if __name__ == "__main__":
    sys.exit(run(app))
