"""The short form of ``make chaos``: a loaded shop, and the faults that need no rights."""

from pathlib import Path

import pytest

from tests.chaos.faults import CHEAP
from tests.chaos.patience import BUSY
from tests.chaos.report import broken, table
from tests.chaos.run import run
from tests.chaos.schedule import SHORT

pytestmark = pytest.mark.usefixtures("unmeasured")


def test_nothing_that_goes_wrong_is_seen_in_front(tmp_path: Path) -> None:
    """Every question is answered as promised, and every event acknowledged is kept, once."""
    found = run(tmp_path, CHEAP, seconds=0, seed=1, pace=SHORT, patience=BUSY)

    assert not broken(found), table(found)
    assert found["faults"] == {fault.name: 1 for fault in CHEAP}
    assert found["load"]["served"].keys() >= {"MODEL", "CACHE", "MODEL, STORE_UNAVAILABLE"}
    assert found["events"]["n_acknowledged"] > 0
    assert found["events"]["n_erased"] > 0
