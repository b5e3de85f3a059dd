"""``quality.md``: the text is written by hand, the blocks between markers by this.

A block begins with ``<!-- generated: NAME -->`` and ends with ``<!-- end: NAME -->``; a
rerun replaces what is between and leaves the rest as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from recsvc.errors import InputError
from tests.benchmarks.quality.ablations import Ablation
from tests.benchmarks.quality.bench import HEADLINE
from tests.benchmarks.quality.contestants import ENVIRONMENTS
from tests.benchmarks.quality.datasets import SETS, SetSpec
from tests.benchmarks.quality.judge import Interval
from tests.benchmarks.quality.measures import ALL, COLUMN_TITLES, HIDDEN, Measure
from tests.benchmarks.quality.published import PUBLISHED
from tests.benchmarks.quality.results import Result, Results

NOTHING = "-"
SHORT = 10.0
"""Numbers below it are given with a digit after the point."""


def write(page: Path, blocks: Mapping[str, str]) -> None:
    """Replace the generated blocks of a page.

    Raises:
        InputError: a block has no place on the page.
    """
    page.write_text(filled(page.read_text(), blocks))


def filled(text: str, blocks: Mapping[str, str]) -> str:
    """A page's text with its generated blocks replaced.

    Raises:
        InputError: a block has no place in the text.
    """
    for name, block in blocks.items():
        begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise InputError(f"the page has no place for {name}; put {begin} and {end} in it")
        inside = f"\n{block}\n" if block else "\n"
        text = f"{before}{begin}{inside}{end}{after}"
    return text


def blocks_of(results: Results, ablations: Sequence[Ablation]) -> dict[str, str]:
    """All generated blocks of the page."""
    blocks = {"machine": results.machine and f"Measured on {results.machine}."}
    blocks["packages"] = table(
        ("environment", "packages, pinned"),
        ((library, ", ".join(packages)) for library, packages in ENVIRONMENTS.items()),
    )
    for name, spec in SETS.items():
        rows = ranked(results.rows.get(name, {}).values(), spec)
        there = bool(rows)
        blocks[f"size {name}"] = _size(results.sets[name]) if there else "Not measured yet."
        plot = f"![{spec.title}: bars with 95 % intervals](quality/{name}.svg)"
        blocks[f"quality {name}"] = f"{plot}\n\n{quality_table(rows, spec)}" if there else ""
        blocks[f"cost {name}"] = cost_table(rows, spec) if there else ""
    plot = "![Quality over CPU seconds of training, by data set](quality/time.svg)"
    blocks["time"] = plot if results.rows else ""
    blocks["ablations"] = ablation_tables(ablations)
    return blocks


def ranked(rows: Iterable[Result], spec: SetSpec) -> list[Result]:
    """Best first by the set's first measure; those without figures last."""
    first = spec.measures[0]

    def place(row: Result) -> tuple[bool, float]:
        return (not row.is_ok, -row.best(*first).mean if row.is_ok else 0.0)

    return sorted(rows, key=place)


def quality_table(rows: Sequence[Result], spec: SetSpec) -> str:
    """What each reached, and how far ours is ahead of it."""
    header = ["contestant"]
    for measure in spec.measures:
        header += [measure.title, f"{HEADLINE} ahead by"]
        if measure.column == ALL:
            header.append("the same, bought ones hidden")
    body = []
    for row in rows:
        cells = [f"**{row.contestant}**" if row.contestant == HEADLINE else row.contestant]
        for measure in spec.measures:
            cells += [_figure(row, measure), _lead(row, measure)]
            if measure.column == ALL:
                cells.append(_hidden(row, measure))
        body.append(cells)
    for one in PUBLISHED:
        if one.data_set == spec.name:
            cells = [f"{one.name} ({one.source})"]
            for measure in spec.measures:
                cells += [_short(one.figures[measure.metric]), NOTHING]
            body.append(cells)
    return table(header, body)


def cost_table(rows: Sequence[Result], spec: SetSpec) -> str:
    """Further figures and what each took."""
    header = [
        "contestant",
        *(measure.title for measure in spec.details),
        "fit, CPU s",
        "fit, s",
        "both lists, s",
        "peak MiB",
    ]
    return table(
        header,
        (
            (
                row.contestant,
                *(_figure(row, measure) for measure in spec.details),
                _number(row.run.fit_cpu_seconds),
                _number(row.run.fit_seconds),
                _number(row.run.recommend_seconds),
                _number(row.run.peak_mib),
            )
            for row in rows
        ),
    )


def ablation_tables(ablations: Sequence[Ablation]) -> str:
    """The plot, and a table a set and column: what is lost without each part."""
    if not ablations:
        return "Not measured yet."
    parts = ["![What is lost without each part, by data set](quality/ablations.svg)\n"]
    for group in dict.fromkeys((one.set, one.column) for one in ablations):
        rows = [one for one in ablations if (one.set, one.column) == group]
        title = SETS[group[0]].title if group[0] in SETS else group[0]
        parts.append(f"{title}, {COLUMN_TITLES.get(group[1], group[1])}:\n")
        parts.append(
            table(
                ("without", "changes the figure by", "clear of 0"),
                (
                    (one.without, signed(one.interval), "yes" if one.is_clear else "no")
                    for one in sorted(rows, key=lambda one: one.delta)
                ),
            )
            + "\n"
        )
    return "\n".join(parts).rstrip()


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def plain(one: Interval) -> str:
    """A figure with its interval, without the zero before the point."""
    return f"{_short(one.mean)} [{_short(one.low)}, {_short(one.high)}]"


def signed(one: Interval) -> str:
    """A difference with its interval."""
    return f"{_short(one.mean, '+')} [{_short(one.low, '+')}, {_short(one.high, '+')}]"


def _figure(row: Result, measure: Measure) -> str:
    if not row.is_ok:
        return f"*{row.run.status}*"
    if measure.column not in row.figures:
        return NOTHING
    return plain(row.figures[measure.column][measure.metric])


def _hidden(row: Result, measure: Measure) -> str:
    return plain(row.figures[HIDDEN][measure.metric]) if HIDDEN in row.figures else NOTHING


def _lead(row: Result, measure: Measure) -> str:
    return signed(row.lead[measure.column][measure.metric]) if row.lead else NOTHING


def _short(value: float, sign: str = "") -> str:
    return f"{value:{sign}.4f}".replace("0.", ".", 1)


def _number(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:,.{1 if value < SHORT else 0}f}"


def _size(counts: Mapping[str, object]) -> str:
    return (
        f"{counts['purchases']:,} rows of history, {counts['customers']:,} customers, "
        f"{counts['products']:,} products; {counts['test_pairs']:,} pairs to foretell, of "
        f"{counts['test_customers']:,} customers."
    )
