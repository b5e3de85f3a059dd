"""Events while processes are killed; ``make bench-live`` does the same with 100,000."""

from pathlib import Path

import pytest

from tests.drill import drill
from tests.serving import small_registry

pytestmark = pytest.mark.usefixtures("unmeasured")


def test_each_event_is_in_the_history_exactly_once(tmp_path: Path) -> None:
    """Clients repeat what was not acknowledged; nothing is lost, and nothing counts twice."""
    registry = small_registry(tmp_path / "models")

    found = drill(registry, tmp_path / "drill", n_events=4_000, kill_seconds=1.5)

    assert (found.missing, found.repeated) == ((), ())
    assert found.n_server_kills >= 1
    assert found.n_repeated == 400
