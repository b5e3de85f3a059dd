"""Slices of customers and products, against small shops written out."""

from pathlib import Path

import numpy as np
import pytest

from recsvc.core.model import Model
from recsvc.errors import InputError
from tests.purchases import built, interactions_of
from training.slices import (
    HISTORY_NAMES,
    N_SLICES,
    customer_labels,
    new_products,
    read_segments,
    segment_labels,
    slices,
)


def row(customer: str, product: str, day: float, **more: object) -> dict[str, object]:
    return {"customer_id": customer, "product_id": product, "day": day, **more}


@pytest.fixture(scope="module")
def model() -> Model:
    """The data ends on day 100: what is new was first bought on day 72 or later."""
    return built(
        interactions_of(
            # The day before the window: not new, whatever came after.
            row("a", "x", 71.9, country_code="GB", store_id="s1"),
            row("a", "x", 90, country_code="GB", store_id="s1"),
            row("b", "x", 72, country_code="PT", store_id="s1"),
            row("b", "late", 100, country_code="PT", store_id="s2"),
            row("b", "x", 100, country_code="PT", store_id="s2"),
            # At home nowhere; 25 purchases of five products.
            *(row("c", f"p{n % 5}", n) for n in range(25)),
        )
    )


def names(labels: np.ndarray[tuple[int], np.dtype[np.object_]]) -> list[str]:
    return [str(label) for label in labels]


def test_customers_have_slices(model: Model) -> None:
    """Home, number of purchases and newness are those of each customer's history."""
    labels = customer_labels(model)

    assert names(labels["country"]) == ["GB", "PT", ""]
    assert names(labels["store"]) == ["s1", "s2", ""]
    assert names(labels["cell"]) == ["", "", ""]
    assert names(labels["history"]) == ["2-4", "2-4", "20-99"]
    assert names(labels["customer"]) == ["established", "new", "established"]


def test_new_is_as_long_as_asked(model: Model) -> None:
    """The number of days within which a first purchase is new can be given."""
    assert names(customer_labels(model, new_days=10)["customer"]) == ["established"] * 3
    assert names(customer_labels(model, new_days=99)["customer"]) == ["new", "new", "established"]


@pytest.mark.parametrize(
    ("n", "name"), [(1, "1"), (2, "2-4"), (4, "2-4"), (5, "5-19"), (20, "20-99"), (500, "500+")]
)
def test_histories_are_as_long_as_their_slices_say(n: int, name: str) -> None:
    """A number of purchases belongs to the slice whose name holds it; repeats count."""
    model = built(interactions_of(*(row("a", f"p{k % 3}", k) for k in range(n))))

    assert names(customer_labels(model)["history"]) == [name]
    assert name in HISTORY_NAMES


def test_products_are_new_by_their_first_purchase(model: Model) -> None:
    """A product is new if nobody had bought it before the last days."""
    is_new = new_products(model)

    assert [model.catalogue.items.ids[int(i)] for i in np.flatnonzero(is_new)] == ["late"]


def test_slices_are_the_largest_of_each_kind() -> None:
    """Places come by falling size, ten at most; customers without a name are in none."""
    stores = np.array([f"s{k:02}" for k in range(12) for _ in range(k + 1)] + [""], np.object_)

    found = slices({"store": stores})

    assert [part.name for part in found] == [f"s{k:02}" for k in range(11, 1, -1)]
    assert [int(part.members.sum()) for part in found] == list(range(12, 2, -1))
    assert {part.kind for part in found} == {"store"}
    assert len(found) == N_SLICES


def test_histories_come_by_their_length() -> None:
    """Slices that have an order of their own keep it."""
    labels = np.array(["20-99", "1", "5-19", "1", "20-99", "20-99"], np.object_)

    assert [part.name for part in slices({"history": labels})] == ["1", "5-19", "20-99"]


def test_one_slice_tells_nothing() -> None:
    """A kind that puts everybody into one slice is left out, as is one without any."""
    alike, nobody = np.array(["GB", "GB", ""], np.object_), np.array([""] * 3, np.object_)

    assert slices({"country": alike, "store": nobody}) == []


def test_segments_are_read_by_customer(model: Model, tmp_path: Path) -> None:
    """A file gives a customer's segment, the last row counts, gaps are in none."""
    path = tmp_path / "segments.csv"
    path.write_text(
        "customer_id,segment,age\nb,silver,30\na,gold,31\nb,gold,32\nc,,33\nnobody,gold,34\n",
        encoding="utf-8",
    )

    labels = segment_labels(model.customers, read_segments(path))

    assert names(labels) == ["gold", "gold", ""]


def test_segments_need_their_columns(tmp_path: Path) -> None:
    """A file without the column says so, and what it has."""
    path = tmp_path / "segments.csv"
    path.write_text("customer_id,tier\na,gold\n", encoding="utf-8")

    with pytest.raises(InputError, match="no column 'segment'; it has customer_id, tier"):
        read_segments(path)


def test_rows_without_a_customer_are_too_many(tmp_path: Path) -> None:
    """Unusable rows stop the run beyond the share that was allowed."""
    path = tmp_path / "segments.csv"
    path.write_text("customer_id,segment\na,gold\n,gold\n", encoding="utf-8")

    with pytest.raises(InputError, match="no_customer"):
        read_segments(path)
    assert read_segments(path, max_quarantined_share=0.5) == {"a": "gold"}
