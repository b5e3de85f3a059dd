"""What every command of ``recsvc-train`` is asked, and how it answers."""

import json
import sys
from typing import Annotated, Any

import typer

REFUSED = 3
"""Exit code where the gate has refused; 1 is a failure, 2 what shells use themselves."""

RegistryOption = Annotated[
    str, typer.Option("--registry", envvar="RECSVC_REGISTRY", help="Folder of the models.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def print_result(result: dict[str, Any], text: str, as_json: bool) -> None:  # noqa: FBT001  # --json
    """Write what a command found, as JSON or as text for people."""
    sys.stdout.write((json.dumps(result, indent=2) if as_json else text) + "\n")
