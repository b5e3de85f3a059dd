"""A night's run: what is promoted, refused and resumed, on a small shop and real models."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from recsvc.artifacts.journal import Action, Gate, Note
from recsvc.artifacts.manifest import Manifest
from recsvc.artifacts.registry import Registry
from recsvc.errors import InputError, PreconditionError, RegistryError
from tests.purchases import N_DAYS, START, shop_events
from tests.quick import QUICK, quick_fit
from training.gate import NOTHING_CURRENT
from training.nightly import Outcome, as_json, nightly, run_key
from training.nightly_state import alone
from training.progress import Reporter
from training.purchases import FitInput
from training.settings import TrainingSettings

ROOT = Path(__file__).parents[3]
ANNA = Note(by="anna@trainer")
NOW = datetime(2026, 11, 22, tzinfo=UTC)
TONIGHT = START + timedelta(days=N_DAYS - 14)
"""The current model's data ends here; two weeks later a night's run begins."""


def shuffled(events: pl.DataFrame, until: datetime = TONIGHT) -> pl.DataFrame:
    """The events with the customers of what was bought before ``until`` exchanged."""
    old = events.filter(pl.col("event_time") < until)
    customers = old["customer_id"].to_list()
    Random(5).shuffle(customers)
    mixed = old.with_columns(customer_id=pl.Series(customers))
    return pl.concat([mixed, events.filter(pl.col("event_time") >= until)])


class DiedError(Exception):
    """Stands for the death of the process."""


class Log:
    """A reporter that keeps what is said, and dies at a line if it is told to."""

    def __init__(self, fatal: str = "") -> None:
        self.said: list[str] = []
        self._fatal = fatal

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        del total
        self._say(f"stage {name}")
        yield lambda: None

    def log(self, message: str) -> None:
        self._say(message)

    @property
    def steps(self) -> list[str]:
        begin = "nightly: "
        return [line.removeprefix(begin) for line in self.said if line.startswith(begin)]

    def _say(self, line: str) -> None:
        self.said.append(line)
        if line == self._fatal:
            raise DiedError


class Shop:
    """A registry with a current version, and a night's files.

    Attributes:
        registry: whose current version knows all but the last two weeks.
        n_fits: how many models were fitted by :meth:`run`.
        fatal_fit: dies at the end of this fit; 0 never.
        metrics: of what is fitted.
    """

    def __init__(self, folder: Path, registry: Path) -> None:
        self.folder = folder
        self.registry = Registry(registry)
        self.n_fits = 0
        self.fatal_fit = 0
        self.metrics: Mapping[str, Any] = {}

    def run(
        self, events: pl.DataFrame | None = None, *, log: Log | None = None, force: bool = False
    ) -> Outcome:
        """One night with all events of the shop, unless others are given."""
        return nightly(
            self.source(events),
            QUICK,
            self.registry,
            log or Log(),
            note=ANNA,
            force=force,
            fit=self._fit,
        )

    def source(self, events: pl.DataFrame | None = None) -> FitInput:
        path = self.folder / "tonight.parquet"
        (shop_events() if events is None else events).write_parquet(path)
        return FitInput(events=[path])

    def current(self) -> str:
        pointer = self.registry.pointer()
        return pointer.version_id if pointer else ""

    def work(self) -> list[str]:
        """What runs have left, lock and state apart."""
        left = (self.registry.root / "nightly").glob("*/*")
        return sorted(path.name for path in left if path.name != "state.json")

    def _fit(
        self, source: FitInput, settings: TrainingSettings, registry: Registry, reporter: Reporter
    ) -> Manifest:
        self.n_fits += 1
        manifest = quick_fit(source, settings, registry, reporter, self.metrics)
        if self.n_fits == self.fatal_fit:
            raise DiedError
        return manifest


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry whose current version knows all but the last two weeks."""
    folder = tmp_path_factory.mktemp("trained")
    events = shop_events().filter(pl.col("event_time") < TONIGHT)
    events.write_parquet(folder / "events.parquet")
    registry = Registry(folder / "registry")
    source = FitInput(events=[folder / "events.parquet"])
    registry.promote(quick_fit(source, QUICK, registry, Log()).version_id, NOW)
    return registry.root


@pytest.fixture
def shop(tmp_path: Path, trained: Path) -> Shop:
    """A copy for one test."""
    shutil.copytree(trained, tmp_path / "registry")
    return Shop(tmp_path, tmp_path / "registry")


