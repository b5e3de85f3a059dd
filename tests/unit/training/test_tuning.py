"""The search of tune: what it measures, keeps, goes on with, refuses and decides."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.distributions import FloatDistribution
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from recsvc.core.ranking import Task
from recsvc.errors import InputError, SettingsError
from tests.purchases import SMALL, Lines, shop_interactions
from training.column import Column
from training.models.als import AlsSettings
from training.search_space import RANKER, Part, parts_for, with_values
from training.settings import SOURCES, TrainingSettings
from training.significance import Interval
from training.sources import als_settings, suitable
from training.studies import Found, opened
from training.trials import Trials
from training.tuning import Budget, Verdict, best_of, search
from training.windows import plan

START = replace(SMALL, als=replace(SMALL.als or AlsSettings(), seed=SMALL.seed))
KNOB = Part("ease", {"ease_regularization": FloatDistribution(10, 1_000, log=True)}, ("ease",))
OTHER = Part("place", {"place_shrinkage": FloatDistribution(5, 5_000, log=True)}, ("place",))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Optuna tells of each study otherwise, and implicit of threads that fight."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(scope="module")
def trials() -> Trials:
    """What measures settings on the shop."""
    interactions = shop_interactions()
    few = replace(SMALL, train_customers=60, judge_customers=60)
    start = replace(few, als=als_settings(interactions, few))
    windows = plan(interactions, replace(start, n_windows=1))
    return Trials(windows[-3], windows[-2], None, suitable(interactions, start), start)


@dataclass(slots=True)
class Hill(Trials):
    """Trials without a shop: worth most at a regularization of 100, none can be below 20."""

    def value(self, part: Part, settings: TrainingSettings) -> float:
        """Of the one knob, whatever the part."""
        if settings.ease_regularization < 20:
            raise SettingsError("ease_regularization: is too small")
        return 1 - abs(math.log10(settings.ease_regularization) - 2) / 10 + len(part.name) / 100


@pytest.fixture
def hill(trials: Trials) -> Hill:
    return Hill(trials.taught, trials.judged, None, trials.sources, trials.start)


def ticking(until: float = math.inf) -> Budget:
    """A budget whose clock is a second later each time that it is looked at."""
    seconds = count()
    return Budget(until, 6, lambda: float(next(seconds)))


def tried(path: Path, parts: Sequence[Part] = (KNOB,)) -> list[dict[str, float]]:
    """What the knobs were in the trials of a file that have ended."""
    studies = optuna.load_study
    found = []
    for part in parts:
        study = studies(study_name=part.name, storage=f"sqlite:///{path}")
        found += [dict(t.params) for t in study.get_trials(deepcopy=False) if t.state.is_finished()]
        study._storage.remove_session()
    return found


@pytest.mark.parametrize("name", [p.name for p in parts_for(SOURCES, START, has_times=True)])
def test_every_part_can_be_measured(trials: Trials, name: str) -> None:
    """Each part is worth something on the shop, the same each time, and its knobs matter to it."""
    parts = parts_for((*trials.sources, "bpr", "spectral"), trials.start, has_times=True)
    part = next(part for part in parts if part.name == name)

    value = trials.value(part, trials.start)

    assert 0.05 < value < 1
    assert trials.value(part, trials.start) == value
    lowest = {
        key: knob.low for key, knob in part.knobs.items() if isinstance(knob, FloatDistribution)
    }
    if lowest and name != RANKER:
        assert trials.value(part, with_values(trials.start, lowest)) != value


def test_trees_need_something_to_learn_from(trials: Trials) -> None:
    """Where nobody can be asked, trees are worth nothing, and no error."""
    nobody = replace(trials.taught, customers=trials.taught.customers[:0])
    part = next(p for p in parts_for((), START, has_times=True) if p.name == RANKER)

    assert replace(trials, taught=nobody).value(part, START) == 0


def test_a_search_finds_better_values_and_says_so(hill: Hill, tmp_path: Path) -> None:
    """The first trial is the start, later ones find better, and the log tells each step up."""
    lines = Lines()
    with opened(tmp_path / "s.db", [KNOB], START, "d") as studies:
        search(studies, hill, replace(ticking(), max_trials=12), lines)
        found = studies.found(KNOB)

    assert tried(tmp_path / "s.db")[0] == {"ease_regularization": START.ease_regularization}
    assert found.start is not None
    assert found.best is not None
    assert found.best > found.start
    assert found.is_better
    assert found.trials == 12
    assert any(line.startswith("  ease: nDCG@10 ") for line in lines.said)
    settings = best_of(START, [found])
    assert abs(math.log10(settings.ease_regularization) - 2) < abs(
        math.log10(START.ease_regularization) - 2
    )


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(hill: Hill, tmp_path: Path) -> None:
    """Six trials in three runs are the same as six in one; values that cannot be are passed by."""
    with opened(tmp_path / "one.db", [KNOB], START, "d") as studies:
        search(studies, hill, ticking(), Lines())
    for until in (3, 3, math.inf):
        with opened(tmp_path / "three.db", [KNOB], START, "d") as studies:
            search(studies, hill, ticking(until), Lines())

    once = tried(tmp_path / "one.db")
    assert len(once) == 6
    assert tried(tmp_path / "three.db") == once


def test_ctrl_c_keeps_the_trials(hill: Hill, tmp_path: Path) -> None:
    """An interruption in the midst of the search leaves what has ended."""

    def interrupted() -> Iterator[float]:
        yield from (0.0, 1.0, 2.0)
        raise KeyboardInterrupt

    moments = interrupted()
    with (
        pytest.raises(KeyboardInterrupt),
        opened(tmp_path / "s.db", [KNOB], START, "d") as studies,
    ):
        search(studies, hill, Budget(60, 9, lambda: next(moments)), Lines())

    with opened(tmp_path / "s.db", [KNOB], START, "d") as studies:
        assert studies.n_done(KNOB) == 2


def test_the_time_is_kept(hill: Hill, tmp_path: Path) -> None:
    """No trial begins when the time is up."""
    with opened(tmp_path / "s.db", [KNOB, OTHER], START, "d") as studies:
        search(studies, hill, ticking(5), Lines())
        assert studies.n_done(KNOB) + studies.n_done(OTHER) == 4
        search(studies, hill, ticking(0), Lines())
        assert studies.n_done(KNOB) + studies.n_done(OTHER) == 4


def test_every_part_has_its_turn_and_its_number(hill: Hill, tmp_path: Path) -> None:
    """A search without an end in time ends when all parts have had their trials."""
    with opened(tmp_path / "s.db", [KNOB, OTHER], START, "d") as studies:
        search(studies, hill, replace(ticking(), max_trials=3), Lines())
        assert [studies.n_done(part) for part in (KNOB, OTHER)] == [3, 3]
        assert studies.seconds(KNOB) > 0


def test_a_part_that_never_fits_is_left_as_it_is(hill: Hill, tmp_path: Path) -> None:
    """Where no value can be fitted the start stays, and the search ends."""
    start = replace(START, ease_regularization=12.0)
    part = replace(KNOB, knobs={"ease_regularization": FloatDistribution(10, 19)})
    bad = replace(hill, start=start)
    with opened(tmp_path / "s.db", [part], start, "d") as studies:
        search(studies, bad, replace(ticking(), max_trials=2), Lines())
        found = studies.found(part)

    assert found == Found("ease", 2, None, None, {})
    assert best_of(start, [found]) == start


@pytest.mark.parametrize(
    ("digest", "start", "said"),
    [
        ("other", START, "its trials are of other events; give another file"),
        ("d", replace(START, seed=1), "its trials are of other settings; give another file"),
    ],
)
def test_a_study_of_something_else_is_refused(
    tmp_path: Path, digest: str, start: TrainingSettings, said: str
) -> None:
    """Figures of other data or other settings cannot be compared, so the search does not go on."""
    path = tmp_path / "s.db"
    with opened(path, [KNOB], START, "d"):
        pass

    with (
        pytest.raises(InputError, match=said) as raised,
        opened(path, [KNOB], start, digest),
    ):
        pass
    assert str(raised.value).startswith(f"--study {path}: ")


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """What is no database is named in one line, and stays as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("nothing to do with trials\n" * 100, encoding="utf-8")

    with (
        pytest.raises(InputError, match=r"notes\.txt: is no file of trials"),
        opened(path, [KNOB], START, "d"),
    ):
        pass
    assert path.read_text(encoding="utf-8").startswith("nothing to do")


