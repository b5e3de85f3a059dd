"""The ``recsvc keys`` commands: who of the shop's services may call, and what."""

import json
import math
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from recsvc.access.api_keys import MAX_NAME, ApiKey, new_key
from recsvc.access.keys_file import Keys, change_keys_file, read_keys_file
from recsvc.access.scopes import Scope
from recsvc.errors import InputError
from recsvc.terminal import new_app

app = new_app(
    "API keys of services: add, list, revoke. A server reads the file again when it changes. "
    "docs/security.md has the rest."
)

FileOption = Annotated[
    Path,
    typer.Option(
        "--file",
        metavar="PATH",
        envvar="RECSVC_API_KEYS_FILE",
        help="File of the keys; made where there is none.",
    ),
]


@app.command("add")
def add_command(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Which service gets it; it stands in the log.")
    ],
    file: FileOption,
    scopes: Annotated[
        list[Scope], typer.Option("--scope", help="What it allows; repeat it for several.")
    ],
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            min=0,
            help="Requests a second that it may make, 0 for any number; else RECSVC_RATE_LIMIT.",
        ),
    ] = None,
) -> None:
    """Make a key, and print it once: the file keeps its SHA-256 alone.

    A service may have several, so that a new one is in use before the old one is revoked.

    Example: recsvc keys add web --scope recommend --scope events --file keys.json
    """
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise InputError(f"NAME: give 1 to {MAX_NAME} characters that can be printed")
    if rate is not None and not math.isfinite(rate):
        raise InputError("--rate: give a number of requests a second, or 0 for any number")
    key, secret = new_key(name, scopes, datetime.now(UTC), rate)
    change_keys_file(file, lambda keys: (*keys, key))
    sys.stdout.write(secret + "\n")
    sys.stderr.write(
        f"key {key.key_id} for {name} ({_words(key)}): keep it now, it is not shown again\n"
    )


@app.command("list")
def list_command(
    file: FileOption,
    as_json: Annotated[bool, typer.Option("--json", help="Print the keys as JSON.")] = False,
) -> None:
    """List the keys: id, since when, scopes, name; never the keys themselves.

    Example: recsvc keys list --file keys.json
    """
    keys = read_keys_file(file)
    if as_json:
        rows = [
            {
                "id": key.key_id,
                "name": key.name,
                "scopes": sorted(key.scopes),
                "created": key.created.isoformat(),
                "rate": key.rate,
            }
            for key in keys
        ]
        sys.stdout.write(json.dumps(rows) + "\n")
        return
    for key in keys:
        rate = "" if key.rate is None else f"  {key.rate:g}/s"
        line = f"{key.key_id}  {key.created:%Y-%m-%d}  {_words(key)}{rate}  {key.name}\n"
        sys.stdout.write(line)


@app.command("revoke")
def revoke_command(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Of the key, as keys list says it.")],
    file: FileOption,
) -> None:
    """Take a key away; servers refuse it within a second.

    Example: recsvc keys revoke 3f9a01bc --file keys.json
    """

    def without(keys: Keys) -> Keys:
        left = tuple(key for key in keys if key.key_id != key_id)
        if len(left) == len(keys):
            raise InputError(f"{file}: has no key {key_id}; recsvc keys list names those it has")
        return left

    change_keys_file(file, without)
    sys.stderr.write(f"key {key_id} is revoked\n")


def _words(key: ApiKey) -> str:
    return " ".join(sorted(key.scopes))
