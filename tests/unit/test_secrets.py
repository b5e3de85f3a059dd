"""What the commands say while there are secrets in their environment."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from recsvc import cli
from recsvc.settings.base import PREFIX, _Hidden
from recsvc.settings.server import ServerSettings
from recsvc.settings.target import TargetSettings
from recsvc.terminal import run
from tests.serving import small_registry
from training import cli as training_cli

Capture = pytest.CaptureFixture[str]

HIDDEN = {
    PREFIX + name.upper()
    for settings in (ServerSettings, TargetSettings)
    for name, field in settings.model_fields.items()
    if _Hidden in field.metadata
}
"""The variables whose values may be secret or have a secret in them."""


def commands(app: typer.Typer) -> Iterator[list[str]]:
    """Every command, and the groups of commands themselves."""
    group: Any = typer.main.get_command(app)  # Typer's classes are not public
    context = group.make_context("any", [], resilient_parsing=True)
    yield []
    for name in group.commands:
        _, command, _ = group.resolve_command(context, [name])
        yield [name]
        yield from ([name, inner] for inner in getattr(command, "commands", ()))


EVERY = [
    pytest.param(app, words, id=" ".join([name, *words]))
    for name, app in (("recsvc", cli.app), ("recsvc-train", training_cli.app))
    for words in commands(app)
]


@pytest.mark.parametrize(("app", "words"), EVERY)
def test_no_help_shows_what_a_variable_holds(
    app: typer.Typer, words: list[str], capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the default of an option, say."""
    assert {"RECSVC_REDIS_URL", "RECSVC_HASH_KEY", "RECSVC_TARGET_TOKEN"} <= HIDDEN
    for name in HIDDEN:
        monkeypatch.setenv(name, f"redis://:hush-{name}@host")

    assert run(app, [*words, "--help"]) == 0

    said = capsys.readouterr()
    assert "--help" in said.out
    assert "hush" not in said.out + said.err


@pytest.mark.parametrize(("app", "words"), EVERY)
def test_no_flag_takes_a_secret(app: typer.Typer, words: list[str], capsys: Capture) -> None:
    """Command lines are seen by every user of the machine."""
    assert run(app, [*words, "--help"]) == 0

    shown = capsys.readouterr().out
    assert not re.search(r"--\S*(secret|token|password|key)\b", shown)


@pytest.mark.parametrize(
    ("app", "command"),
    [
        (cli.app, "doctor"),
        (cli.app, "mcp"),
        (cli.app, "serve"),
        (training_cli.app, "collect --into live"),
        (training_cli.app, "nightly --events none.csv --collect-into live"),
        (training_cli.app, "replay AAAAAAAAAAAAAAAAAAAAAA"),
    ],
)
@pytest.mark.parametrize("url", ["http://:hush@host", "redis://:hush@host/0?odd=hush"])
def test_a_url_that_cannot_be_used_is_told_without_its_password(
    app: typer.Typer,
    command: str,
    url: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By every command that asks Redis first of all."""
    registry = small_registry(tmp_path / "models").root
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECSVC_REDIS_URL", url)

    assert run(app, [*command.split(), "--registry", str(registry)]) == 1

    said = capfd.readouterr()
    assert "RECSVC_REDIS_URL / --redis: cannot use" in said.out + said.err
    assert "hush" not in said.out + said.err
