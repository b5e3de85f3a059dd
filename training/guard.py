"""Which ranker is deployed: the trees, the fusion of all sources, or the best of them alone.

A learnt ranker that is fitted on other months can lose to plain fusion (a holiday between
them, a change of the range): on a window that nothing was learnt from it has to win.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
        served: the winner: :data:`TREES`, :data:`FUSION` or the name of a score.
        ndcg: nDCG@10 of each contestant, on the guard's window.
        margin: of the winner over the best of the others.
        runner_up: who that is.
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
        sure = "" if self.margin.is_above_zero else ", within the noise"
        margin = f"{self.margin.mean:.4f} [{self.margin.low:.4f}, {self.margin.high:.4f}]"
        return (
            f"  guard, {self.task.value}: {served} ({self.ndcg[self.served]:.4f}) before {other} "
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
    """The winner is who has the highest mean; of equals who comes first."""
    ndcg = {name: float(by_task[task].ndcg.mean()) for name, by_task in columns.items()}
    served, runner_up = sorted(ndcg, key=lambda name: -ndcg[name])[:2]
    margin = paired_bootstrap(columns[served][task].ndcg, columns[runner_up][task].ndcg)
    return Verdict(task, served, ndcg, runner_up, margin)
