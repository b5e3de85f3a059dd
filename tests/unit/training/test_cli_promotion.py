"""The doors that decide what is served: promote with a gate, the history, nightly."""

import json
import shlex
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import polars as pl
import pytest

from recsvc.artifacts.journal import Gate
from recsvc.artifacts.registry import Registry
from recsvc.terminal import run, user_name, whoami
from tests.purchases import N_DAYS, START, Lines, shop_events
from tests.quick import QUICK, quick_fit
from training.answers import REFUSED
from training.cli import app
from training.purchases import FitInput

Capture = pytest.CaptureFixture[str]
LATER_FROM = START + timedelta(days=N_DAYS - 14)


class Shop(NamedTuple):
    """A registry without a current version, and purchases later than its versions' data.

    Attributes:
        registry: of the versions.
        good: fitted on what was bought before.
        bad: fitted on the same with the customers exchanged.
        later: what was bought afterwards.
        before: what ``good`` was fitted on.
    """

    registry: Path
    good: str
    bad: str
    later: Path
    before: Path

    def run(self, capsys: Capture, *arguments: object) -> tuple[int, Any]:
        """The exit code and the JSON of a command."""
        code = run(app, [*map(str, arguments), "--registry", str(self.registry), "--json"])
        return code, json.loads(capsys.readouterr().out)

    def said(self, capsys: Capture, *arguments: object) -> tuple[int, str]:
        """The exit code and the text of a command."""
        code = run(app, [*map(str, arguments), "--registry", str(self.registry)])
        return code, capsys.readouterr().out

    def current(self) -> str:
        pointer = Registry(self.registry).pointer()
        return pointer.version_id if pointer else ""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop")
    events = shop_events()
    before = events.filter(pl.col("event_time") < LATER_FROM)
    customers = before["customer_id"].to_list()
    Random(5).shuffle(customers)
    before.write_parquet(folder / "before.parquet")
    before.with_columns(customer_id=pl.Series(customers)).write_parquet(folder / "mixed.parquet")
    events.filter(pl.col("event_time") >= LATER_FROM).write_parquet(folder / "later.parquet")
    registry = Registry(folder / "registry")
    good, bad = (
        quick_fit(FitInput(events=[folder / name]), QUICK, registry, Lines()).version_id
        for name in ("before.parquet", "mixed.parquet")
    )
    return Shop(registry.root, good, bad, folder / "later.parquet", folder / "before.parquet")


