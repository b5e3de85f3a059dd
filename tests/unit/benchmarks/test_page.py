"""The benchmark's page: generated blocks, tables and plots from made-up results."""

import json
from pathlib import Path

import pytest

from recsvc.errors import InputError
from tests.benchmarks.quality import ablations, page, plots
from tests.benchmarks.quality.bench import HEADLINE
from tests.benchmarks.quality.datasets import SETS
from tests.benchmarks.quality.judge import Interval
from tests.benchmarks.quality.measures import METRICS
from tests.benchmarks.quality.results import Figures, Result, Results, load, save
from tests.benchmarks.quality.runner import OK, Run, root

COUNTS = {
    "purchases": 12_345,
    "customers": 100,
    "products": 60,
    "test_pairs": 500,
    "test_customers": 90,
}


def figures(**means: float) -> Figures:
    return {
        kind: {
            metric: Interval(mean, round(mean - 0.01, 2), round(mean + 0.01, 2))
            for metric in METRICS
        }
        for kind, mean in means.items()
    }


def made_up() -> Results:
    run = Run(OK, 12.0, 20.0, 3.25, 30.0, 456.7)
    rows = [
        Result("LensKit EASE", "LensKit", "k", Run("MemoryError: too | big")),
        Result(
            "implicit ALS",
            "implicit",
            "k",
            run,
            figures(all=0.2, all_hidden=0.25, new=0.05),
            figures(all=0.15, new=0.02),
        ),
        Result(HEADLINE, "recsvc", "k", run, figures(all=0.4, new=0.07)),
    ]
    by_name = {row.contestant: row for row in rows}
    return Results({"complete_journey": COUNTS}, "2 cores", {"complete_journey": by_name})


def parts() -> list[ablations.Ablation]:
    return [
        ablations.Ablation("complete_journey", "new", "place", -0.005, -0.007, -0.003),
        ablations.Ablation("complete_journey", "new", "price", 0.001, -0.001, 0.003),
    ]


def test_only_the_generated_blocks_change() -> None:
    """The text around a block stays, a second filling replaces the first."""
    text = "a\n<!-- generated: x -->\nold\n<!-- end: x -->\nb\n"
    once = page.filled(text, {"x": "new"})
    assert once == "a\n<!-- generated: x -->\nnew\n<!-- end: x -->\nb\n"
    assert page.filled(page.filled(once, {"x": ""}), {"x": "new"}) == once


def test_a_block_without_a_place_is_an_error() -> None:
    """A page that lost its markers is not silently left stale."""
    with pytest.raises(InputError, match="no place for x"):
        page.filled("<!-- generated: x --> but no end", {"x": "new"})


def test_the_page_has_a_place_for_every_block(tmp_path: Path) -> None:
    """The page in docs takes all blocks, with results and without."""
    copy = tmp_path / "quality.md"
    copy.write_text((root() / "docs" / "quality.md").read_text())
    page.write(copy, page.blocks_of(Results(), []))
    assert "Not measured yet." in copy.read_text()
    page.write(copy, page.blocks_of(made_up(), parts()))
    assert "12,345 rows of history" in copy.read_text()


def test_the_table_ranks_and_tells_failures() -> None:
    """Best first and ours in bold; who failed stands last, with the reason."""
    spec = SETS["complete_journey"]
    rows = page.ranked(made_up().rows["complete_journey"].values(), spec)
    lines = page.quality_table(rows, spec).splitlines()
    assert lines[2].startswith(f"| **{HEADLINE}** | .4000 [.3900, .4100] | - |")
    assert "| .2000 [.1900, .2100] | +.1500 [+.1400, +.1600] | .2500" in lines[3]
    assert "*MemoryError: too / big*" in lines[4]
    assert len({line.count("|") for line in lines}) == 1


def test_costs_are_given_with_the_digits_that_matter() -> None:
    """Seconds and memory are rounded, and a run without lists has none."""
    spec = SETS["complete_journey"]
    rows = page.ranked(made_up().rows["complete_journey"].values(), spec)
    lines = page.cost_table(rows, spec).splitlines()
    assert lines[2].endswith("| 20 | 12 | 3.2 | 457 |")
    assert lines[4].endswith("| - | - | - | - |")


def test_published_figures_stand_beside_their_source() -> None:
    """Figures of papers are in the table of their split alone."""
    assert "| LightGCN (He et al., SIGIR 2020) | .1830 | - | .1554 | - |" in page.quality_table(
        [], SETS["gowalla"]
    )
    assert "LightGCN" not in page.quality_table([], SETS["gowalla_checkins"])


def test_ablations_say_which_are_clear() -> None:
    """The most valuable part comes first; an interval over 0 is not clear."""
    lines = page.ablation_tables(parts()).splitlines()
    assert lines[0].endswith("(quality/ablations.svg)")
    assert lines[2] == "Complete Journey, new to the customer:"
    assert lines[6] == "| place | -.0050 [-.0070, -.0030] | yes |"
    assert lines[7].endswith("| no |")


def test_ablations_are_read_and_checked(tmp_path: Path) -> None:
    """No file is no ablation; an entry that lacks a field is named."""
    path = tmp_path / "ablations.json"
    assert ablations.load(path) == []
    entry = {"set": "s", "column": "new", "without": "w", "delta": -1, "low": -2, "high": 0}
    path.write_text(json.dumps([entry]))
    assert ablations.load(path)[0].interval == Interval(-1, -2, 0)
    del entry["low"]
    path.write_text(json.dumps([entry]))
    with pytest.raises(InputError, match="entry 0 has no low"):
        ablations.load(path)


def test_results_survive_the_file(tmp_path: Path) -> None:
    """What is saved is what is loaded; no file is no result."""
    path = tmp_path / "quality" / "results.json"
    assert load(path) == Results()
    save(made_up(), path)
    assert load(path) == made_up()


def test_the_better_of_both_kinds_of_lists_counts() -> None:
    """A library that hides repeats is shown at its best."""
    row = made_up().rows["complete_journey"]["implicit ALS"]
    assert row.best("all", "ndcg@10").mean == 0.25
    assert row.best("new", "ndcg@10").mean == 0.05


def test_plots_are_drawn_for_what_there_is(tmp_path: Path) -> None:
    """A plot a set, one of times, one of ablations; nothing without figures; same bytes again."""
    plots.draw_all(Results(), [], tmp_path / "none")
    assert not list((tmp_path / "none").iterdir())
    names = ["ablations.svg", "complete_journey.svg", "time.svg"]
    for folder in ("first", "second"):
        plots.draw_all(made_up(), parts(), tmp_path / folder)
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == names
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
