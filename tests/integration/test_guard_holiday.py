"""The guard, on data made for it: trees that learnt in a holiday month lose in an ordinary one."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random

import polars as pl
import pytest

from recsvc.artifacts.manifest import Manifest
from recsvc.artifacts.registry import Registry
from recsvc.core.model import Model
from recsvc.core.ranking import Task
from tests.purchases import START, Lines
from tests.quick import QUICK
from training.guard import FUSION, TREES
from training.learning import LEARNT
from training.pipeline import fit
from training.purchases import FitInput

pytestmark = pytest.mark.usefixtures("unmeasured")

WEEKS_A_MONTH = 4
N_MONTHS = 8
N_CUSTOMERS = 200
STAPLES = [f"staple-{n:02}" for n in range(80)]
GIFTS = [f"gift-{n:02}" for n in range(40)]
HOLIDAY_MONTH = 4
"""The first of the two months that the trees learn from; the fusion is tuned on the second, the
guard asks about the third, and the last one is reported."""

SETTINGS = replace(QUICK, n_windows=2, fusion_customers=100, n_candidates=60)


@dataclass(frozen=True)
class Fitted:
    """A real fit.

    Attributes:
        manifest: what was published.
        model: the same, loaded again.
        said: the log.
    """

    manifest: Manifest
    model: Model
    said: list[str]

    def guard_line(self, task: Task) -> str:
        (line,) = (line for line in self.said if f"guard, {task.value}:" in line)
        return line


def purchases(holiday_month: int | None) -> pl.DataFrame:
    """Staples that are due again every five to nine weeks, and now and then a popular gift.

    In the holiday month customers buy gifts alone, each another one every time.
    """
    random = Random(5)
    popular_first = [1 / (1 + n) for n in range(len(GIFTS))]
    rows = []
    for number in range(N_CUSTOMERS):
        weeks_between = {staple: random.randint(5, 9) for staple in random.sample(STAPLES, 8)}
        due_week = {staple: random.randrange(weeks) for staple, weeks in weeks_between.items()}
        to_give = random.sample(GIFTS, len(GIFTS))
        for week in range(N_MONTHS * WEEKS_A_MONTH):
            if week // WEEKS_A_MONTH == holiday_month:
                basket = [to_give.pop() for _ in range(5)]
            else:
                basket = [staple for staple, due in due_week.items() if due <= week]
                due_week |= {staple: week + weeks_between[staple] for staple in basket}
                if random.random() < 0.4:
                    basket += random.choices(GIFTS, popular_first)
            moment = START + timedelta(days=7 * week + random.randrange(7))
            rows += [(f"c{number:03}", product, moment, 1.0) for product in basket]
    names = ("customer_id", "product_id", "event_time", "quantity")
    return pl.DataFrame(rows, schema=names, orient="row")


def fitted(folder: Path, holiday_month: int | None) -> Fitted:
    """Fit on :func:`purchases`, guard and all."""
    events = folder / "events.parquet"
    purchases(holiday_month).write_parquet(events)
    registry, lines = Registry(folder / "registry"), Lines()
    version_id = fit(FitInput(events=[events]), SETTINGS, registry, lines).version_id
    manifest, arrays = registry.load(version_id)
    return Fitted(manifest, Model.from_arrays(arrays, manifest.parameters), lines.said)


def test_after_a_holiday_the_fusion_serves(tmp_path: Path) -> None:
    """Trees that learnt to leave staples out lose; log, manifest and model say who serves."""
    found = fitted(tmp_path, HOLIDAY_MONTH)

    guard = found.manifest.metrics["guard"]
    assert guard[Task.ALL.value]["served"] == FUSION
    for task in LEARNT:
        verdict = guard[task.value]
        ndcg, served = verdict["ndcg@10"], verdict["served"]
        who = "the fusion" if served == FUSION else f"{served} alone"
        assert ndcg[TREES] < ndcg[served]
        line = found.guard_line(task)
        assert f"guard, {task.value}: {who} ({ndcg[served]:.4f}) before " in line
        assert f"({ndcg[verdict['runner_up']]:.4f}; by {verdict['margin'][0]:.4f} [" in line
        assert line.endswith(f": {who} will serve")
        assert found.model.rankers[task].trees is None
        assert found.model.rankers[task].logistic is None


def test_in_ordinary_months_the_trees_serve(tmp_path: Path) -> None:
    """The same shop without a holiday: the trees know what is due, win and are published."""
    found = fitted(tmp_path, None)

    verdict = found.manifest.metrics["guard"][Task.ALL.value]
    assert verdict["served"] == TREES
    assert verdict["margin"][1] > 0
    assert found.guard_line(Task.ALL).endswith(": the trees will serve")
    assert found.model.rankers[Task.ALL].trees is not None