@pytest.fixture
def shop(tmp_path: Path, trained: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A copy for one test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECSVC_REGISTRY", raising=False)
    return trained._replace(registry=shutil.copytree(trained.registry, tmp_path / "registry"))


def test_a_worse_version_is_refused_with_the_reason(shop: Shop, capsys: Capture) -> None:
    """Exit code 3, the reasons, and the command that overrules; the current one stays."""
    shop.run(capsys, "promote", shop.good)

    code, text = shop.said(capsys, "promote", shop.bad, "--events", shop.later)

    assert code == REFUSED == 3
    first, worse, *_, last = text.splitlines()
    assert first == f"refused {shop.bad}: it is worse than {shop.good}; {shop.good} stays current"
    assert worse.startswith("  worse: all purchases: ndcg@10 ")
    assert last.endswith(f"promote {shop.bad} --registry {shop.registry} --force")
    assert shop.current() == shop.good


def test_a_refusal_is_json(shop: Shop, capsys: Capture) -> None:
    """A program reads the verdict, the reasons and the whole comparison."""
    shop.run(capsys, "promote", shop.good)

    code, answer = shop.run(capsys, "promote", shop.bad, "--events", shop.later)

    assert code == 3
    assert (answer["version_id"], answer["promoted"]) == (shop.bad, False)
    assert answer["verdict"] == "refused"
    assert answer["gate"]["reasons"]
    assert answer["gate"]["details"]["comparison"]["total"]["all"]["customers"] > 100


def test_a_better_version_is_promoted(shop: Shop, capsys: Capture) -> None:
    """What is not worse passes, and the history says that it was compared."""
    shop.run(capsys, "promote", shop.bad)

    code, answer = shop.run(capsys, "promote", shop.good, "--events", shop.later)

    assert code == 0
    assert (answer["version_id"], answer["generation"]) == (shop.good, 2)
    assert (answer["promoted"], answer["verdict"]) == (True, "passed")
    assert shop.current() == shop.good
    code, text = shop.said(capsys, "promote", shop.good, "--events", shop.later)
    assert code == 0
    assert f"{shop.good} is current already" in text


def test_force_promotes_and_is_recorded(shop: Shop, capsys: Capture) -> None:
    """Who overruled the gate, when and against which reasons is in the history."""
    shop.run(capsys, "promote", shop.good)
    _, refused = shop.run(capsys, "promote", shop.bad, "--events", shop.later)

    code, answer = shop.run(capsys, "promote", shop.bad, "--events", shop.later, "--force")

    assert code == 0
    assert answer["verdict"] == "overruled"
    _, rows = shop.run(capsys, "models", "--history")
    assert [row["action"] for row in rows] == ["promoted", "refused", "promoted"]
    assert rows[0]["gate"] == "overruled"
    assert rows[0]["reasons"] == rows[1]["reasons"] == refused["gate"]["reasons"]
    assert {row["by"] for row in rows} == {whoami()}
    assert (rows[0]["version_id"], rows[0]["before"]) == (shop.bad, shop.good)
    assert rows[2]["gate"] == "not asked"


def test_a_refusal_is_remembered(shop: Shop, capsys: Capture) -> None:
    """What was refused beside the current version is not promoted without --force either."""
    shop.run(capsys, "promote", shop.good)
    shop.run(capsys, "promote", shop.bad, "--events", shop.later)

    code, answer = shop.run(capsys, "promote", shop.bad)
    assert code == 3
    assert answer["gate"]["reasons"]
    assert len(Registry(shop.registry).history()) == 2  # said again, not written again

    code, answer = shop.run(capsys, "promote", shop.bad, "--force")
    assert (code, answer["verdict"]) == (0, "overruled")
    assert Registry(shop.registry).history()[-1].note.gate is Gate.OVERRULED
    # It has been current since: going back to the other and here again is the operator's word.
    shop.run(capsys, "rollback")
    code, answer = shop.run(capsys, "promote", shop.bad)
    assert (code, answer["verdict"]) == (0, "not asked")


def test_a_handful_of_customers_takes_no_refusal_back(shop: Shop, capsys: Capture) -> None:
    """What a file is too small to tell leaves a version refused, and is not written down."""
    shop.run(capsys, "promote", shop.good)
    shop.run(capsys, "promote", shop.bad, "--events", shop.later)
    tiny = shop.registry.parent / "tiny.parquet"
    later = pl.read_parquet(shop.later)
    few = later["customer_id"].unique().sort().head(3)
    later.filter(pl.col("customer_id").is_in(few.implode())).write_parquet(tiny)

    code, answer = shop.run(capsys, "promote", shop.bad, "--events", tiny)

    assert code == 3
    assert answer["gate"]["reasons"]
    assert shop.current() == shop.good
    assert len(Registry(shop.registry).history()) == 2


def test_the_first_version_passes(shop: Shop, capsys: Capture) -> None:
    """With nothing current there is nothing to compare with, and that is said."""
    code, text = shop.said(capsys, "promote", shop.bad, "--events", shop.later)

    assert code == 0
    assert "not judged: no version is current yet, there is nothing to compare with" in text
    assert shop.current() == shop.bad


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """An export that was cut off: one customer of it can be asked about."""
    path = tmp_path / "three.csv"
    rows = "a,x,2025-01-01\nb,y,2025-02-01\na,y,2025-03-01\n"
    path.write_text("customer_id,product_id,event_time\n" + rows, encoding="utf-8")
    return path


UNMEASURED = (
    "  not measured: known customers with purchases in what was held out: 1, 2 are needed; "
    "give more history"
)


def test_what_nobody_could_measure_is_not_the_first_version(
    tmp_path: Path, three: Path, capsys: Capture
) -> None:
    """Published by fit, it is refused with the same words by promote, until it is forced."""
    given = ["--registry", str(tmp_path / "new")]
    fit = ["fit", "--preset", "fast", "--events", str(three), *given]
    assert run(app, fit) == 0
    published, *why = capsys.readouterr().out.splitlines()
    assert published.endswith("--force)")
    assert why == ["beware: nothing shows that it is any good", UNMEASURED]
    code = run(app, [*fit, "--promote"])
    out = capsys.readouterr().out
    assert code == REFUSED
    assert UNMEASURED in out.splitlines()
    version = out.split()[1]

    for _ in range(2):
        assert run(app, ["promote", version, *given]) == REFUSED
        first, reason, last = capsys.readouterr().out.splitlines()
        assert first == f"refused {version}: nothing shows that it is any good"
        assert reason == UNMEASURED
    registry = Registry(tmp_path / "new")
    assert registry.pointer() is None
    assert [entry.note.gate for entry in registry.history()] == [Gate.REFUSED]

    assert run(app, shlex.split(last.partition(": ")[2])[1:]) == 0
    assert [entry.note.gate for entry in registry.history()] == [Gate.REFUSED, Gate.OVERRULED]


def test_a_night_of_what_nobody_could_measure_is_refused(
    tmp_path: Path, three: Path, capsys: Capture
) -> None:
    """Though there is no current version to be worse than; a rerun says so at once."""
    registry = Registry(tmp_path / "new")
    night = ["nightly", "--preset", "fast", "--events", str(three), "--registry"]
    night.append(str(registry.root))

    for _ in range(2):
        assert run(app, night) == REFUSED
        first, reason, _ = capsys.readouterr().out.splitlines()
        assert first.endswith(": nothing shows that it is any good; what is current stays")
        assert reason == UNMEASURED
        assert registry.pointer() is None
        assert registry.versions() == []
        assert [entry.note.gate for entry in registry.history()] == [Gate.REFUSED]

    assert run(app, [*night, "--force"]) == 0
    pointer = registry.pointer()
    assert pointer is not None
    assert first.startswith(f"refused {pointer.version_id}: ")  # fitted once
    assert registry.history()[-1].note.gate is Gate.OVERRULED
    assert registry.manifest("current").metrics["gate"]["passed"] is False


def test_what_the_gate_has_judged_needs_no_measure_of_its_own(shop: Shop, capsys: Capture) -> None:
    """Later purchases that show it to be no worse are a measure."""
    registry = Registry(shop.registry)
    manifest, arrays = registry.load(shop.good)
    other = registry.publish(
        arrays,
        model_id=manifest.model_id,
        train_time=manifest.train_time,
        parameters=manifest.parameters,
        metrics={"test": {"rankers": {"recsvc": {"all": {"customers": 1}}}}},
        data=manifest.data,
        code_version=manifest.code_version,
    ).version_id
    shop.run(capsys, "promote", shop.bad)

    code, answer = shop.run(capsys, "promote", other)
    assert (code, answer["verdict"]) == (REFUSED, "refused")
    code, answer = shop.run(capsys, "promote", other, "--events", shop.later)
    assert (code, answer["verdict"]) == (0, "passed")


def test_purchases_that_are_not_later_are_one_line(shop: Shop, capsys: Capture) -> None:
    """What both have learnt compares nothing: the command fails, and nothing is promoted."""
    shop.run(capsys, "promote", shop.good)

    arguments = ["promote", shop.bad, "--events", str(shop.before)]
    assert run(app, [*arguments, "--registry", str(shop.registry)]) == 1

    assert "give later purchases" in capsys.readouterr().err
    assert shop.current() == shop.good


@pytest.mark.parametrize(
    "given",
    [
        ("--map", "customer_id=who"),
        ("--timezone", "UTC"),
        ("--quarantine", "left.csv"),
        ("--max-quarantined", "0.05"),
    ],
)
def test_how_to_read_nothing_is_refused(
    shop: Shop, capsys: Capture, given: tuple[str, str]
) -> None:
    """Who says how to read --events has forgotten to give them: nothing is promoted unjudged."""
    assert run(app, ["promote", shop.bad, *given, "--registry", str(shop.registry)]) == 1
    assert f"{given[0]}: says how --events is read" in capsys.readouterr().err
    assert shop.current() == ""


@pytest.mark.parametrize("n_current", [0, 1])
def test_purchases_that_are_not_there_are_an_error(
    shop: Shop, capsys: Capture, n_current: int
) -> None:
    """Also where nothing is current, or the version itself: a name that was mistyped is told."""
    if n_current:
        shop.run(capsys, "promote", shop.good)
    given = ["promote", shop.good, "--events", "no-such.parquet"]
    assert run(app, [*given, "--registry", str(shop.registry)]) == 1
    assert "no-such.parquet: no such file" in capsys.readouterr().err
    assert len(Registry(shop.registry).history()) == n_current


def test_the_training_data_without_times_is_not_fresh(shop: Shop, capsys: Capture) -> None:
    """Without times the very file that a version was fitted on is recognised by its digest."""
    timeless = shop.registry / "timeless.parquet"
    pl.read_parquet(shop.later).drop("event_time").write_parquet(timeless)
    source = FitInput(events=[timeless])
    other = quick_fit(source, QUICK, Registry(shop.registry), Lines()).version_id
    shop.run(capsys, "promote", shop.good)
    arguments = ["--events", str(timeless), "--registry", str(shop.registry)]

    assert run(app, ["promote", other, *arguments]) == 1
    assert f"{other} was fitted on these very purchases" in capsys.readouterr().err
    assert run(app, ["promote", shop.bad, *arguments]) == 3


def test_the_history_is_a_table(shop: Shop, capsys: Capture) -> None:
    """Newest first, a line each; none yet is said."""
    assert shop.said(capsys, "models", "--history") == (0, "nothing was promoted yet\n")
    shop.run(capsys, "promote", shop.good)
    shop.run(capsys, "promote", shop.bad)
    shop.run(capsys, "rollback")

    _, text = shop.said(capsys, "models", "--history")

    lines = text.splitlines()
    assert lines[0].split()[0] == "time"
    assert [shop.good in line for line in lines[1:4]] == [True, True, True]
    assert "rolled back" in lines[1]
    assert whoami() in lines[1]


def test_a_user_without_a_name_is_a_number() -> None:
    """Containers may run as a number that no list of users has."""
    assert user_name(0) == "root"
    assert user_name(3_999_999_999) == "uid 3999999999"


def nightly(shop: Shop, events: Path, *flags: str) -> list[str]:
    return ["nightly", "--events", str(events), "--registry", str(shop.registry), *flags]


SMALL_CONFIG = """
preset = "fast"
n_vectors = 8
n_candidates = 30
train_customers = 50
judge_customers = 50
fusion_customers = 50
surface_questions = 50
without = ["collaborative", "ease", "neighbours", "like_customers", "transitions", "spectral"]
[boosting]
n_rounds = 5
"""


def test_a_night_by_the_command_line(shop: Shop, capsys: Capture) -> None:
    """The exit codes tell promoted, refused and failed apart; JSON says the rest."""
    folder = shop.registry.parent
    (folder / "small.toml").write_text(SMALL_CONFIG, encoding="utf-8")
    flags = ["--config", str(folder / "small.toml"), "--json"]
    shop_events().write_parquet(folder / "all.parquet")
    mixed = pl.concat([pl.read_parquet(shop.before.with_name("mixed.parquet")),
                       pl.read_parquet(shop.later)])  # fmt: skip
    mixed.write_parquet(folder / "mixed.parquet")
    shop.run(capsys, "promote", shop.good)

    assert run(app, nightly(shop, folder / "mixed.parquet", *flags)) == 3
    refused = json.loads(capsys.readouterr().out)
    assert (refused["outcome"], refused["compared_with"]) == ("refused", shop.good)
    assert run(app, nightly(shop, folder / "mixed.parquet", *flags[:2])) == 3
    text = capsys.readouterr().out
    assert text.startswith(f"refused {refused['version_id']}: it is worse than {shop.good}")
    assert "run the same command with --force" in text

    assert run(app, nightly(shop, folder / "no-such.parquet", *flags)) == 1
    assert "no-such.parquet: no such file" in capsys.readouterr().err
    assert shop.current() == shop.good

    assert run(app, nightly(shop, folder / "all.parquet", *flags, "--keep", "1")) == 0
    promoted = json.loads(capsys.readouterr().out)
    assert [version["version_id"] for version in promoted["removed"]] == [shop.bad]
    assert promoted["outcome"] == "promoted"
    assert promoted["version_id"] == shop.current()
    assert promoted["metrics"]["gate"]["passed"] is True
    assert promoted["metrics"]["test"]["rankers"]["recsvc"]["all"]["ndcg@10"] > 0
    assert run(app, nightly(shop, folder / "all.parquet", *flags[:2])) == 0
    assert capsys.readouterr().out.startswith(f"promoted {promoted['version_id']}, generation 2")

    shelf = Registry(shop.registry).documents("experiments")
    now = datetime.now(UTC)
    shelf.activate(shelf.publish("{", now), now)
    assert run(app, nightly(shop, folder / "all.parquet", *flags[:2])) == 0
    assert "old versions are not removed: experiments: " in capsys.readouterr().err
