"""Whether a worker's numbers are shared, and what it says where they are not."""

from pathlib import Path

import pytest
from prometheus_client import mmap_dict

from recsvc.app.numbers import shared_numbers, writer
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
