"""Whether a candidate may take the place of the current model.

A comparison (:mod:`training.compare`, the candidate first) is read by three rules:

- **Worse** means that the whole interval of candidate less current is below 0, by nDCG@10, and
  that the mean falls by more than is worth a refusal.
- **In total**, of all purchases and of new products, the interval is the 95 % interval that
  ``recsvc-train compare`` shows.
- **Of the slices** there are many, and of forty slices of equal models one looks worse at 95 % by
  chance. They share the 5 % (Bonferroni): each is asked for more confidence, the more there are.

With too few customers nothing can be told; the candidate passes, and the decision says so. What was
measured on nobody at all is refused, whatever it would replace: :func:`unmeasured`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import NormalDist
from typing import Any, Self

from recsvc.artifacts.journal import Gate
from recsvc.core.ranking import Task
from training.column import HEADLINE
from training.compare import PURCHASES, TOTAL, Comparison, Difference
from training.questions import TASKS
from training.report import FEW_CUSTOMERS, comparison_json
from training.significance import CONFIDENCE, Interval

_ASKED = {Task.ALL: "all purchases", Task.NEW: "products new to the customer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When the gate refuses.

    Attributes:
        min_customers: with fewer in total nothing is told. The percentile bootstrap is too sure
            of itself with a few dozen customers.
        min_slice: slices of fewer customers are not judged: each that is makes the others
            harder to tell.
        min_drop: share of the current mean; a smaller fall is no reason. With many customers
            every difference becomes significant, also those that nobody would notice.
    """

    min_customers: int = 50
    min_slice: int = 100
    min_drop: float = 0.01


DEFAULT = Policy()

NOTHING_CURRENT = "no version is current yet, there is nothing to compare with"
"""Why a first version is not judged."""

UNSHOWN = "nothing shows that it is any good"
"""Of what nobody could measure."""

