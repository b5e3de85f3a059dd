"""``recsvc-train experiment``: from a plan to a report."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsvc.artifacts.registry import Registry
from recsvc.terminal import run
from tests.experiments import CONTROL, OTHER, experiment
from tests.histories import crowd, write
from tests.serving import NOW, small_registry
from training.cli import app

Capture = pytest.CaptureFixture[str]


class Shell:
    """Runs the commands on a registry."""

    def __init__(self, folder: Path, capsys: Capture) -> None:
        self.folder = folder
        self.registry = small_registry(folder / "models").root
        self.capsys = capsys

    def run(self, *arguments: object) -> tuple[int, str, str]:
        code = run(app, ["experiment", *map(str, arguments)])
        out, err = self.capsys.readouterr()
        return code, out, err

    def on(self, *arguments: object) -> tuple[int, str, str]:
        return self.run(*arguments, "--registry", self.registry)

    def json(self, *arguments: object) -> Any:  # noqa: ANN401  # whatever it prints
        code, out, err = self.on(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)

    def file(self, experiment_id: str = "summer", **fields: Any) -> Path:
        path = self.folder / f"{experiment_id}.json"
        own = {**OTHER, "model": "v1"}
        given = {"experiment_id": experiment_id, "variants": [CONTROL, own], **fields}
        path.write_text(json.dumps(given))
        return path


@pytest.fixture
def shell(tmp_path: Path, capsys: Capture) -> Shell:
    return Shell(tmp_path, capsys)


def test_an_experiment_runs_from_file_to_report(shell: Shell) -> None:
    file = shell.file(smallest_lift=0.3)
    assert shell.json("validate", file)["overlaps"] == []
    assert shell.json("list") == {"experiments": []}
    assert shell.json("activate", file)["experiment_id"] == "summer"
    (listed,) = shell.json("list")["experiments"]
    assert (listed["experiment_id"], listed["running"]) == ("summer", True)
    history = write(crowd(400, 0.9, of=experiment()), shell.folder)
    found = shell.json("report", "summer", "--events", history)
    assert sum(each["n_shoppers"] for each in found["variants"]) == 400
    code, text, _ = shell.on("report", "summer", "--events", history)
    assert code == 0
    assert text.startswith("experiment summer, day ")
    assert shell.json("stop", "summer") == {"stopped": "summer", "running": []}
    assert "stopped  summer  control 0.5, other 0.5" in shell.on("list")[1]
    assert shell.json("report", "summer", "--events", history) == found


def test_a_rule_by_place_is_estimated(shell: Shell) -> None:
    shell.json("activate", shell.file())
    history = write(crowd(900, 1.0, of=experiment()), shell.folder)
    asked = ("estimate", "summer", "--events", history, "--otherwise", "control")
    rule = ("--show", "store:york-1=other")
    found = shell.json(*asked, *rule)
    assert found["metric"] == "click_through"
    assert found["low"] < 0.5 < found["high"]
    assert "under it" in shell.on(*asked, *rule, "--metric", "conversion")[1]
    for wrong in ("york-1=other", "shop:york-1=other", "store:york-1", "store:=other"):
        code, _, error = shell.on(*asked, "--show", wrong)
        assert code == 1
        assert "write it as PLACE=VARIANT" in error


@pytest.mark.parametrize(
    "command", [["report", "summer"], ["estimate", "summer", "--otherwise", "control"], ["plan"]]
)
def test_histories_are_read_alike_and_what_is_left_out_is_said(
    shell: Shell, command: list[str]
) -> None:
    """Columns and zones can be named, and what is unusable is refused, kept and counted."""
    shell.json("activate", shell.file())
    rows = pl.read_parquet(write(crowd(500, 0.0, of=experiment()), shell.folder))
    is_broken = pl.int_range(pl.len()) % 10 == 0
    written = pl.col("event_time").dt.strftime("%Y-%m-%d %H:%M:%S")
    when = pl.when(is_broken).then(pl.lit("yesterday")).otherwise(written)
    history = shell.folder / "history.csv"
    rows.with_columns(when.alias("When")).drop("event_time").write_csv(history)
    extra = ["--lift", "0.1"] if command == ["plan"] else ["--registry", str(shell.registry)]
    given = [*command, *extra, "--events", history, "--map", "event_time=When"]
    given += ["--timezone", "Europe/London", "--quarantine", shell.folder / "bad.csv"]
    code, _, error = shell.run(*given)
    assert code == 1
    assert "rows of events cannot be used (impossible_date" in error
    n_broken = pl.read_csv(shell.folder / "bad.csv").height
    assert n_broken == -(-rows.height // 10)
    code, out, _ = shell.run(*given, "--max-quarantined", 0.2)
    assert code == 0
    assert f"{n_broken} rows cannot be used and are left out (impossible_date {n_broken})" in out
    found = json.loads(shell.run(*given, "--max-quarantined", 0.2, "--json")[1])
    assert (found["n_quarantined"], found["reasons"]) == (n_broken, {"impossible_date": n_broken})


def test_a_model_that_is_not_there_is_no_variant(shell: Shell) -> None:
    bad = {**OTHER, "model": "v9"}
    code, _, error = shell.on("activate", shell.file(variants=[CONTROL, bad]))
    assert code == 1
    assert "'v9' is not in" in error
    assert shell.json("list") == {"experiments": []}


def test_a_version_is_kept_by_its_whole_name(shell: Shell) -> None:
    activated = shell.json("activate", shell.file(variants=[CONTROL, {**OTHER, "model": "v"}]))
    assert activated["variants"][1]["model"] == "v1"


def test_rules_of_a_variant_must_be_there_too(shell: Shell) -> None:
    ruled = {**OTHER, "model": "v1", "rules": "2026"}
    code, _, error = shell.on("activate", shell.file(variants=[CONTROL, ruled]))
    assert code == 1
    assert "version '2026' of the rules is not in" in error
    version_id = Registry(shell.registry).documents("rules").publish("{}", NOW)
    activated = shell.json("activate", shell.file(variants=[CONTROL, ruled]))
    assert activated["variants"][1]["rules"] == version_id


def test_two_that_may_mean_the_same_requests_are_told_who_wins(shell: Shell) -> None:
    shell.json("activate", shell.file("winter"))
    code, text, _ = shell.on("validate", shell.file("autumn"))
    assert code == 0
    assert "winter may mean the same requests: autumn gets them" in text


def test_what_never_ran_has_no_report(shell: Shell) -> None:
    code, _, error = shell.on("report", "spring", "--events", shell.folder)
    assert code == 1
    assert "'spring' never ran here" in error


def test_a_file_that_cannot_be_read_is_named(shell: Shell) -> None:
    code, _, error = shell.on("validate", shell.folder / "none.json")
    assert code == 1
    assert "none.json: cannot be read" in error


def test_a_plan_by_today_s_click_rate(shell: Shell) -> None:
    arguments = ("plan", "--lift", 0.05, "--baseline", 0.2, "--lists-per-shopper", 6)
    code, out, _ = shell.run(*arguments, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["n_shoppers"] == 2 * found["n_shoppers_per_variant"] == 22_740
    assert found["n_shoppers_if_looked_at_once"] < found["n_shoppers"]
    more = json.loads(shell.run(*arguments, "--variants", 3, "--json")[1])
    assert more["n_shoppers_per_variant"] > found["n_shoppers_per_variant"]
    assert "11,370 shoppers a variant" in shell.run(*arguments)[1]


def test_a_plan_by_what_was_seen(shell: Shell) -> None:
    """Lists outside experiments count as well."""
    history = write(crowd(500, 0.0, of=experiment()), shell.folder)
    code, out, _ = shell.run("plan", "--lift", 0.1, "--events", history, "--json")
    assert code == 0
    # Three lists a shopper, 30 % of them clicked, each by itself.
    told = shell.run(
        *("plan", "--lift", 0.1, "--baseline", 0.3, "--lists-per-shopper", 3),
        *("--correlation", 0, "--json"),
    )[1]
    assert json.loads(out)["n_shoppers"] == pytest.approx(json.loads(told)["n_shoppers"], rel=0.15)


def test_a_plan_needs_something_to_learn_from(shell: Shell) -> None:
    rows = [row for row in crowd(50, 0.0, of=experiment()) if row["event_type"] == "IMPRESSION"]
    history = write(rows, shell.folder)
    code, _, error = shell.run("plan", "--lift", 0.1, "--events", history)
    assert code == 1
    assert "nothing of click_through to learn from" in error


SOUND = ["--lift", "0.1", "--baseline", "0.1"]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--lift", "0.1"], "give either --baseline or --events"),
        (["--lift", "0", "--baseline", "0.1"], "--lift 0: must be from 0.001 to 10"),
        (["--lift", "nan", "--baseline", "0.1"], "--lift nan: must be from"),
        (["--lift", "inf", "--baseline", "0.1"], "--lift inf: must be from"),
        (["--lift", "0.1", "--baseline", "1.5"], "--baseline 1.5: must be from 0.0001"),
        ([*SOUND, "--power", "1"], "--power 1: must be from 0.5 to 0.99"),
        ([*SOUND, "--power", "0.01"], "--power 0.01: must be from 0.5 to 0.99"),
        ([*SOUND, "--alpha", "0"], "--alpha 0: must be from 0.0001 to 0.5"),
        ([*SOUND, "--lists-per-shopper", "0"], "--lists-per-shopper 0: must be from 1"),
        ([*SOUND, "--correlation", "-3"], "--correlation -3: must be from 0 to 1"),
        ([*SOUND, "--variants", "256"], "--variants"),
    ],
)
def test_a_plan_says_what_is_wrong(shell: Shell, arguments: list[str], complaint: str) -> None:
    code, _, error = shell.run("plan", *arguments)
    assert code == 1
    assert complaint in error
