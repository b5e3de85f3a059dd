"""Which ranker is deployed: the trees, the fusion of all sources, or the best of them alone.

A learnt ranker that is fitted on other months can lose to plain fusion (a holiday between
them, a change of the range): on a window that nothing was learnt from it has to hold. Where it does
not lose, it is the best of all on nearly every set of data, and the best of a dozen simple rankers
is ahead of it by chance: so the simpler one serves only where it is ahead by more than the standard
error of that lead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsvc.core.ranking import Ranker, Task
from training.column import Column
from training.evaluate import only
from training.significance import Interval, paired_bootstrap

TREES, FUSION = "trees", "fusion"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the guard found for one task.

    Attributes:
        task: what was asked.
        served: who serves: :data:`TREES`, :data:`FUSION` or the name of a score.
        ndcg: nDCG@10 of each contestant, on the guard's window.
        runner_up: the best of the others.
        margin: of who serves over that one; not above 0 where the lead of the simpler one is noise.
    """

    task: Task
    served: str
    ndcg: Mapping[str, float]
    runner_up: str
    margin: Interval

    def line(self) -> str:
        """One line for the log."""
        names = {TREES: "the trees", FUSION: "the fusion"}
        served, other = (names.get(n, f"{n} alone") for n in (self.served, self.runner_up))
        sure = "" if self.margin.is_clear_of_zero else ", within the noise"
        where = "behind" if self.margin.mean < 0 else "before"
        margin = f"{self.margin.mean:.4f} [{self.margin.low:.4f}, {self.margin.high:.4f}]"
        return (
            f"  guard, {self.task.value}: {served} ({self.ndcg[self.served]:.4f}) {where} {other} "
            f"({self.ndcg[self.runner_up]:.4f}; by {margin}{sure}): {served} will serve"
        )

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "served": self.served,
            "ndcg@10": {name: round(value, 5) for name, value in self.ndcg.items()},
            "runner_up": self.runner_up,
            "margin": [
                round(self.margin.mean, 5),
                round(self.margin.low, 5),
                round(self.margin.high, 5),
            ],
        }


def contestants(
    scores: Sequence[str], fusion: Mapping[Task, Ranker], trees: Mapping[Task, Ranker]
) -> dict[str, dict[Task, Ranker]]:
    """Rankers by name, for :func:`training.evaluate.evaluate`."""
    found: dict[str, dict[Task, Ranker]] = {FUSION: dict(fusion)}
    if trees:
        # Of what has none of its own, for want of examples, the fusion's list: no better.
        found[TREES] = {**fusion, **trees}
    for score in scores:
        alone = only(score, scores)
        found[score] = {task: Ranker(alone.weights) for task in fusion}
    return found


def judge(task: Task, columns: Mapping[str, Mapping[Task, Column]]) -> Verdict:
    """Take the trees, the fusion before them, or one score before both, by what each is ahead."""
    found = {name: by_task[task].ndcg for name, by_task in columns.items()}
    ndcg = {name: float(values.mean()) for name, values in found.items()}
    ranked = sorted(ndcg, key=lambda name: -ndcg[name])
    served = FUSION
    if TREES in found and not (
        np.array_equal(found[FUSION], found[TREES]) or _is_ahead(found[FUSION], found[TREES])
    ):
        served = TREES
    alone = next(name for name in ranked if name not in {TREES, FUSION})
    if _is_ahead(found[alone], found[served]):
        served = alone
    runner_up = next(name for name in ranked if name != served)
    margin = paired_bootstrap(found[served], found[runner_up])
    return Verdict(task, served, ndcg, runner_up, margin)


def _is_ahead(simpler: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether the mean is higher by more than the standard error of the difference."""
    lead = simpler - other
    return bool(lead.mean() > lead.std(ddof=1) / len(lead) ** 0.5)
