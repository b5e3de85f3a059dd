"""The commands about settings, and fit with them; a search that is stopped goes on."""

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from recsvc.terminal import run
from tests.purchases import START, shop_events
from training.cli import app
from training.settings import PRESETS
from training.settings_file import read_settings
from training.settings_text import complete

Capture = pytest.CaptureFixture[str]
SMALL = """
preset = "fast"
n_candidates = 20
train_customers = 50
judge_customers = 50
fusion_customers = 50
[als]
n_factors = 8
[boosting]
n_rounds = 5
"""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What forty customers of the shop have bought."""
    path = tmp_path_factory.mktemp("shop") / "events.parquet"
    shop_events().filter(pl.col("customer_id") < "c040").write_parquet(path)
    return path


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are named relative to it."""
    monkeypatch.chdir(tmp_path)


def tune(events: Path, *more: object) -> list[str]:
    return [
        "tune", "--events", str(events), "--study", "study.db", "--out", "tuned.toml",
        "--preset", "fast", *map(str, more),
    ]  # fmt: skip


def n_trials(study: Path) -> int:
    with sqlite3.connect(study) as connection:
        query = "SELECT count(*) FROM trials WHERE state = 'COMPLETE'"
        (count,) = connection.execute(query).fetchone()
    connection.close()
    return int(count)