def test_a_good_night_promotes(shop: Shop) -> None:
    """Two weeks later the same recipe is no worse, and a model of everything is current."""
    before = shop.current()
    log = Log()

    outcome = shop.run(log=log)

    assert log.steps == ["validate", "fit", "evaluate", "gate", "publish", "promote"]
    assert outcome.promoted
    assert shop.current() == outcome.version_id != before
    assert outcome.generation == 2
    assert not outcome.resumed
    assert shop.n_fits == 2
    assert shop.work() == []
    entry = shop.registry.history()[-1]
    assert (entry.version_id, entry.before) == (outcome.version_id, before)
    assert (entry.note.by, entry.note.gate) == ("anna@trainer", Gate.PASSED)


def test_an_unchanged_recipe_differs_nowhere(shop: Shop) -> None:
    """Fitted on what the current model knew, the trial is the current model again."""
    before = shop.current()

    answer = as_json(shop.run())

    assert answer["compared_with"] == before
    total = answer["gate"]["details"]["comparison"]["total"]
    assert total["all"]["customers"] > 100
    assert total["all"]["ndcg@10"]["difference"] == 0
    assert answer["gate"]["details"]["slices_judged"] > 0
    manifest = shop.registry.manifest("current")
    assert manifest.metrics["gate"]["yardstick"] == before
    assert manifest.metrics["gate"]["passed"] is True


def test_the_trial_knows_what_the_current_knew_and_the_candidate_everything(shop: Shop) -> None:
    """What is compared ends with the current model's data; what is published with the last day."""
    known = shop.registry.manifest("current").parameters["data_end"]
    with pytest.raises(DiedError):
        shop.run(log=Log(fatal="nightly: evaluate"))
    (folder,) = (shop.registry.root / "nightly").glob("*/trial-*")
    (trial,) = Registry(folder).versions()

    shop.run()

    assert trial.manifest is not None
    assert trial.manifest.parameters["data_end"] == known
    assert shop.registry.manifest("current").parameters["data_end"] > known + 12 * 86_400


def test_a_worse_candidate_is_refused_with_the_reason(shop: Shop) -> None:
    """A history whose customers are exchanged is refused, nothing is published, all is told."""
    before = shop.current()
    log = Log()

    outcome = shop.run(shuffled(shop_events()), log=log)

    assert not outcome.promoted
    assert shop.current() == before
    assert len(shop.registry.versions()) == 1
    assert "publish" not in log.steps
    assert outcome.state.decision.reasons[0].startswith("all purchases: ndcg@10 ")
    assert f"  refused, against {before}" in log.said
    entry = shop.registry.history()[-1]
    assert entry.action is Action.REFUSED
    assert entry.version_id == outcome.version_id
    assert entry.note == Note("anna@trainer", Gate.REFUSED, outcome.state.decision.reasons)
    assert as_json(outcome)["outcome"] == "refused"


def test_a_refusal_is_not_worked_out_again(shop: Shop) -> None:
    """The same files are refused at once, and the journal tells it once."""
    events = shuffled(shop_events())
    first = shop.run(events)

    second = shop.run(events)

    assert not second.promoted
    assert second.resumed
    assert second.state.decision == first.state.decision
    assert shop.n_fits == 1
    assert [entry.action for entry in shop.registry.history()].count(Action.REFUSED) == 1


def test_force_promotes_what_is_refused_and_is_recorded(shop: Shop) -> None:
    """The gate's work is not done again, and who overruled which reasons is told."""
    events = shuffled(shop_events())
    refused = shop.run(events)

    outcome = shop.run(events, force=True)

    assert outcome.promoted
    assert shop.current() == outcome.version_id
    assert shop.n_fits == 2
    entry = shop.registry.history()[-1]
    assert entry.note == Note("anna@trainer", Gate.OVERRULED, refused.state.decision.reasons)


def test_the_first_version_passes(tmp_path: Path) -> None:
    """With nothing to compare with, one model is fitted and promoted, and that is said."""
    shop = Shop(tmp_path, tmp_path / "registry")
    log = Log()

    outcome = shop.run(log=log)

    assert outcome.promoted
    assert outcome.generation == 1
    assert shop.n_fits == 1
    assert log.steps == ["validate", "gate", "publish", "promote"]
    assert outcome.state.decision.warnings == (NOTHING_CURRENT,)
    assert shop.registry.history()[-1].note.gate is Gate.NOT_JUDGED