def found(part: str, start: float, best: float, **values: object) -> Found:
    return Found(part, 9, start, best, {key.replace("__", "."): v for key, v in values.items()})


def test_the_best_of_each_part_is_taken() -> None:
    """Parts without anything better stay as they were."""
    parts = [
        found("collaborative", 0.1, 0.2, als__alpha=3.0),
        found("spectral", 0.2, 0.2, n_vectors=99),
        found("place", 0.1, 0.3, place_shrinkage=7.0),
    ]

    settings = best_of(START, parts)

    assert settings.als is not None
    assert settings.als.alpha == 3.0
    assert settings.n_vectors == START.n_vectors
    assert settings.place_shrinkage == 7.0
    assert settings.extra_sources == ()


@pytest.mark.parametrize(("bpr", "extra"), [(0.3, ("bpr",)), (0.2, ())])
def test_bpr_is_added_where_it_finds_more(bpr: float, extra: tuple[str, ...]) -> None:
    """BPR comes on where it alone finds more than the factors that are there anyway."""
    parts = [
        found("collaborative", 0.1, 0.2, als__alpha=3.0),
        found("bpr", bpr, bpr, bpr__n_factors=9),
    ]

    assert best_of(START, parts).extra_sources == extra


@pytest.mark.parametrize(
    ("gains", "is_better"),
    [
        ((Interval(0.01, -0.01, 0.03), Interval(0.02, 0.01, 0.03)), True),
        ((Interval(-0.01, -0.02, 0.01), Interval(0.02, 0.01, 0.03)), True),
        ((Interval(-0.01, -0.02, -0.001), Interval(0.03, 0.01, 0.05)), False),
        ((Interval(-0.01, -0.02, 0.01), Interval(0.005, -0.01, 0.03)), False),
        ((Interval(0.0, 0.0, 0.0), Interval(0.0, 0.0, 0.0)), False),
        ((Interval(math.nan, math.nan, math.nan), Interval(0.1, 0.1, 0.1)), False),
    ],
)
def test_better_is_more_in_sum_and_nowhere_surely_less(
    gains: tuple[Interval, Interval], *, is_better: bool
) -> None:
    """What was found is taken if it finds more in all, and on no task clearly less."""
    by_task = dict(zip((Task.ALL, Task.NEW), gains, strict=True))

    assert Verdict({}, {}, by_task).is_better is is_better


def test_a_task_without_customers_does_not_decide() -> None:
    """Where nobody has bought anything new, what was found of all purchases counts alone."""
    lists, nobody = np.array([[0, 1]], np.int32), np.zeros((0, 2), np.int32)

    def asked(relevant: list[list[int]], lists: NDArray[np.int32]) -> Column:
        customers = np.arange(len(lists), dtype=np.int32)
        return Column.of(customers, lists, csr_array(np.array(relevant).reshape(-1, 2)))

    start = {Task.ALL: asked([[0, 1]], lists), Task.NEW: asked([], nobody)}
    tuned = {Task.ALL: asked([[1, 0]], lists), Task.NEW: asked([], nobody)}

    verdict = Verdict.of(start, tuned)

    assert list(verdict.gain) == [Task.ALL]
    assert verdict.is_better