def error_of(capsys: Capture, *arguments: object) -> str:
    """The last line that a command says which must fail, and that says nothing else of errors."""
    assert run(app, [str(argument) for argument in arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.startswith("error: ") for line in err.splitlines()].count(True) == 1
    return err.splitlines()[-1].removeprefix("error: ")


def test_settings_are_printed_as_a_file(capsys: Capture) -> None:
    """What is printed is the settings of a preset, or of a file, complete."""
    assert run(app, ["settings", "--preset", "best"]) == 0
    assert capsys.readouterr().out == complete(PRESETS["best"], "best")

    Path("my.toml").write_text(SMALL, encoding="utf-8")
    assert run(app, ["settings", "--config", "my.toml"]) == 0
    printed = capsys.readouterr().out
    assert printed == complete(read_settings(Path("my.toml")), "fast")
    assert "\nn_factors = 8\n" in printed


def test_a_search_is_compared_and_written(events: Path, capsys: Capture) -> None:
    """Tune writes a file that fit takes, and says what was found and what it is worth."""
    assert run(app, tune(events, "--trials", 2, "--minutes", 9, "--seed", 1)) == 0

    out, err = capsys.readouterr()
    assert "on the last window, where the search started:" in err
    assert "each part has had its 2 trials; --trials allows more" in out
    assert "On the last weeks, which the search has not seen:" in out
    assert "wrote tuned.toml; to train with them: recsvc-train fit --config tuned.toml" in out
    assert read_settings(Path("tuned.toml")).seed == 1

    assert run(app, tune(events, "--trials", 2, "--seed", 1, "--json")) == 0
    result = json.loads(capsys.readouterr().out)
    assert {part["trials"] for part in result["parts"]} == {2}
    assert set(result["compared"]) == {"all", "new"}
    searched = set(result["changes"]) - {"seed"}
    assert bool(searched) == result["is_better"]
    written = Path("tuned.toml").read_text(encoding="utf-8")
    assert ("no better there" in written) != result["is_better"]


def test_nothing_found_is_no_comparison(events: Path, capsys: Capture) -> None:
    """Where the search had no time, the settings of the start are written, and it says so."""
    assert run(app, tune(events, "--minutes", 0)) == 0

    assert "nothing better was found" in capsys.readouterr().out
    assert read_settings(Path("tuned.toml")) == PRESETS["fast"]


@pytest.fixture
def _heeds_ctrl_c() -> Iterator[None]:
    """Let what is started heed Ctrl-C also where these tests do not, as in the background."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.usefixtures("_heeds_ctrl_c")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_search_that_was_stopped_goes_on(
    events: Path, capsys: Capture, number: signal.Signals, code: int
) -> None:
    """After Ctrl-C and after a kill all trials that had ended are there, and count."""
    command = [sys.executable, "-m", "training", *tune(events, "--minutes", 99)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        steps = (line for line in process.stderr if ": nDCG@10 " in line)
        assert next(steps)
        assert next(steps)
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == code
    if number == signal.SIGINT:
        assert "trials are kept in study.db: the same command goes on with them" in rest
        assert rest.endswith("error: interrupted\n")
    assert not Path("tuned.toml").exists()

    kept = n_trials(Path("study.db"))
    assert kept >= 2
    assert run(app, tune(events, "--minutes", 0, "--json")) == 0
    result = json.loads(capsys.readouterr().out)
    assert sum(part["trials"] for part in result["parts"]) == kept
    assert Path("tuned.toml").exists()


def test_a_study_of_other_data_is_refused(events: Path, tmp_path: Path, capsys: Capture) -> None:
    """A study goes on with the events and settings that it was begun with, or not at all."""
    assert run(app, tune(events, "--minutes", 0)) == 0
    capsys.readouterr()
    other = tmp_path / "other.parquet"
    pl.read_parquet(events).head(2_000).write_parquet(other)

    assert "--study study.db: its trials are of other events" in error_of(
        capsys, *tune(other, "--minutes", 0)
    )
    refused = error_of(capsys, *tune(events, "--minutes", 0, "--seed", 7))
    assert "--study study.db: its trials are of other settings" in refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--out", "no/such/folder.toml"], "--out no/such/folder.toml: cannot be written"),
        (["--study", "."], "--study .: cannot be written; give a file in a folder that can"),
        (["--preset", "slow"], "--preset slow: there is no such preset"),
        (["--minutes", "-1"], "--minutes"),
        (["--trials", "0"], "--trials"),
    ],
)
def test_unusable_options_are_one_line(
    events: Path, capsys: Capture, arguments: list[str], said: str
) -> None:
    """What cannot work is said before anything is read."""
    assert said in error_of(capsys, *tune(events), *arguments)


def fit(events: Path, *more: object) -> list[str]:
    return ["fit", "--events", str(events), "--registry", "models", "--json", *map(str, more)]


def test_too_little_to_judge_by_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    """A search of half an hour would find nothing: there is nobody to ask."""
    three = tmp_path / "three.csv"
    rows = "a,x,2025-01-01\nb,y,2025-02-01\na,y,2025-03-01\n"
    three.write_text(f"customer_id,product_id,event_time\n{rows}", encoding="utf-8")

    assert run(app, tune(three)) == 1

    assert "error: the events are too few to search" in capsys.readouterr().err
    assert not Path("tuned.toml").exists()


def test_fit_takes_a_file_of_settings_and_a_file_of_tests(
    events: Path, tmp_path: Path, capsys: Capture
) -> None:
    """The manifest holds the file's settings; the figures are of the test file, with BPR's help."""
    Path("my.toml").write_text('extra_sources = ["bpr"]\n' + SMALL, encoding="utf-8")
    purchases = pl.read_parquet(events)
    cut = START.replace(month=8, day=20)
    before, after = tmp_path / "before.parquet", tmp_path / "after.parquet"
    purchases.filter(pl.col("event_time") < cut).write_parquet(before)
    purchases.filter(pl.col("event_time") >= cut).write_parquet(after)

    assert run(app, fit(before, "--config", "my.toml", "--test-events", after)) == 0

    result = json.loads(capsys.readouterr().out)
    assert result["metrics"]["test"]["split"] == "given"
    assert not result["metrics"]["test"]["is_guard"]
    assert result["metrics"]["test"]["rankers"]["recsvc"]["all"]["customers"] > 20
    assert result["data"]["end_time"] < cut.isoformat()
    manifest = json.loads(
        next(Path("models/versions").glob("*/manifest.json")).read_text(encoding="utf-8")
    )
    training = manifest["parameters"]["training"]
    assert training["als"]["n_factors"] == 8
    assert training["n_candidates"] == 20
    assert "bpr" in [source["name"] for source in manifest["parameters"]["sources"]]

    other = tmp_path / "other.csv"
    other.write_text("customer_id,product_id\nnobody,nothing\n", encoding="utf-8")
    said = error_of(capsys, *fit(before, "--config", "my.toml", "--test-events", other))
    assert f"--test-events {other}: no purchase by a customer and of a product" in said


def test_fit_reports_on_last_orders(events: Path, capsys: Capture) -> None:
    """By --split last-basket nearly every customer is measured, and the manifest says how."""
    Path("my.toml").write_text(SMALL, encoding="utf-8")

    assert run(app, fit(events, "--config", "my.toml", "--split", "last-basket")) == 0

    test = json.loads(capsys.readouterr().out)["metrics"]["test"]
    assert test["split"] == "last-basket"
    assert test["rankers"]["recsvc"]["all"]["customers"] > 35


def test_a_file_that_fit_cannot_take_is_one_line(events: Path, capsys: Capture) -> None:
    """A wrong key stops fit before it reads anything."""
    Path("my.toml").write_text("n_window = 3\n", encoding="utf-8")

    said = error_of(capsys, *fit(events, "--config", "my.toml"))

    assert said == ("--config my.toml: n_window: there is no such setting; did you mean n_windows?")
