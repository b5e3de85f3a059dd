"""Names of versions."""

from datetime import timedelta, timezone

from recsvc.artifacts.version_ids import new_version_id
from tests.unit.artifacts.samples import NOW


def test_version_ids_sort_by_time_and_differ_within_a_second() -> None:
    """The id tells the time of training in UTC."""
    first = new_version_id(NOW.astimezone(timezone(timedelta(hours=9))))
    assert first.startswith("20261122T053000Z-")
    assert len(first) == len("20261122T053000Z-") + 6
    assert first != new_version_id(NOW)
    assert first < new_version_id(NOW + timedelta(seconds=1))
