"""From events to what the shoppers of an experiment were shown and did."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from recsvc.artifacts.experiments import Experiment
from recsvc.errors import InputError
from tests.experiments import experiment
from tests.histories import DAY, START, named, read, row, seen, write
from training.experiments.journeys import Journeys, follow

CONTROL, OTHER = named(0), named(1)
SUMMER = experiment()


def journeys(
    rows: list[dict[str, Any]], tmp_path: Path, of: Experiment | None = SUMMER
) -> Journeys:
    return follow(read(write(rows, tmp_path)), of)


def total(found: Journeys, name: str) -> float:
    return float(found.deeds[name].value.sum())


def test_a_list_counts_once_however_many_products_were_seen(tmp_path: Path) -> None:
    found = journeys([seen(OTHER, START, product_id=name) for name in "abc"], tmp_path)
    assert found.variant.tolist() == [1]
    assert total(found, "shown") == 1
    assert (found.first_day.day, found.n_days) == (1, 1)


def test_lists_of_no_or_another_experiment_do_not_count(tmp_path: Path) -> None:
    others = ["r1", named(1, experiment("winter"))]
    rows = [seen(name, START, "ben") for name in others] + [seen(OTHER, START + DAY)]
    found = journeys(rows, tmp_path)
    assert total(found, "shown") == 1
    assert found.first_day.day == 2
    assert total(journeys(rows, tmp_path, None), "shown") == 3


def test_a_history_without_its_lists_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="recsvc-train collect"):
        journeys([seen("r1", START)], tmp_path)


def test_a_list_is_clicked_once_and_only_if_it_was_seen(tmp_path: Path) -> None:
    click = row("CLICK", START + DAY, recommendation_id=OTHER)
    unseen = row("CLICK", START, recommendation_id=named(1))
    found = journeys([seen(OTHER, START), click, click, unseen], tmp_path)
    assert total(found, "clicked") == 1
    assert found.deeds["clicked"].day.tolist() == [1]
    assert found.n_days == 2


def test_a_shopper_belongs_to_what_they_saw_first(tmp_path: Path) -> None:
    """Lists of another variant that they saw later do not count, and the shopper is mentioned."""
    found = journeys([seen(CONTROL, START + DAY), seen(OTHER, START)], tmp_path)
    assert found.variant.tolist() == [1]
    assert total(found, "shown") == 1
    assert found.n_mixed == 1


def test_a_visitor_who_logs_in_is_one_shopper(tmp_path: Path) -> None:
    first = seen(OTHER, START, customer_id=None, visitor_id="v1")
    link = row("LINK", START + DAY, product_id=None, visitor_id="v1")
    later = seen(named(1), START + 2 * DAY)
    found = journeys([first, link, later], tmp_path)
    assert found.variant.tolist() == [1]
    assert total(found, "shown") == 2


def test_a_visitor_is_whoever_logs_in_next(tmp_path: Path) -> None:
    """As in training, whatever the order of the rows; who leaves no link stays a visitor."""
    rows = [
        row("LINK", START + 3 * DAY, "ben", product_id=None, visitor_id="v1"),
        row("LINK", START + DAY, "anna", product_id=None, visitor_id="v1"),
        *(
            seen(named(1), START + days * DAY, customer_id=None, visitor_id="v1")
            for days in (0, 2, 4)
        ),
        seen(named(1), START, "anna"),
        seen(named(1), START, "ben"),
    ]
    found = journeys(rows, tmp_path)
    lists = np.bincount(found.deeds["shown"].shopper)
    assert sorted(lists.tolist()) == [1, 2, 2]


def test_a_visitor_is_no_customer_of_the_same_id(tmp_path: Path) -> None:
    visitor = seen(OTHER, START, customer_id=None, visitor_id="anna")
    assert len(journeys([visitor, seen(named(1), START)], tmp_path).variant) == 2


@pytest.mark.parametrize(
    ("days", "product_id", "is_credited"),
    [(1, "tea", True), (6.9, "tea", True), (7.1, "tea", False), (1, "milk", False)],
)
def test_a_purchase_is_credited_to_a_list_that_showed_it_of_late(
    tmp_path: Path, days: float, product_id: str, *, is_credited: bool
) -> None:
    bought = row("PURCHASE", START + days * DAY, product_id=product_id, unit_price=4.0, quantity=2)
    found = journeys([seen(OTHER, START), bought], tmp_path)
    assert total(found, "converted") == total(found, "lines") == int(is_credited)
    assert total(found, "credited") == 8 * is_credited
    assert total(found, "paid") == 8


def test_a_purchase_that_names_its_list_is_credited_to_it(tmp_path: Path) -> None:
    """Even one of another product: the list has led there."""
    bought = row("PURCHASE", START + DAY, product_id="milk", recommendation_id=OTHER)
    assert total(journeys([seen(OTHER, START), bought], tmp_path), "converted") == 1


def test_two_lines_convert_a_list_once(tmp_path: Path) -> None:
    lists = [seen(OTHER, START, product_id=name) for name in ("tea", "milk")]
    bought = [row("PURCHASE", START + DAY, product_id=name) for name in ("tea", "milk")]
    found = journeys([*lists, *bought], tmp_path)
    assert (total(found, "converted"), total(found, "lines")) == (1, 2)


def test_the_last_list_that_showed_it_gets_the_credit(tmp_path: Path) -> None:
    """One purchase converts one list."""
    rows = [seen(OTHER, START), seen(named(1), START + DAY), row("PURCHASE", START + 2 * DAY)]
    found = journeys(rows, tmp_path)
    assert (total(found, "shown"), total(found, "converted")) == (2, 1)


def test_what_was_bought_before_is_known_and_not_counted(tmp_path: Path) -> None:
    """The four weeks before the first list, as the covariate."""
    rows = [
        row("PURCHASE", START - 29 * DAY, unit_price=100.0),
        row("PURCHASE", START - 27 * DAY, unit_price=5.0),
        row("PURCHASE", START - DAY, "ben", unit_price=7.0),
        seen(OTHER, START),
    ]
    found = journeys(rows, tmp_path)
    assert found.before.tolist() == [5.0]
    assert total(found, "paid") == 0


def test_a_product_is_new_to_who_never_bought_it(tmp_path: Path) -> None:
    rows = [
        row("PURCHASE", START - 300 * DAY),
        seen(OTHER, START),
        seen(OTHER, START, product_id="milk"),
        row("PURCHASE", START + DAY),
        row("PURCHASE", START + DAY, product_id="milk"),
        row("PURCHASE", START + 2 * DAY, product_id="milk"),
    ]
    found = journeys(rows, tmp_path)
    assert (total(found, "lines"), total(found, "new")) == (3, 1)


def test_money_is_of_one_currency(tmp_path: Path) -> None:
    rows = [
        seen(OTHER, START),
        *(row("PURCHASE", START + DAY, currency="GBP", unit_price=3.0) for _ in range(2)),
        row("PURCHASE", START + DAY, currency="JPY", unit_price=500.0),
    ]
    found = journeys(rows, tmp_path)
    assert (found.currency, found.n_foreign, total(found, "paid")) == ("GBP", 1, 6.0)


def test_returns_are_no_purchases(tmp_path: Path) -> None:
    returned = row("PURCHASE", START + DAY, quantity=-1.0, unit_price=3.0)
    assert total(journeys([seen(OTHER, START), returned], tmp_path), "paid") == 0


def test_a_shopper_is_where_they_saw_their_first_list(tmp_path: Path) -> None:
    rows = [seen(OTHER, START, store_id="york-1"), seen(named(1), START + DAY, store_id="leeds-1")]
    found = journeys(rows, tmp_path)
    assert found.places["store"].tolist() == ["york-1"]
    assert found.places["country"].tolist() == [""]


def test_deeds_are_in_the_order_of_days(tmp_path: Path) -> None:
    rows = [seen(named(1), START + day * DAY, f"c{day}") for day in (3, 1, 2)]
    assert np.array_equal(journeys(rows, tmp_path).deeds["came"].day, [0, 1, 2])


def test_a_variant_that_there_is_not_is_left_out_and_counted(tmp_path: Path) -> None:
    """An id says what it likes: it is no signature."""
    found = journeys([seen(OTHER, START), seen(named(7), START, "ben")], tmp_path)
    assert (found.variant.tolist(), found.n_unknown) == ([1], 1)
    with pytest.raises(InputError, match="no IMPRESSION event names a list of this experiment"):
        journeys([seen(named(7), START, "ben")], tmp_path)
    assert journeys([seen(named(7), START, "ben")], tmp_path, None).n_unknown == 0


def served_lists(*given: dict[str, Any]) -> pl.DataFrame:
    """Lists as they were collected, of tea and jam where nothing else is said."""
    columns = ("customer_id", "visitor_id", "store_id", "country_code", "channel")
    usual = {
        **dict.fromkeys(columns),
        "served_time": START,
        "product_ids": ["tea", "jam"],
        "received": int(START.timestamp() * 1_000),
    }
    texts = dict.fromkeys(columns, pl.String)
    return pl.DataFrame([usual | each for each in given], schema_overrides=texts)


def test_served_lists_stand_in_for_impressions(tmp_path: Path) -> None:
    """Those of nobody in particular aside, and whatever was sent as seen."""
    lists = served_lists(
        {"recommendation_id": OTHER, "customer_id": "anna", "store_id": "york-1"},
        {
            "recommendation_id": CONTROL,
            "served_time": START + DAY,
            "visitor_id": "v1",
            "country_code": "GB",
            "channel": "WEB",
            "product_ids": ["milk"],
        },
        {"recommendation_id": named(1), "country_code": "GB"},
    )
    rows = [
        seen(named(1), START, "ben"),
        row("CLICK", START + DAY, recommendation_id=OTHER),
        row("PURCHASE", START + DAY, product_id="jam", unit_price=4.0),
    ]
    found = follow(read(write(rows, tmp_path), lists=lists), SUMMER)
    assert found.variant.tolist() == [1, 0]
    assert found.places["store"].tolist() == ["york-1", ""]
    assert found.places["country"].tolist() == ["", "GB"]
    names = ("shown", "clicked", "converted", "paid")
    assert [total(found, name) for name in names] == [2, 1, 1, 4]


@pytest.mark.parametrize("channel", ["AGENT", "CHAT"])
def test_what_an_agent_was_given_was_not_seen(tmp_path: Path, channel: str) -> None:
    """It tells of a list what it likes; where nothing else was served, the report says so."""
    to_agent = {"recommendation_id": OTHER, "customer_id": "anna", "channel": channel}
    history = write([seen(OTHER, START), row("PURCHASE", START + DAY, unit_price=4.0)], tmp_path)
    with pytest.raises(InputError, match=r"no served list .* RECSVC_SERVED_SAMPLE=1"):
        follow(read(history, lists=served_lists(to_agent)), SUMMER)
    by_web = {**to_agent, "channel": "WEB", "served_time": START + 2 * DAY}
    found = follow(read(history, lists=served_lists(to_agent, by_web)), SUMMER)
    assert [total(found, name) for name in ("shown", "credited", "paid")] == [1, 0, 0]