MIN_MEASURED = 2
"""Customers that a version must have been measured on before it is served: a truncated export must
not replace what is."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate has found.

    Attributes:
        passed: whether the candidate may be promoted.
        reasons: of a refusal, a line each, the totals first; empty if it has passed.
        warnings: what could not be told, a line each.
        details: policy, number of slices judged and the comparison, JSON; of what was measured on
            nobody, how many customers there were.
    """

    passed: bool
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def unjudged(cls, *why: str) -> Self:
        """Nothing to judge by: passed, with the reasons why it was not judged as warnings."""
        return cls(passed=True, warnings=why)

    @property
    def is_judged(self) -> bool:
        """Whether there were enough customers to tell of anything."""
        return bool(self.details.get("n_judged"))

    @property
    def is_unmeasured(self) -> bool:
        """Whether it is a refusal of what nobody could measure, beside whatever is current."""
        return "n_measured" in self.details

    @property
    def said(self) -> tuple[str, ...]:
        """What the journal keeps: the reasons of a refusal, else what could not be told."""
        return self.reasons or self.warnings

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        lists = {"reasons": list(self.reasons), "warnings": list(self.warnings)}
        return {"passed": self.passed, **lists, "details": dict(self.details)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            KeyError, TypeError: a field is missing, or of the wrong type.
        """
        reasons, warnings = tuple(document["reasons"]), tuple(document["warnings"])
        return cls(bool(document["passed"]), reasons, warnings, dict(document["details"]))


def decide(comparison: Comparison, policy: Policy = DEFAULT) -> Decision:
    """Judge a candidate by its comparison with the current model.

    Args:
        comparison: the candidate is its first model; its intervals are of :data:`CONFIDENCE`.
        policy: when to refuse.
    """
    found = [each for task in TASKS for each in comparison.of(task)]
    totals = [each for each in found if each.kind == TOTAL]
    parts = [each for each in found if each.kind != TOTAL and each.n_customers >= policy.min_slice]
    counts = {each.task: each.n_customers for each in totals}
    warnings = [
        f"too few customers to tell of {_ASKED[task]}: {counts.get(task, 0)}, "
        f"{policy.min_customers} are needed"
        for task in TASKS
        if counts.get(task, 0) < policy.min_customers
    ]
    judged = [
        (each, each.difference) for each in totals if each.n_customers >= policy.min_customers
    ]
    judged += [(each, widened(each.difference, len(parts))) for each in parts]
    reasons = [
        _reason(each, interval) for each, interval in judged if _is_worse(each, interval, policy)
    ]
    details = {
        "metric": HEADLINE[0],
        "policy": asdict(policy),
        "n_judged": len(judged),
        "slices_judged": len(parts),
        "comparison": comparison_json(comparison),
    }
    return Decision(not reasons, tuple(reasons), tuple(warnings), details)


def unmeasured(metrics: Mapping[str, Any]) -> Decision | None:
    """The refusal of a version that was measured on fewer than :data:`MIN_MEASURED` customers.

    Args:
        metrics: of its manifest. One that was made without measuring says nothing: None.
    """
    tested = metrics.get("test", {}).get("rankers", {}).get("recsvc", {})
    n_measured = tested.get(Task.ALL.value, {}).get("customers")
    if n_measured is None or n_measured >= MIN_MEASURED:
        return None
    reason = (
        f"known customers with purchases in what was held out: {n_measured}, {MIN_MEASURED} are "
        "needed; give more history"
    )
    return Decision(passed=False, reasons=(reason,), details={"n_measured": n_measured})


def no_better(metrics: Mapping[str, Any]) -> list[str]:
    """A line for each simple way of ranking that found more than a version, of what was held out.

    Nothing is refused for it: somebody should look at the data before shoppers see the lists.

    Args:
        metrics: of its manifest, as for :func:`unmeasured`.
    """
    rankers = metrics.get("test", {}).get("rankers", {})
    metric, said = HEADLINE[0], []
    for task, asked in _ASKED.items():
        ours = rankers.get("recsvc", {}).get(task.value, {})
        if ours.get("customers", 0) < FEW_CUSTOMERS:
            continue
        mean, interval = ours[metric], Interval(ours[metric], *ours["intervals"][metric])
        for name, by_task in rankers.items():
            theirs = by_task.get(task.value, {}).get(metric, 0.0)
            if theirs > mean:
                figures = f"{metric} {theirs:.4f} instead of {mean:.4f} ±{interval.margin:.4f}"
                within = "" if theirs > interval.high else ", which may be chance"
                said.append(f"{name} alone found more: {asked}: {figures}{within}")
    return said


def widened(interval: Interval, n_judged: int) -> Interval:
    """The interval of one of ``n_judged`` that share the chance of being wrong.

    Its ends are moved out as those of a normal distribution would be. The far quantiles
    themselves would rest on one or two of the bootstrap's rounds.
    """
    outside = (1 - CONFIDENCE) / 2
    times = NormalDist().inv_cdf(outside / n_judged) / NormalDist().inv_cdf(outside)
    mean = interval.mean
    return Interval(
        mean, mean - times * (mean - interval.low), mean + times * (interval.high - mean)
    )


def lines(decision: Decision) -> Sequence[str]:
    """The reasons and warnings of a decision as people read them, a line each."""
    mark = "not measured" if decision.is_unmeasured else "worse"
    marked = [f"  {mark}: {reason}" for reason in decision.reasons]
    return [*marked, *(f"  not judged: {warning}" for warning in decision.warnings)]


def why_refused(decision: Decision, current: str) -> str:
    """What follows ``refused VERSION:`` in the line above those of :func:`lines`.

    Args:
        decision: a refusal.
        current: the version that it was compared with.
    """
    return UNSHOWN if decision.is_unmeasured else f"it is worse than {current}"


def verdict(decision: Decision | None, *, force: bool) -> Gate:
    """What the journal says of a decision; ``force`` overrules a refusal."""
    if decision is None:
        return Gate.NOT_ASKED
    if not decision.passed:
        return Gate.OVERRULED if force else Gate.REFUSED
    return Gate.PASSED if decision.is_judged else Gate.NOT_JUDGED


def _is_worse(each: Difference, interval: Interval, policy: Policy) -> bool:
    return interval.is_below_zero and -interval.mean >= policy.min_drop * each.mean_b


def _reason(each: Difference, interval: Interval) -> str:
    where = "" if each.kind == TOTAL else f", {each.kind} {each.name}"
    asked = "purchases" if each.kind == PURCHASES else _ASKED[each.task]
    return (
        f"{asked}{where}: {HEADLINE[0]} {each.mean_a:.4f} instead of {each.mean_b:.4f} "
        f"({interval.mean:+.4f}, [{interval.low:+.4f}, {interval.high:+.4f}], "
        f"{each.n_customers:,} customers)"
    )
