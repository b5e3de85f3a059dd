"""Whatever is in the cells, every row is accounted for."""

import csv
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsvc.errors import InputError
from tests.purchases import READ_EVENTS
from training.events import read_events
from training.trial import Trial

pytestmark = pytest.mark.usefixtures("unmeasured")

NOW = datetime(2024, 6, 1, tzinfo=UTC)

# What shops write, next to anything at all. The csv module itself cannot write NUL.
anything = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
ids = st.sampled_from(["a", "b", "42", "42.0", ""]) | anything
cells = {
    "customer_id": ids,
    "product_id": ids,
    "event_time": st.sampled_from(["2024-01-31", "1706695872", "2024-02-30", "20240131"])
    | st.datetimes().map(str)
    | st.integers().map(str)
    | anything,
    "event_type": st.sampled_from(["", "purchase", "RETURN", "View"]) | anything,
    "quantity": st.sampled_from(["", "1", "2", "-1", "0"]) | st.floats().map(str) | anything,
    "unit_price": st.sampled_from(["", "1.5"]) | st.floats().map(str) | anything,
    "order_id": st.sampled_from(["", "1", "2"]),
    "country_code": st.sampled_from(["", "de", "DE"]) | anything,
    "latitude": st.sampled_from(["", "48.1"]) | st.floats().map(str) | anything,
    "longitude": st.sampled_from(["", "11.5"]) | st.floats().map(str) | anything,
}
rows = st.lists(st.fixed_dictionaries(cells), min_size=1, max_size=12)
netted_rows = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.sampled_from("pq"),
        st.sampled_from(["", "2024-01-01", "2024-01-02", "2024-01-03"]),
        st.sampled_from(["", "RETURN", "VIEW"]),
        st.integers(1, 5),
        st.sampled_from(["", "1", "2"]),
    ),
    min_size=1,
    max_size=20,
)


@settings(deadline=None, max_examples=150)  # each example is real files
@given(rows, st.sampled_from(["UTC", "America/Sao_Paulo"]))
def test_every_row_is_used_or_quarantined(rows: list[dict[str, str]], timezone: str) -> None:
    """Arbitrary text never raises anything but "nothing usable", and no row gets lost."""
    with tempfile.TemporaryDirectory() as folder:
        path, quarantine = Path(folder, "events.csv"), Path(folder, "quarantine.csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(cells), quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)
        # A row of nothing but separators is no row.
        n_rows = sum(any(row.values()) for row in rows)

        try:
            events, report = read_events(
                [path],
                timezone=timezone,
                quarantine=quarantine,
                max_quarantined_share=1,
                now=NOW,
            )
        except InputError as error:
            message = str(error)
            assert message.isprintable()
            assert "no events in it" in message or f"{n_rows} of {n_rows} rows" in message
            return

        assert report.n_rows == n_rows
        assert report.n_used + report.n_quarantined == n_rows
        assert sum(report.reasons.values()) == report.n_quarantined
        if report.n_quarantined:
            with quarantine.open(encoding="utf-8", newline="") as file:
                assert sum(1 for _ in csv.reader(file)) == report.n_quarantined + 1
    assert report.n_returns_unmatched <= report.n_returns
    assert events.height <= report.n_used - report.n_returns
    assert events.columns == list(READ_EVENTS)
    assert "RETURN" not in events["event_type"]
    assert (events["quantity"] > 0).all()
    assert events.select("customer_id", "product_id", "event_time").null_count().row(0) == (0, 0, 0)
    order = ["event_time", "customer_id", "product_id"]
    assert events.select(order).equals(events.select(order).sort(order, maintain_order=True))


@pytest.fixture(scope="module")
def trial() -> Iterator[Trial]:
    """One for all examples, each of which would wait for a process to start."""
    with Trial() as shared:
        yield shared


@settings(deadline=None)  # each example is a real file
@given(netted_rows)
def test_returns_only_take_what_was_bought(
    trial: Trial, rows: list[tuple[str, str, str, str, int, str]]
) -> None:
    """Netting never takes more of a product than its returns, nor leaves less than nothing."""
    names = ["customer_id", "product_id", "event_time", "event_type", "quantity", "order_id"]
    frame = pl.DataFrame(rows, schema=names, orient="row")
    with_times = all(row[2] for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "events.parquet")
        (frame if with_times else frame.drop("event_time")).write_parquet(path)
        events, report = read_events([path], now=NOW, trial=trial)

    kind = pl.col("event_type")
    bought, returned = (
        frame.filter(kind == name).group_by("customer_id", "product_id").agg(pl.sum("quantity"))
        for name in ("", "RETURN")
    )
    pairs = ["customer_id", "product_id"]
    kept = events.filter(kind == "PURCHASE").group_by(pairs).agg(pl.sum("quantity").alias("kept"))
    balance = (
        bought.join(kept, on=pairs, how="left")
        .join(returned, on=pairs, how="left", suffix="_returned")
        .fill_null(0)
    )

    assert (balance["kept"] <= balance["quantity"]).all()
    assert (balance["kept"] >= balance["quantity"] - balance["quantity_returned"]).all()
    assert report.n_returns == frame.filter(kind == "RETURN").height
    assert events.filter(kind == "VIEW").height == frame.filter(kind == "VIEW").height
    if not with_times:
        # Without times every return finds what there is.
        expected = (balance["quantity"] - balance["quantity_returned"]).clip(lower_bound=0)
        assert balance["kept"].to_list() == expected.to_list()
