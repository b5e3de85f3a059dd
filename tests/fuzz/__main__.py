"""``python -m tests.fuzz``: hostile requests and hostile files, as long as you like."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from recsvc.terminal import new_app, run

app = new_app("Send the service what nobody should, and give its readers such files.")

SeedOption = Annotated[int, typer.Option("--seed", help="Where chance begins.")]
SecondsOption = Annotated[
    float, typer.Option("--seconds", help="How long at most.", show_default=False)
]
FailuresOption = Annotated[
    Path, typer.Option("--failures", help="Folder where what failed is written.")
]
_FAILURES = Path("fuzz-failures")


def _end(found: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    raise typer.Exit(1 if found["faults"] else 0)


@app.command("requests")
def requests_command(
    n_requests: Annotated[int, typer.Option("--count", help="Messages to send.")] = 1_000_000,
    seconds: SecondsOption = float("inf"),
    seed: SeedOption = 1,
    failures: FailuresOption = _FAILURES,
) -> None:
    """Every method of the API, over a real channel, to a service in processes of its own."""
    from tests.fuzz.requests import run_requests  # noqa: PLC0415  # the readers need no gRPC

    with tempfile.TemporaryDirectory() as directory:
        found = run_requests(
            Path(directory), seed=seed, n_requests=n_requests, seconds=seconds, failures=failures
        )
    _end(found.to_json())


@app.command("files")
def files_command(
    n_files: Annotated[int, typer.Option("--count", help="Files to read.")] = 200_000,
    seconds: SecondsOption = float("inf"),
    seed: SeedOption = 1,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Readers that are meant.")
    ] = None,
    failures: FailuresOption = _FAILURES,
) -> None:
    """Every reader of files, in a process of its own."""
    from tests.fuzz.files import run_files  # noqa: PLC0415  # requests need no Polars

    found = run_files(
        seed=seed, n_files=n_files, seconds=seconds, only=only or (), failures=failures
    )
    _end(found.to_json())


if __name__ == "__main__":
    sys.exit(run(app))
