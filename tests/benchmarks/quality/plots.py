"""The page's plots: quality with intervals, quality against time, ablations."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter
from matplotlib.transforms import Bbox

from tests.benchmarks.quality.ablations import Ablation
from tests.benchmarks.quality.bench import HEADLINE
from tests.benchmarks.quality.contestants import OURS
from tests.benchmarks.quality.datasets import SETS, SetSpec
from tests.benchmarks.quality.measures import COLUMN_TITLES, Measure
from tests.benchmarks.quality.page import ranked
from tests.benchmarks.quality.published import PUBLISHED
from tests.benchmarks.quality.results import Result, Results

# Okabe and Ito's colours, which the colour-blind can tell apart; each with its own marker.
STYLES = {
    OURS: ("#0072B2", "o"),
    "baseline": ("#555555", "s"),
    "implicit": ("#E69F00", "^"),
    "RecTools": ("#009E73", "D"),
    "LensKit": ("#CC79A7", "v"),
    "LibRecommender": ("#56B4E9", "P"),
    "published": ("#999999", "*"),
}
PLACES = (
    *((8, 0, "left"), (-8, 0, "right"), (0, 10, "center"), (0, -11, "center")),
    *((6, 10, "left"), (-6, 10, "right"), (6, -10, "left"), (-6, -10, "right")),
    *((0, 20, "center"), (0, -20, "center"), (-6, 20, "right"), (-6, -20, "right")),
)
"""Where a name may stand beside its point, the best first: points across, up, anchor."""
ROW_INCHES = 0.27
PANEL_INCHES = 4.4


def draw_all(results: Results, ablations: Sequence[Ablation], folder: Path) -> None:
    """Write every plot that there are figures for, as SVG."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(
        {
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "svg.hashsalt": "recsvc",  # the same figures give the same file
        }
    ):
        shown = {name: rows.values() for name, rows in results.rows.items() if name in SETS}
        for name, rows in shown.items():
            if figure := bars(rows, SETS[name]):
                _save(figure, folder / f"{name}.svg")
        if figure := against_time(shown):
            _save(figure, folder / "time.svg")
        if ablations:
            _save(forest(ablations), folder / "ablations.svg")


def bars(rows: Iterable[Result], spec: SetSpec) -> Figure | None:
    """Bars with intervals, a panel a measure; None without any figure."""
    done = [row for row in ranked(rows, spec) if row.is_ok]
    if not done:
        return None
    published = [one for one in PUBLISHED if one.data_set == spec.name]
    n_bars = len(done) + len(published)
    figure = Figure(
        figsize=(2.0 + PANEL_INCHES * len(spec.measures), 1.1 + ROW_INCHES * n_bars),
        layout="constrained",
    )
    panels = figure.subplots(1, len(spec.measures), squeeze=False)[0]
    for panel, measure in zip(panels, spec.measures, strict=True):
        figures = [
            (f"{one.name}, published", "published", one.figures[measure.metric], None)
            for one in published
        ]
        entries = [*figures, *(_entry(row, measure) for row in done)]
        _bars(panel, sorted(entries, key=lambda entry: entry[2]), measure)
    figure.suptitle(spec.title)
    return figure


