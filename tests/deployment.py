"""The files of ``deploy/``, read, and what they say run as far as it can be without a cluster."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from jsonschema import Draft202012Validator

from recsvc import cli
from recsvc.access.binding import check_binding
from recsvc.settings.base import PREFIX
from recsvc.settings.server import ServerSettings
from recsvc.settings.target import TargetSettings
from training import cli as training_cli

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
SCHEMAS = Path(__file__).parent / "unit" / "deploy" / "schemas"

SETTINGS = {
    PREFIX + name.upper() for name in (*ServerSettings.model_fields, *TargetSettings.model_fields)
}
"""Every variable that can be set."""

_APPS = {"recsvc": cli.app, "recsvc-train": training_cli.app}


def documents(path: Path) -> list[dict[str, Any]]:
    """The YAML documents of a file; none is empty."""
    found = list(yaml.safe_load_all(path.read_text()))
    assert all(isinstance(document, dict) for document in found), path
    return found


def faults(schema: Mapping[str, Any], document: object) -> list[str]:
    """What a JSON schema objects to, each with its place."""
    return [
        f"{error.json_path}: {error.message}"
        for error in Draft202012Validator(schema).iter_errors(document)
    ]


def schema(name: str) -> dict[str, Any]:
    """A schema of ``schemas/``."""
    loaded: dict[str, Any] = json.loads((SCHEMAS / name).read_text())
    return loaded


def parsed(command_line: Sequence[str]) -> None:
    """Read a command line as the command would, without running it.

    Raises:
        typer.TyperException: no such command or flag, or a value that cannot be.
    """
    name, *arguments = command_line
    command: Any = typer.main.get_command(_APPS[name])  # Typer's classes are not public
    context = command.make_context(name, list(arguments))
    left = [*context._protected_args, *context.args]
    while left:
        name, command, left = command.resolve_command(context, left)
        context = command.make_context(name, left, parent=context)
        left = [*getattr(context, "_protected_args", []), *context.args]


def usable(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> ServerSettings:
    """The settings that a server would have with these variables.

    Raises:
        SettingsError: a value cannot be used, or the port would be open to strangers.
    """
    assert set(environment) <= SETTINGS
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    settings = ServerSettings.load()
    check_binding(settings)
    return settings