def test_the_same_night_twice_is_one(shop: Shop) -> None:
    """Once promoted, the same command has nothing to do and says so."""
    first = shop.run()
    log = Log()

    second = shop.run(log=log)

    assert second.promoted
    assert (second.version_id, second.generation) == (first.version_id, 2)
    assert shop.n_fits == 2
    assert log.steps == [f"{first.version_id} of these files is current already"]


LINES = [
    ("nightly: validate", 2),
    ("stage read and check the files", 2),
    ("nightly: fit", 2),
    ("nightly: evaluate", 2),
    ("stage compare", 2),
    ("nightly: gate", 2),
    ("nightly: publish", 2),
    ("nightly: promote", 2),
]


@pytest.mark.parametrize(("fatal", "n_fits"), LINES, ids=[line for line, _ in LINES])
def test_a_run_that_died_is_resumed(shop: Shop, fatal: str, n_fits: int) -> None:
    """Wherever it died, the same command promotes the candidate and fits each model once."""
    with pytest.raises(DiedError):
        shop.run(log=Log(fatal))
    assert len(shop.registry.history()) == 1

    outcome = shop.run()

    assert outcome.promoted
    assert shop.current() == outcome.version_id
    assert shop.n_fits == n_fits
    assert len(shop.registry.versions()) == 2
    assert shop.work() == []


@pytest.mark.parametrize("fatal_fit", [1, 2])
def test_a_model_that_was_fitted_is_not_fitted_again(shop: Shop, fatal_fit: int) -> None:
    """A run that died right after the trial, or right after the candidate, takes it up."""
    shop.fatal_fit = fatal_fit
    with pytest.raises(DiedError):
        shop.run()
    log = Log()

    outcome = shop.run(log=log)

    assert outcome.promoted
    assert outcome.resumed
    assert shop.n_fits == 2
    assert any(line.endswith("was fitted by an earlier run") for line in log.said)


def test_a_published_candidate_is_not_fitted_again_where_the_current_has_changed(
    shop: Shop,
) -> None:
    """What somebody made current meanwhile is what the gate compares with; no model is lost."""
    with pytest.raises(DiedError):
        shop.run(log=Log("nightly: promote"))
    first = shop.current()
    other = quick_fit(
        FitInput(events=[shop.folder / "tonight.parquet"]), QUICK, shop.registry, Log()
    )
    shop.registry.promote(other.version_id, NOW)

    outcome = shop.run()

    assert outcome.promoted
    assert outcome.generation == 3
    assert len(shop.registry.versions()) == 3
    # Nothing is fresh to a version that was fitted tonight; the one before it is the yardstick.
    assert outcome.state.yardstick == first
    assert other.version_id in outcome.state.decision.warnings[0]
    assert "0 customers have bought since" in outcome.state.decision.warnings[0]


def test_a_published_candidate_that_nobody_could_measure_needs_a_gate_that_can_judge(
    shop: Shop,
) -> None:
    """Published since the gate could: where it cannot any more, nothing shows that it is good."""
    shop.metrics = {"test": {"rankers": {"recsvc": {"all": {"customers": 1}}}}}
    with pytest.raises(DiedError):
        shop.run(log=Log("nightly: promote"))
    candidate = shop.registry.versions()[0].version_id
    source = FitInput(events=[shop.folder / "tonight.parquet"])
    other = quick_fit(source, QUICK, shop.registry, Log()).version_id
    # Nothing is fresh to it, and candidates are compared with nothing that is older.
    shop.registry.promote(other, NOW, Note(by="ben", gate=Gate.OVERRULED))

    for _ in range(2):
        outcome = shop.run()
        assert (outcome.promoted, outcome.version_id) == (False, candidate)
        assert outcome.state.decision.is_unmeasured
        assert shop.current() == other
    assert shop.run(force=True).version_id == shop.current() == candidate
    assert shop.n_fits == 2


class Meddler(Log):
    """A reporter during whose run somebody rolls back."""

    def __init__(self, line: str, deed: Callable[[], object]) -> None:
        super().__init__()
        self._line, self._deed = line, deed

    def log(self, message: str) -> None:
        super().log(message)
        if message == self._line:
            self._deed()