def against_time(shown: Mapping[str, Iterable[Result]]) -> Figure | None:
    """Quality over the CPU seconds of training, a panel a set; None without any figure."""
    done = {name: [row for row in rows if row.is_ok] for name, rows in shown.items()}
    done = {name: rows for name, rows in done.items() if rows}
    if not done:
        return None
    n_rows = (len(done) + 1) // 2
    figure = Figure(figsize=(10.5, 0.6 + 3.6 * n_rows), layout="constrained")
    panels = figure.subplots(n_rows, 2, squeeze=False).ravel()
    for panel in panels[len(done) :]:
        panel.set_visible(False)
    libraries: dict[str, None] = {}
    for panel, (name, rows) in zip(panels, done.items(), strict=False):
        _points(panel, rows, SETS[name])
        libraries |= dict.fromkeys(row.library for row in rows)
    handles = [
        Line2D([], [], color=STYLES[one][0], marker=STYLES[one][1], linestyle="", label=one)
        for one in STYLES
        if one in libraries
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    figure.draw_without_rendering()  # only now is it known where the points are
    for panel, (name, rows) in zip(panels, done.items(), strict=False):
        _name_points(panel, rows, SETS[name])
    return figure


def forest(ablations: Sequence[Ablation]) -> Figure:
    """What is lost without each part, with intervals; a panel a set and column."""
    groups = list(dict.fromkeys((one.set, one.column) for one in ablations))
    n_columns = min(2, len(groups))
    n_rows = -(-len(groups) // n_columns)
    longest = max(sum((one.set, one.column) == group for one in ablations) for group in groups)
    figure = Figure(
        figsize=(1.0 + 4.8 * n_columns, 0.4 + n_rows * (0.9 + ROW_INCHES * longest)),
        layout="constrained",
    )
    panels = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for panel in panels[len(groups) :]:
        panel.set_visible(False)
    for panel, group in zip(panels, groups, strict=False):
        rows = [one for one in ablations if (one.set, one.column) == group]
        rows.sort(key=lambda one: -one.delta)
        for at, one in enumerate(rows):
            colour = STYLES[OURS][0] if one.is_clear else STYLES["published"][0]
            panel.plot([one.low, one.high], [at, at], color=colour, linewidth=1.6)
            inside = colour if one.is_clear else "white"
            panel.plot([one.delta], [at], "o", color=colour, markerfacecolor=inside)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set_yticks(range(len(rows)), [f"without {one.without}" for one in rows])
        panel.set_ylim(-0.7, len(rows) - 0.3)
        title = SETS[group[0]].title if group[0] in SETS else group[0]
        panel.set_title(f"{title}, {COLUMN_TITLES.get(group[1], group[1])}")
        panel.set_xlabel("change of the figure; filled: clear of 0")
        panel.locator_params(axis="x", nbins=6)
    return figure


def _entry(row: Result, measure: Measure) -> tuple[str, str, float, tuple[float, float] | None]:
    one = row.best(*measure)
    return row.contestant, row.library, one.mean, (one.low, one.high)


def _bars(
    panel: Axes,
    entries: Sequence[tuple[str, str, float, tuple[float, float] | None]],
    measure: Measure,
) -> None:
    for at, (name, library, value, interval) in enumerate(entries):
        is_ours = library == OURS
        panel.barh(
            at,
            value,
            color=STYLES[library][0],
            alpha=1.0 if is_ours else 0.75,
            hatch="///" if library == "published" else None,
            edgecolor="white",
            height=0.72,
        )
        end = value
        if interval is not None:
            low, high = interval
            panel.plot([low, high], [at, at], color="black", linewidth=1.2)
            end = max(value, high)
        panel.annotate(
            f"{value:.3f}".replace("0.", ".", 1),
            (end, at),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            weight="bold" if name == HEADLINE else "normal",
        )
    panel.set_yticks(range(len(entries)), [entry[0] for entry in entries])
    for label in panel.get_yticklabels():
        label.set_fontweight("bold" if label.get_text() == HEADLINE else "normal")
    panel.tick_params(axis="y", length=0)
    panel.margins(x=0.12, y=0.01)
    panel.set_xlim(left=0)
    panel.set_title(measure.title)


def _points(panel: Axes, rows: Sequence[Result], spec: SetSpec) -> None:
    measure = spec.measures[0]
    for row in rows:
        colour, marker = STYLES[row.library]
        point = (row.run.fit_cpu_seconds or 0.0, row.best(*measure).mean)
        panel.plot(*point, marker, color=colour, markersize=7, alpha=0.9)
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.margins(x=0.12, y=0.16)
    panel.set_ylim(bottom=0)
    panel.set_xlabel("CPU seconds of training")
    panel.set_ylabel(measure.title)
    panel.set_title(spec.title)
    panel.grid(alpha=0.25)


def _name_points(panel: Axes, rows: Sequence[Result], spec: SetSpec) -> None:
    """Name ours and those that no cheaper one reaches, where there is room."""
    measure = spec.measures[0]
    points = sorted(
        ((row.run.fit_cpu_seconds or 0.0, row.best(*measure).mean, row) for row in rows),
        key=lambda point: (point[0], -point[1]),
    )
    at = panel.transData.transform([(seconds, value) for seconds, value, _ in points])
    # In pixels; a point is a little square.
    taken = [Bbox.from_bounds(x - 6, y - 6, 12, 12) for x, y in at]
    best = float("-inf")
    for seconds, value, row in points:
        if value <= best and row.library != OURS:
            continue
        best = max(best, value)
        for across, up, anchor in PLACES:
            name = panel.annotate(
                row.contestant,
                (seconds, value),
                xytext=(across, up),
                textcoords="offset points",
                ha=anchor,
                va="center",
            )
            box = name.get_window_extent()
            is_inside = panel.bbox.contains(box.x0, box.y0) and panel.bbox.contains(box.x1, box.y1)
            if is_inside and not box.count_overlaps(taken):
                taken.append(box)
                break
            name.remove()


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, facecolor="white", metadata={"Date": None})
