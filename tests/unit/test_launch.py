"""What the supervisor hands to its workers."""

from pathlib import Path

import pytest

from recsvc.launch import _worker_env
from recsvc.settings import ServerSettings
from recsvc.telemetry import MetricsPage


def hash_key(tmp_path: Path) -> str:
    settings = ServerSettings.load({"registry": "models"})
    page = MetricsPage(tmp_path, "")
    return _worker_env(settings, "127.0.0.1:1", None, page)["RECSVC_HASH_KEY"]


def test_an_empty_hash_key_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All workers get one random key then, as they do where the variable is not set."""
    monkeypatch.setenv("RECSVC_HASH_KEY", "")
    assert len(hash_key(tmp_path)) == 64
    monkeypatch.delenv("RECSVC_HASH_KEY")
    assert len(hash_key(tmp_path)) == 64


def test_a_given_hash_key_reaches_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that machines that share a Redis hash alike."""
    monkeypatch.setenv("RECSVC_HASH_KEY", "hush")
    assert hash_key(tmp_path) == "hush"
