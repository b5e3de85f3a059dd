"""The schema and the page that documents it agree."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from training.schema import EVENT_TYPES, EVENTS, PRODUCTS, STORES, Table

PAGE = Path(__file__).parents[3] / "docs" / "data.md"


@pytest.mark.parametrize("table", [EVENTS, PRODUCTS, STORES], ids=lambda table: table.name)
def test_every_column_and_reason_is_documented(table: Table) -> None:
    """Users find each column and each reason of the quarantine in docs/data.md."""
    text = PAGE.read_text(encoding="utf-8")
    reasons = table.rules(datetime(2024, 1, 1, tzinfo=UTC), table.names)

    missing = [name for name in (*table.names, *reasons) if f"`{name}`" not in text]

    assert missing == []
    assert all(f"`{name}`" in text for name in (*EVENT_TYPES, "too_many_fields", "attributes"))