def test_a_current_version_that_changes_under_a_run_stops_it(shop: Shop) -> None:
    """What was compared with another version is not promoted unseen; a rerun compares anew."""
    other = quick_fit(shop.source(), QUICK, shop.registry, Log()).version_id
    meddler = Meddler("nightly: publish", lambda: shop.registry.promote(other, NOW))

    with pytest.raises(PreconditionError, match="another version was made current"):
        shop.run(log=meddler)
    assert shop.current() == other

    assert shop.run().promoted
    assert shop.n_fits == 2 + 1  # the trial is made anew, the candidate is not


@pytest.mark.parametrize("content", ["", "{}", '{"decision": {}}'])
def test_a_damaged_state_costs_the_gate_only(shop: Shop, content: str) -> None:
    """What cannot be read is said, and the models that are there are taken up."""
    with pytest.raises(DiedError):
        shop.run(log=Log("nightly: promote"))
    (state,) = (shop.registry.root / "nightly").glob("*/state.json")
    state.write_text(content, encoding="utf-8")
    log = Log()

    outcome = shop.run(log=log)

    assert outcome.promoted
    assert any(line.endswith("the gate decides anew") for line in log.said)
    assert log.steps[1:] == ["validate", "fit", "evaluate", "gate", "publish", "promote"]
    assert shop.n_fits == 3  # the trial again; the candidate waits in its folder
    assert len(shop.registry.versions()) == 2


def test_other_files_are_another_run(shop: Shop) -> None:
    """What was left of other files is not taken for tonight's, and is removed."""
    with pytest.raises(DiedError):
        shop.run(log=Log("nightly: evaluate"))
    events = shop_events().filter(pl.col("customer_id") != "c001")

    outcome = shop.run(events)

    assert outcome.promoted
    assert not outcome.resumed
    assert shop.n_fits == 3
    assert len([p for p in (shop.registry.root / "nightly").iterdir() if p.is_dir()]) == 1


def test_the_key_is_of_files_and_settings(shop: Shop) -> None:
    """The same bytes under another name are the same run; other bytes or settings are not."""
    source = shop.source()
    key = run_key(source, QUICK)
    renamed = shop.folder / "renamed.parquet"
    renamed.write_bytes(source.events[0].read_bytes())

    assert run_key(replace(source, events=[renamed]), QUICK) == key
    others = [
        run_key(source, replace(QUICK, seed=1)),
        run_key(source, replace(QUICK, without=frozenset({"own"}))),
        run_key(replace(source, mapping={"customer_id": "c"}), QUICK),
        run_key(replace(source, products=renamed), QUICK),
        run_key(replace(source, stores=renamed), QUICK),
        run_key(replace(source, timezone="Europe/Berlin"), QUICK),
    ]
    assert len({key, *others}) == 7


def test_two_runs_at_once_are_one_too_many(shop: Shop) -> None:
    """The second one is told which process is under way; nothing is touched."""
    with (
        alone(shop.registry.root),
        pytest.raises(PreconditionError, match=rf"under way \(process {os.getpid()} since "),
    ):
        shop.run()

    assert shop.run().promoted


