"""Parquet that ends who reads it ends a process beside the one that needs it."""

import io
import json
import sys
from pathlib import Path
from signal import SIGKILL

import polars as pl
import pytest

from recsvc.errors import InputError
from tests.fuzz.kept import CORPUS
from training.events import read_stores
from training.trial import Trial, answers

DEADLY = CORPUS / "stores.parquet" / "424e63f6f96cfac0"
"""One of its pages says that it has -5 values: Polars asks the system for 2^61 bytes."""


@pytest.fixture(name="good")
def _good(tmp_path: Path) -> Path:
    path = tmp_path / "good.parquet"
    pl.DataFrame({"store_id": ["s"], "open": [True]}).write_parquet(path)
    return path


@pytest.fixture(name="broken")
def _broken(good: Path) -> Path:
    """Whole but for its page, which cannot be unpacked any more."""
    path = good.with_name("broken.parquet")
    file = io.BytesIO()
    pl.DataFrame({"store_id": ["s" * 500]}).write_parquet(file, compression="zstd")
    path.write_bytes(file.getvalue().replace(b"\x28\xb5\x2f\xfd", b"\xff\xff\xff\xff"))
    return path


def test_who_reads_a_deadly_file_lives(tmp_path: Path) -> None:
    """And is told which file it was."""
    path = tmp_path / "deadly.parquet"
    path.write_bytes(DEADLY.read_bytes())
    with pytest.raises(InputError, match=r"deadly\.parquet: Polars ended with SIGABRT"):
        read_stores(path)


def test_a_trial_goes_on_after_a_death(good: Path, broken: Path) -> None:
    """Whatever it was of; and what is wrong with other files comes back in words."""
    with Trial() as trial:
        trial.check(good)
        process = trial._process
        assert process is not None
        process.send_signal(SIGKILL)
        with pytest.raises(InputError, match=r"good\.parquet: Polars ended with SIGKILL"):
            trial.check(good)
        trial.check(good)
        with pytest.raises(InputError, match=r"broken\.parquet: is not a Parquet file, or a dam"):
            trial.check(broken)
        trial.check(good)


def test_a_trial_that_does_not_start_is_no_fault_of_the_file(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is ours has a stack trace, and the last that the other process has said."""
    program = good.with_name("python")
    program.write_text("#!/bin/sh\nseq 99999 >&2\necho no module named training >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with Trial() as trial:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="ended with 1") as raised:
                trial.check(good)
            lines = str(raised.value).splitlines()
            assert lines[-2:] == ["99999", "no module named training"]
            assert len(lines) < 50


def test_what_lies_in_the_working_directory_is_no_module_of_the_trial(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People call their folders as they like, and the command itself does not look there either."""
    folder = good.with_name("training")
    folder.mkdir()
    (folder / "__init__.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(good.parent)
    with Trial() as trial:
        trial.check(good)


def test_files_are_read_whole(good: Path, broken: Path) -> None:
    """Their pages too: the footer of a broken file may be as it should."""
    questions = [json.dumps(str(path)) for path in (good, broken, good / "missing.parquet")]
    told = [json.loads(answer) for answer in answers(questions)]
    assert told[0] == ""
    assert told[1].startswith(f"{broken}: is not a Parquet file, or a damaged one")
    assert "cannot be read" in told[2]
