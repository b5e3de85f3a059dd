"""The commands that measure: what they print, and the line that an error is."""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.histories import SECONDS_A_DAY
from recsvc.terminal import run
from tests.purchases import STORES, built, shop_events, shop_interactions
from tests.samples import tiny_artifact, tiny_model
from training.cli import app
from training.split import hold_out

Capture = pytest.CaptureFixture[str]
N_DAYS = 28


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of a shop, the second with four more weeks of data; the first is current."""
    shop = shop_interactions()
    registry = Registry(tmp_path_factory.mktemp("published") / "registry")
    for version_id, n_days in (("older", 2 * N_DAYS), ("newer", N_DAYS)):
        history = hold_out(shop, n_days * SECONDS_A_DAY, seed=0).history
        manifest = tiny_artifact(registry, built(history), version_id)
    registry.promote("older", manifest.train_time)
    return registry.root


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "events.parquet"
    shop_events().write_parquet(path)
    return path


@pytest.fixture(scope="module")
def segments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shop") / "segments.csv"
    tiers = ("gold", "silver", "tin")
    rows = [{"customer_id": f"c{n:03}", "segment": tiers[n % 3]} for n in range(150)]
    pl.DataFrame(rows).write_csv(path)
    return path


def said(capsys: Capture, *arguments: object) -> str:
    """What a command prints that must succeed."""
    assert run(app, [str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def test_evaluate_measures_everything(
    registry: Path, events: Path, segments: Path, capsys: Capture
) -> None:
    """JSON has all metrics of all rankers, and headlines with intervals of all slices."""
    arguments = ("--registry", registry, "--events", events, "--segments", segments)

    found = json.loads(said(capsys, "evaluate", *arguments, "--json"))

    ours = found["rankers"]["recsvc"]["all"]
    assert found["version_id"] == "older"
    low, high = ours["intervals"]["ndcg@10"]
    assert low < ours["ndcg@10"] < high
    assert ours["ndcg@10"] > found["rankers"]["popularity"]["all"]["ndcg@10"]
    assert 0 < ours["coverage@10"] <= 1
    assert 0 <= ours["repeat_share@5"] <= 1
    assert found["rankers"]["recsvc"]["new"]["repeat_share@5"] == 0
    assert {"store", "country", "segment"} <= set(found["slices"])
    assert len(found["slices"]["store"]) == len(STORES)


def test_compare_puts_two_versions_side_by_side(
    registry: Path, events: Path, segments: Path, capsys: Capture
) -> None:
    """JSON has totals and slices of both columns, of what was bought after both models."""
    arguments = ("compare", "newer", "older", "--registry", registry, "--events", events)

    found = json.loads(said(capsys, *arguments, "--segments", segments, "--json"))

    assert (found["a"], found["b"]) == ("newer", "older")
    total = found["total"]["all"]["ndcg@10"]
    assert total["difference"] == pytest.approx(total["a"] - total["b"], abs=2e-5)
    assert total["interval"][0] < total["difference"] < total["interval"][1]
    assert total["a"] != total["b"]
    assert {row["name"] for row in found["slices"]["segment"]} == {"gold", "silver", "tin"}
    assert set(found["total"]) == {"all", "new"}

    table = said(capsys, *arguments)
    assert table.startswith("A is newer, B is older\n")
    assert "new to the customer, nDCG@10" in table
    assert f"{total['difference']:+.4f}" in table


def error_of(capsys: Capture, *arguments: object) -> str:
    """The line that a command ends with which must fail."""
    assert run(app, [str(argument) for argument in arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err.splitlines()[-1]


def test_compare_needs_later_purchases(
    registry: Path, events: Path, tmp_path: Path, capsys: Capture
) -> None:
    """What both models have learnt compares nothing; the error says what to give."""
    early = tmp_path / "early.parquet"
    pl.read_parquet(events).sort("event_time").head(500).write_parquet(early)

    arguments = ("newer", "older", "--registry", registry, "--events", early)
    message = error_of(capsys, "compare", *arguments)

    assert message.startswith("error: --events: no purchase of a product of the models after")
    assert message.endswith("give later purchases")


def test_compare_needs_two_versions(registry: Path, events: Path, capsys: Capture) -> None:
    """A version that is not there is named."""
    arguments = ("--registry", registry, "--events", events)

    assert "nobody" in error_of(capsys, "compare", "newer", "nobody", *arguments)


@pytest.mark.parametrize("command", [["evaluate"], ["compare", "newer", "older"]])
def test_segments_that_cannot_be_read_are_one_line(
    registry: Path, events: Path, tmp_path: Path, capsys: Capture, command: list[str]
) -> None:
    """A file of segments without its columns is named before any work is done."""
    segments = tmp_path / "tiers.csv"
    segments.write_text("customer_id,tier\nc001,gold\n", encoding="utf-8")

    arguments = [*command, "--registry", registry, "--events", events, "--segments", segments]
    message = error_of(capsys, *arguments)

    assert "tiers.csv" in message
    assert "no column 'segment'" in message


def test_lists_of_customers_are_compared_side_by_side(registry: Path, capsys: Capture) -> None:
    """Drawn at random or named, without any purchases to measure by, each move with its reason."""
    arguments = ("compare", "older", "newer", "--registry", registry)

    found = json.loads(said(capsys, *arguments, "--customers", 5, "--json"))

    lists = found["lists_of_customers"]["lists"]
    assert len(lists) == 5
    mean = sum(each["overlap"]["10"] for each in lists) / 5
    assert found["lists_of_customers"]["overlap"]["10"] == pytest.approx(mean, abs=1e-4)
    moves = [move for each in lists for move in (*each["up"], *each["down"])]
    assert moves
    for each in lists:
        assert all((m["rank_b"] or 101) < (m["rank_a"] or 101) for m in each["up"])
        assert all((m["rank_b"] or 101) > (m["rank_a"] or 101) for m in each["down"])
    assert all(bool(move["why_a"]) == (move["rank_a"] is not None) for move in moves)
    assert all(bool(move["why_b"]) == (move["rank_b"] is not None) for move in moves)
    named = lists[0]["customer_id"]
    text = said(capsys, *arguments, "--customer", named)
    assert f"{named}: both lists share {lists[0]['overlap']['10']:.0%} of 10" in text


def test_a_model_has_the_lists_that_it_has(registry: Path, capsys: Capture) -> None:
    """Against itself nothing moves."""
    arguments = ("compare", "older", "older", "--registry", registry)
    found = json.loads(said(capsys, *arguments, "--customers", 2, "--json"))
    for each in found["lists_of_customers"]["lists"]:
        assert (each["overlap"], each["up"], each["down"]) == ({"10": 1.0, "20": 1.0}, [], [])


def test_strangers_to_each_other_have_no_lists_to_compare(
    registry: Path, tmp_path: Path, capsys: Capture
) -> None:
    """A mean over nobody is no figure."""
    copied = Registry(Path(shutil.copytree(registry, tmp_path / "copied")))
    tiny_artifact(copied, tiny_model(), "tiny")
    given = ["compare", "older", "tiny", "--registry", str(copied.root), "--customers", "3"]
    assert "no customer in common" in error_of(capsys, *given)


@pytest.mark.parametrize(("wanted", "is_alike"), [("none", True), ("high", False)])
def test_compared_lists_are_as_varied_as_the_rules_ask(
    registry: Path, tmp_path: Path, capsys: Capture, wanted: str, *, is_alike: bool
) -> None:
    """As the service would list them."""
    copied = Registry(Path(shutil.copytree(registry, tmp_path / "copied")))
    shelf = copied.documents("rules")
    now = datetime.now(UTC)
    shelf.activate(shelf.publish(json.dumps({"defaults": {"diversity": wanted}}), now), now)
    given = ["compare", "older", "newer", "--customers", "2", "--json", "--registry"]
    plain = said(capsys, *given, registry)
    assert (said(capsys, *given, copied.root) == plain) is is_alike


def test_compared_lists_are_as_varied_as_the_shop_has_them(
    registry: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no rules say otherwise."""
    given = ["compare", "older", "newer", "--customers", "2", "--json", "--registry", registry]
    plain = said(capsys, *given)
    monkeypatch.setenv("RECSVC_DIVERSITY", "high")
    assert said(capsys, *given) != plain


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ((), "give --events to measure"),
        (("--customer", "nobody"), "--customer nobody: neither model knows"),
    ],
)
def test_what_cannot_be_compared_is_said(
    registry: Path, capsys: Capture, arguments: tuple[str, ...], complaint: str
) -> None:
    """In one line."""
    given = ["compare", "older", "newer", "--registry", str(registry), *arguments]
    assert run(app, given) == 1
    assert complaint in capsys.readouterr().err