HOLD = """
import sys
from pathlib import Path
from training.nightly_state import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_process_leaves_no_lock(shop: Shop) -> None:
    """While another process lives it keeps others out; its death lets them in at once."""
    command = [sys.executable, "-c", HOLD, str(shop.registry.root)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(PreconditionError, match=f"process {holder.pid} since"):
            shop.run()
        holder.send_signal(signal.SIGKILL)
        holder.wait()

    assert shop.run().promoted


@pytest.mark.parametrize("fatal", ["nightly: evaluate", "nightly: promote"])
def test_a_killed_run_is_resumed(shop: Shop, fatal: str) -> None:
    """After SIGKILL the same command goes on with the models that are there."""
    (events,) = shop.source().events
    module = "tests.unit.training.dying_night"
    command = [sys.executable, "-m", module, str(shop.registry.root), str(events), fatal]
    killed = subprocess.run(command, cwd=ROOT, check=False, timeout=120)
    assert killed.returncode == -signal.SIGKILL

    outcome = shop.run()

    assert outcome.promoted
    assert outcome.resumed
    assert shop.n_fits == (1 if fatal == "nightly: evaluate" else 0)


def test_the_new_alone_are_not_a_history(shop: Shop) -> None:
    """A file of the last days alone is refused as input: nothing could be fitted on it."""
    events = shop_events().filter(pl.col("event_time") >= TONIGHT + timedelta(days=1))

    with pytest.raises(InputError, match="give the whole history"):
        shop.run(events)
    assert shop.n_fits == 0


def test_purchases_without_times_are_not_judged(shop: Shop) -> None:
    """Where nothing is known to be fresh the candidate passes, and that is said."""
    outcome = shop.run(shop_events().drop("event_time"))

    assert outcome.promoted
    assert outcome.state.decision.warnings == (
        "the events have no times, so none is known as fresh",
    )


def test_too_few_fresh_customers_are_not_judged(shop: Shop) -> None:
    """Where nobody has bought since, no trial is fitted; the candidate passes, with a warning."""
    outcome = shop.run(shop_events().filter(pl.col("event_time") < TONIGHT))

    assert outcome.promoted
    assert shop.n_fits == 1
    (warning,) = outcome.state.decision.warnings
    assert "0 customers have bought since its data ended" in warning
    assert shop.registry.history()[-1].note.reasons == (warning,)


@pytest.mark.parametrize("kept", [0.02, 0.7])
def test_files_that_have_lost_purchases_are_no_whole_history(shop: Shop, kept: float) -> None:
    """An export that was cut short has nothing fresh to judge it by: it fails, and says why."""
    events, before = shop_events(), shop.current()
    some = events.filter(pl.int_range(pl.len()) < kept * pl.len())  # as the file goes
    thinned = events.sample(fraction=kept, seed=1)

    for truncated in (some, thinned):
        with pytest.raises(InputError, match=r"give the whole history, or --force"):
            shop.run(truncated)

    assert shop.current() == before
    assert shop.n_fits == 0
    assert shop.run(thinned, force=True).promoted


def test_a_few_purchases_may_go(shop: Shop) -> None:
    """Returns and erased customers take some purchases away; the night goes on."""
    assert shop.run(shop_events().sample(fraction=0.95, seed=1)).state.decision.is_judged


def nights(shop: Shop, *days: float) -> list[str]:
    """Runs whose data ends so many days before all events do; the versions they promoted."""
    end = START + timedelta(days=N_DAYS)
    return [
        shop.run(shop_events().filter(pl.col("event_time") < end - timedelta(days=day))).version_id
        for day in days
    ]


def test_small_shops_are_judged_by_an_older_version(shop: Shop) -> None:
    """Where one night has too few customers, the latest served version with enough judges."""
    first = shop.current()
    nights(shop, 1.0, 0.75)

    outcome = shop.run(shuffled(shop_events()))

    assert not outcome.promoted
    assert outcome.state.yardstick == first
    thin = [line for line in outcome.state.decision.warnings if "have bought since" in line]
    assert len(thin) == 2


def test_what_was_forced_is_not_judged_by_what_is_older(shop: Shop) -> None:
    """Who has overruled the gate is not refused for the same reason the night after."""
    events = shuffled(shop_events())
    forced = shop.run(events, force=True)
    more = pl.concat([events, events.tail(1).with_columns(order_id=pl.lit("another"))])

    outcome = shop.run(more)

    assert outcome.promoted
    (warning,) = outcome.state.decision.warnings
    assert warning.startswith(f"{forced.version_id}: ")


def test_a_current_version_that_cannot_be_read_is_passed_over(shop: Shop) -> None:
    """A model of another release, or a damaged one, does not stop all nights to come."""
    version = shop.registry.root / "versions" / shop.current()
    version.joinpath("manifest.json").chmod(0o644)
    version.joinpath("manifest.json").write_text("{", encoding="utf-8")

    outcome = shop.run()

    assert outcome.promoted
    assert "manifest.json" in outcome.state.decision.warnings[0]


def test_a_folder_that_cannot_be_written_is_one_line(shop: Shop) -> None:
    """The state that has no place is an error of the registry."""
    (shop.registry.root / "nightly").touch()

    with pytest.raises(RegistryError, match="nightly: cannot be written"):
        shop.run()


def test_half_a_state_is_replaced(shop: Shop) -> None:
    """What a death left beside the state's file is no obstacle."""
    with pytest.raises(DiedError):
        shop.run(log=Log("nightly: publish"))
    (folder,) = (p for p in (shop.registry.root / "nightly").iterdir() if p.is_dir())
    (folder / "state.partial").write_text("{", encoding="utf-8")

    assert shop.run().promoted


def test_the_answer_is_json(shop: Shop) -> None:
    """All that a program asks for is there, in JSON's own kinds."""
    answer: dict[str, Any] = as_json(shop.run())

    assert {"outcome", "version_id", "generation", "resumed", "compared_with", "gate"} == set(
        answer
    )
    assert answer["outcome"] == "promoted"
