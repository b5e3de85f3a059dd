"""The benchmark from data to figures: every contestant on every set, one at a time."""

import os
import platform
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from recsvc.errors import InputError, UnavailableError
from tests.benchmarks.quality import judge
from tests.benchmarks.quality.contestants import OURS, Contestant, key
from tests.benchmarks.quality.datasets import PAIR, DataSet
from tests.benchmarks.quality.environments import python_of
from tests.benchmarks.quality.measures import ALL, HIDDEN, METRICS, NEW
from tests.benchmarks.quality.results import Figures, Result, Results, save
from tests.benchmarks.quality.runner import Limits, Run, root, run

HEADLINE = f"{OURS} balanced"
"""The default preset, which the others are compared with."""


def measure(
    data: DataSet,
    contestants: Sequence[Contestant],
    results: Results,
    *,
    work: Path,
    path: Path,
    limits: Limits,
) -> None:
    """Bring the results of one set up to date; saved after each contestant.

    A contestant is run again only if something that its result depends on has changed.

    Args:
        data: the set.
        contestants: who is asked for; rows of others stay as they are.
        results: what there is; brought up to date in place.
        work: folder for environments, lists and logs.
        path: where the results are saved.
        limits: of each run.
    """
    name = data.spec.name
    results.sets[name] = {"digest": data.digest, **data.counts}
    results.machine = machine()
    rows = results.rows.setdefault(name, {})
    for contestant in contestants:
        wanted = key(contestant, data.digest, root())
        there = rows.get(contestant.name)
        scores = _scores_path(work, data, contestant.name)
        if there and there.key == wanted and (scores.exists() or not there.is_ok):
            say(f"{name}: {contestant.name}: kept")
            continue
        say(f"{name}: {contestant.name} ...")
        rows[contestant.name] = _one(contestant, wanted, data, work, limits)
        say(f"{name}: {contestant.name}: {_summary(rows[contestant.name])}")
        save(results, path)
    results.rows[name] = {row.contestant: row for row in with_leads(rows.values(), data, work)}
    save(results, path)


def with_leads(rows: Iterable[Result], data: DataSet, work: Path) -> Iterable[Result]:
    """Rows with the paired differences from ours, where the lists of both are at hand."""
    ours = _scores_path(work, data, HEADLINE)
    for row in rows:
        theirs = _scores_path(work, data, row.contestant)
        if row.contestant == HEADLINE or not (row.is_ok and ours.exists() and theirs.exists()):
            yield replace(row, lead={})
            continue
        mine, others = pl.read_parquet(ours), pl.read_parquet(theirs)
        lead: Figures = {}
        for column in (ALL, NEW):
            if column in row.figures:
                better = _better(row, column)
                lead[column] = judge.lead(_of(mine, column), _of(others, better))
        yield replace(row, lead=lead)


def machine() -> str:
    """What the times were measured on."""
    gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {gib:.0f} GiB, {platform.machine()} {platform.system()}, "
        f"Python {platform.python_version()}"
    )


def say(line: str) -> None:
    """Progress, for whoever waits."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _one(contestant: Contestant, wanted: str, data: DataSet, work: Path, limits: Limits) -> Result:
    def without_lists(status: str) -> Result:
        return Result(contestant.name, contestant.library, wanted, Run(status))

    folder = _folder(work, data, contestant.name)
    try:
        python = python_of(contestant, work)
    except UnavailableError as error:
        return without_lists(str(error))
    ended = run(contestant, python, data, folder, limits)
    result = Result(contestant.name, contestant.library, wanted, ended)
    if not result.is_ok:
        return result
    try:
        scores = _judged(contestant, data, folder)
    except InputError as error:
        return without_lists(f"unusable: {error}")
    pl.concat(
        frame.with_columns(kind=pl.lit(kind)) for kind, frame in scores.items()
    ).write_parquet(_scores_path(work, data, contestant.name))
    return replace(result, figures={kind: judge.intervals(one) for kind, one in scores.items()})


def _judged(contestant: Contestant, data: DataSet, folder: Path) -> dict[str, pl.DataFrame]:
    """Scores by kind of list, those that count on this set."""
    test = pl.read_parquet(data.test)
    bought = pl.read_parquet(data.history, columns=PAIR)
    new = pl.read_parquet(folder / "new.parquet")
    scores = {NEW: judge.score(new, test, bought)}
    if any(measure.column == ALL for measure in data.spec.measures):
        scores[ALL] = judge.score(pl.read_parquet(folder / "all.parquet"), test)
        if contestant.can_hide:
            scores[HIDDEN] = judge.score(new, test)
    return scores


def _better(row: Result, column: str) -> str:
    """Its kind of lists that is better by the first metric, to be compared with ours."""
    kinds = [kind for kind in (column, f"{column}_hidden") if kind in row.figures]
    return max(kinds, key=lambda kind: row.figures[kind][METRICS[0]].mean)


def _of(scores: pl.DataFrame, kind: str) -> pl.DataFrame:
    return scores.filter(pl.col("kind") == kind)


def _folder(work: Path, data: DataSet, name: str) -> Path:
    # Under the data's digest, so that a sample never passes for the whole.
    return work / "runs" / f"{data.spec.name}-{data.digest[:8]}" / name.replace(" ", "-")


def _scores_path(work: Path, data: DataSet, name: str) -> Path:
    return _folder(work, data, name) / "scores.parquet"


def _summary(row: Result) -> str:
    if not row.is_ok:
        return row.run.status
    figures = ", ".join(
        f"{kind} {metrics['ndcg@10'].mean:.4f}/{metrics['recall@20'].mean:.4f}"
        for kind, metrics in row.figures.items()
    )
    return f"{figures} (nDCG@10/recall@20), fit {row.run.fit_cpu_seconds:.0f} CPU s"
