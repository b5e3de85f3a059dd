"""What a report says, and when it says that it cannot be believed."""

from pathlib import Path

import pytest

from recsvc.artifacts.experiments import Experiment
from tests.experiments import CONTROL, OTHER, experiment
from tests.histories import START, crowd, named, read, seen, write
from training.experiments.journeys import follow
from training.experiments.report import Report, report
from training.experiments.text import as_json, lines

BIG = experiment(smallest_lift=0.3)


def reported(
    folder: Path, n_shoppers: int, lift: float, of: Experiment = BIG, lost: float = 0.0
) -> Report:
    history = read(write(crowd(n_shoppers, lift, of=of, lost=lost), folder))
    return report(of, follow(history, of))


@pytest.fixture(scope="module")
def better(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A variant that is clicked 40 % more often."""
    return reported(tmp_path_factory.mktemp("better"), 3_000, 0.4)


def test_a_lift_that_is_there_is_found(better: Report) -> None:
    (found,) = better.primary
    assert 0 < found.low < found.lift < found.high
    assert found.low < found.fixed_low < found.fixed_high < found.high
    assert found.p_value < 0.05
    assert 1 <= found.found_on <= better.n_days
    assert found.value / found.control - 1 == pytest.approx(found.lift, abs=0.01)
    assert "other on click_through: better (+" in "\n".join(lines(better))
    assert "you may stop" in "\n".join(lines(better))


def test_it_counts_shoppers_and_lists(better: Report) -> None:
    assert sum(better.shoppers.values()) == 3_000
    assert sum(better.lists.values()) == 9_000
    assert better.n_days >= 7


def test_every_metric_is_compared(better: Report) -> None:
    by_metric = {each.metric: each for each in better.comparisons}
    assert set(by_metric) == {
        "click_through",
        "conversion",
        "revenue_per_thousand",
        "revenue_per_shopper",
        "new_share",
    }
    thousand, shopper = by_metric["revenue_per_thousand"], by_metric["revenue_per_shopper"]
    assert thousand.control == pytest.approx(shopper.control / 3 * 1_000, rel=0.02)
    assert by_metric["conversion"].low > 0


def test_places_are_compared_and_corrected(better: Report) -> None:
    assert {(each.kind, each.name) for each in better.places} == {
        ("store", "leeds-1"),
        ("store", "york-1"),
    }
    assert sum(each.n_shoppers for each in better.places) == 3_000
    assert "store leeds-1" in "\n".join(lines(better))


def test_nothing_is_found_where_nothing_is(tmp_path: Path) -> None:
    found = reported(tmp_path, 2_000, 0.0)
    (only,) = found.primary
    assert only.low < 0 < only.high
    assert (only.found_on, only.p_value > 0.05) == (0, True)
    assert found.is_balanced
    text = "\n".join(lines(found))
    assert "undecided" in text
    assert "sample ratio: sound" in text


def test_a_variant_that_is_worse_is_called_so(tmp_path: Path) -> None:
    found = reported(tmp_path, 3_000, -0.4)
    assert "other on click_through: worse (-" in "\n".join(lines(found))


def test_lost_shoppers_are_said_before_all_else(tmp_path: Path) -> None:
    """A third of one variant is missing: no figure can be believed."""
    found = reported(tmp_path, 2_000, 0.4, lost=0.33)
    assert not found.is_balanced
    assert lines(found)[1].startswith("SAMPLE RATIO MISMATCH")
    assert as_json(found)["sample_ratio"]["sound"] is False


def test_too_few_shoppers_are_told_nothing(tmp_path: Path) -> None:
    found = reported(tmp_path, 100, 0.4)
    control, other = found.shoppers.values()
    assert (
        "other on click_through: too few shoppers to compare "
        f"(control has {control}, other has {other}; each needs 100); go on"
    ) in lines(found)
    assert as_json(found)["min_shoppers"] == 100
    (only,) = (each for each in as_json(found)["comparisons"] if each["metric"] == "conversion")
    assert only["lift"] is None
    assert found.places == ()


def test_shoppers_who_did_too_little_are_not_called_too_few(tmp_path: Path) -> None:
    """There are enough of them: what is missing is what they did."""
    rows = [row for row in crowd(400, 0.0, of=BIG) if row["event_type"] == "IMPRESSION"]
    found = report(BIG, follow(read(write(rows, tmp_path)), BIG))
    control, other = found.shoppers.values()
    assert (
        f"other on click_through: enough shoppers came (control has {control}, other has {other}), "
        "and too little was done to compare; go on"
    ) in lines(found)


def test_shoppers_who_all_did_the_same_did_not_do_too_little(tmp_path: Path) -> None:
    """Where every list was clicked there is much to count, and nothing to tell how sure it is."""
    every = [row for row in crowd(400, 0.0, of=BIG) if row["event_type"] == "IMPRESSION"]
    seen = list({row["customer_id"]: row for row in every}.values())  # one list each
    rows = [*seen, *({**row, "event_type": "CLICK"} for row in seen)]
    found = report(BIG, follow(read(write(rows, tmp_path)), BIG))
    (verdict,) = (line for line in lines(found) if line.startswith("other on click_through: "))
    assert verdict.endswith("), and what they did does not vary enough to compare; go on")


def test_several_variants_share_the_level(tmp_path: Path) -> None:
    """With two of them each p-value is larger, and each interval wider, than with one."""
    third = {**OTHER, "variant_id": "third", "weight": 0.25}
    weighted = [{**CONTROL, "weight": 0.5}, {**OTHER, "weight": 0.25}, third]
    of = experiment(variants=weighted, smallest_lift=0.3)
    found = reported(tmp_path, 2_000, 0.5, of)
    other, third_one = found.primary
    assert (other.variant_id, third_one.variant_id) == ("other", "third")
    assert other.p_value < 0.05 < third_one.p_value
    assert other.high - other.low > 1.6 * (other.fixed_high - other.fixed_low)


def test_mixed_shoppers_and_foreign_money_are_mentioned(tmp_path: Path) -> None:
    rows = crowd(400, 0.0, of=BIG)
    rows += [seen(named(variant, BIG), START, "mixed") for variant in (0, 1)]
    rows.append({**rows[0], "event_type": "PURCHASE", "unit_price": 3.0, "currency": "JPY"})
    found = report(BIG, follow(read(write(rows, tmp_path)), BIG))
    text = "\n".join(lines(found))
    assert "1 shoppers saw lists of two variants" in text
    assert "1 purchases in other currencies than GBP" in text
    assert as_json(found)["n_mixed"] == 1
