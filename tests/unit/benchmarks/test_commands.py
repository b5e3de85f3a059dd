"""The benchmarks' commands: what is not there is said, and is no success."""

import subprocess
import sys
from pathlib import Path

import pytest

from recsvc.terminal import run
from tests.benchmarks.quality.__main__ import app

Capture = pytest.CaptureFixture[str]
COMMANDS = ["run", "ablate"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_is_not_there_is_no_success(
    tmp_path: Path, capsys: Capture, command: str
) -> None:
    """Nothing is measured, and nobody shall believe that it was."""
    given = ["--work", tmp_path / "work", "--out", tmp_path / "out"]
    folder = tmp_path / "no-such"

    assert run(app, [command, "--data", str(folder), *map(str, given)]) == 1

    assert capsys.readouterr().err.startswith(f"error: --data {folder}: is no folder")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_set_that_is_asked_for_by_name_must_be_there(
    tmp_path: Path, capsys: Capture, command: str
) -> None:
    """With where it should lie."""
    given = ["--set", "gowalla_checkins", "--data", tmp_path, "--work", tmp_path / "work"]

    assert run(app, [command, *map(str, given), "--out", str(tmp_path / "out")]) == 1

    message = capsys.readouterr().err
    assert message.startswith("error: --set gowalla_checkins: is not there")
    assert "gowalla_checkins_history.parquet" in message


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("due", ["run", "--registry", "r", "--future", "none.parquet"]),
        ("surfaces", ["together", "--registry", "r", "--orders", "none.parquet"]),
        ("speed", ["kernels", "--registry", "none.parquet"]),
        ("live", ["newcomers", "--history", "none.parquet", "--test", "none.parquet"]),
    ],
)
def test_a_file_that_is_not_there_is_one_line(module: str, arguments: list[str]) -> None:
    """No stack trace, and no success."""
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]

    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1
    assert "none.parquet" in ended.stderr
