"""Whether a worker's numbers are shared, and what it says where they are not."""

from pathlib import Path

import pytest
from prometheus_client import mmap_dict

from recsvc.app.numbers import shared_numbers, writer
from recsvc.shared_numbers import SharedNumbers
from tests.serving import Log, new_metrics


def test_a_worker_without_a_folder_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """And keeps its numbers to itself."""
    monkeypatch.setenv("RECSVC_METRICS_DIR", "")
    log = Log()
    assert shared_numbers(log.logger) is None
    (line,) = log.lines("metrics_not_shared")
    assert "start it again" in line["hint"]
    writer(None, new_metrics()[0], log.logger)()


def test_a_worker_with_another_library_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Likewise."""
    monkeypatch.setenv("RECSVC_METRICS_DIR", str(tmp_path))
    monkeypatch.setenv("RECSVC_WORKER_SLOT", "0")
    monkeypatch.delattr(mmap_dict, "mmap_key")
    log = Log()
    assert shared_numbers(log.logger) is None
    (line,) = log.lines("metrics_not_shared")
    assert "requirements.lock" in line["hint"]


def test_want_of_room_is_in_the_log_and_among_the_numbers(tmp_path: Path) -> None:
    """Until there is some."""
    numbers, log, (metrics, page) = SharedNumbers(tmp_path / "numbers", 0), Log(), new_metrics()
    numbers._value("counter", "calls", "calls_total", [], [], "Calls.")
    write = writer(numbers, metrics, log.logger)
    write()
    (line,) = log.lines("metrics_not_shared")
    assert "No such file" in line["error"]
    assert page.get_sample_value("recsvc_metrics_not_shared") == 1
    (tmp_path / "numbers").mkdir()
    write()
    assert log.lines("metrics_shared")
    assert page.get_sample_value("recsvc_metrics_not_shared") == 0
