"""``recsvc keys``: keys of services, on a terminal and for programs."""

import json
from pathlib import Path

import pytest

from recsvc.access.keys_file import read_keys_file
from recsvc.cli import app
from recsvc.terminal import run


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "keys.json"
    monkeypatch.setenv("RECSVC_API_KEYS_FILE", str(path))
    return path


def test_a_key_is_printed_once_and_kept_as_a_digest(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Alone on stdout, so that a program can take it; what people read is on stderr."""
    assert run(app, ["keys", "add", "web", "--scope", "recommend", "--scope", "events"]) == 0
    shown = capsys.readouterr()
    secret = shown.out.strip()
    (key,) = read_keys_file(file)
    assert secret.startswith(f"recsvc_{key.key_id}_")
    assert f"key {key.key_id} for web (events recommend): keep it now" in shown.err
    assert secret not in file.read_text() + shown.err
    assert run(app, ["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert listed == f"{key.key_id}  {key.created:%Y-%m-%d}  events recommend  web\n"
    assert run(app, ["keys", "list", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row == {
        "id": key.key_id,
        "name": "web",
        "scopes": ["events", "recommend"],
        "created": key.created.isoformat(),
        "rate": None,
    }


def test_one_key_of_several_is_revoked(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The other one of the same service stays."""
    for _ in range(2):
        run(app, ["keys", "add", "web", "--scope", "recommend"])
    first, second = read_keys_file(file)
    assert run(app, ["keys", "revoke", first.key_id]) == 0
    assert read_keys_file(file) == (second,)
    assert run(app, ["keys", "revoke", first.key_id]) == 1
    assert f"has no key {first.key_id}; recsvc keys list names" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["web"], "--scope"),
        (["web", "--scope", "everything"], "everything"),
        (["", "--scope", "events"], "NAME: give 1 to 64 characters"),
        (["x" * 65, "--scope", "events"], "NAME: give 1 to 64 characters"),
        (["a\nb", "--scope", "events"], "NAME: give 1 to 64 characters"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(
    file: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    """With the option that is wrong."""
    assert run(app, ["keys", "add", *arguments]) == 1
    assert said in capsys.readouterr().err
    assert not file.exists()


def test_a_key_may_have_a_rate_of_its_own(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(app, ["keys", "add", "web", "--scope", "recommend", "--rate", "2.5"]) == 0
    (key,) = read_keys_file(file)
    assert key.rate == 2.5
    capsys.readouterr()
    assert run(app, ["keys", "list"]) == 0
    assert "recommend  2.5/s  web" in capsys.readouterr().out


@pytest.mark.parametrize("rate", ["-1", "inf", "nan"])
def test_a_rate_is_a_number(file: Path, rate: str) -> None:
    assert run(app, ["keys", "add", "web", "--scope", "recommend", "--rate", rate]) != 0
    assert not file.exists()
