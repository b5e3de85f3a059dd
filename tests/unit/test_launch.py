"""What the supervisor hands to its workers."""

from pathlib import Path

import pytest

from recsvc import logs, tallies
from recsvc.launch import EXTRA_GRACE_SECONDS, _worker_env
from recsvc.metrics_page import MetricsPage
from recsvc.server import executors
from recsvc.service.stopping import STOP_SECONDS
from recsvc.settings.server import ServerSettings


def hash_key(tmp_path: Path) -> str:
    settings = ServerSettings.load({"registry": "models"})
    page = MetricsPage(tmp_path)
    return _worker_env(settings, "127.0.0.1:1", None, page).get("RECSVC_HASH_KEY", "")


def test_an_empty_hash_key_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made up then: every worker takes the one that lies in the registry."""
    monkeypatch.setenv("RECSVC_HASH_KEY", "")
    assert not hash_key(tmp_path)
    monkeypatch.delenv("RECSVC_HASH_KEY")
    assert not hash_key(tmp_path)


def test_a_given_hash_key_reaches_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that machines that share a Redis hash alike."""
    monkeypatch.setenv("RECSVC_HASH_KEY", "hush")
    assert hash_key(tmp_path) == "hush"


def test_workers_are_told_where_their_numbers_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or that there was no room for a folder; and of no other, which would be mapped."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setenv("prometheus_multiproc_dir", str(tmp_path))
    settings = ServerSettings.load({"registry": "models"})
    for directory, told in ((tmp_path, str(tmp_path)), (None, "")):
        env = _worker_env(settings, "127.0.0.1:1", None, MetricsPage(directory))
        assert env["RECSVC_METRICS_DIR"] == told
        assert not [name for name in env if "PROMETHEUS" in name.upper()]


def test_no_worker_is_killed_while_it_may_still_wait_for_its_threads() -> None:
    """Even if each hangs: of calls, of leases and access, of the ground, of log and numbers."""
    longest = executors.END_SECONDS + 2 * STOP_SECONDS + logs.END_SECONDS + tallies.END_SECONDS
    assert longest < EXTRA_GRACE_SECONDS
