"""A password is never typed."""

from pathlib import Path

import pytest
import typer

import recsvc.cli
import training.cli
from recsvc.redis_option import holds_password
from recsvc.terminal import run


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # what the commands name is not to be made here


NIGHT = ["nightly", "--events", "e.csv", "--registry", "r", "--collect-into", "c"]
LISTS = ["recommend", "--customers", "c.csv", "--registry", "r", "--out", "o.parquet"]
COMMANDS = [
    (recsvc.cli.app, ["serve", "--registry", "r"]),
    (recsvc.cli.app, ["doctor", "--registry", "r"]),
    (recsvc.cli.app, ["mcp", "--registry", "r"]),
    (training.cli.app, ["collect", "--into", "c"]),
    (training.cli.app, NIGHT),
    (training.cli.app, LISTS),
    (training.cli.app, ["due", *LISTS[1:]]),
    (training.cli.app, ["replay", "id", "--registry", "r"]),
]


@pytest.mark.parametrize(
    ("url", "is_there"),
    [
        ("redis://localhost:6379/0", False),
        ("redis://[::1]:6379/0", False),
        ("redis://anna@localhost", False),
        ("redis://anna:@localhost", False),
        ("unix:///run/a:b@c/valkey.sock?db=1", False),
        ("redis://localhost?client_name=a%40b", False),
        ("localhost:6379", False),
        ("redis://:hush@localhost", True),
        ("rediss://anna:hush@localhost:6379/0", True),
        ("redis://:h/u?s#h@localhost", True),
        ("redis://localhost?password=hush", True),
        ("rediss://localhost/0?db=1&ssl_password=hush", True),
        ("redis://localhost?pass%77ord=hush", True),
        ("unix:///run/valkey.sock?username=anna&password=hush", True),
        ("unix://anna:hush@/run/valkey.sock", True),
        (":hush@localhost", True),
    ],
)
def test_a_password_is_found_wherever_redis_py_takes_it_from(url: str, is_there: bool) -> None:  # noqa: FBT001  # a column of the table
    assert holds_password(url) is is_there


@pytest.mark.parametrize(("app", "command"), COMMANDS, ids=[given[0] for _, given in COMMANDS])
def test_no_command_takes_one(
    app: typer.Typer, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, before anything is done, and without saying it again."""
    for url in ("redis://:hush@localhost:6379/0", "unix:///run/s?password=hush"):
        for given in (["--redis", url], [f"--redis={url}"]):
            assert run(app, [*command, *given]) == 1
            said = capsys.readouterr()
            assert said.err.startswith("error: --redis: a password on the command line is seen by")
            assert "RECSVC_REDIS_URL" in said.err
            assert said.err.count("\n") == 1
            assert "hush" not in said.err + said.out


@pytest.mark.parametrize(("app", "command"), COMMANDS[3:], ids=[c[0] for _, c in COMMANDS[3:]])
def test_the_environment_may_have_one(
    app: typer.Typer,
    command: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which goes as far as it is looked at."""
    monkeypatch.setenv("RECSVC_REDIS_URL", "redis://:hush@localhost/odd")
    assert run(app, command) == 1
    said = capsys.readouterr().err
    assert "command line" not in said
    assert "hush" not in said
