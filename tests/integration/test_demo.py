"""The demo, but for the year of groceries that it trains on."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from recsvc.client import Client
from recsvc.demo import _server
from tests.serving import small_registry


def test_what_lies_in_the_working_directory_is_no_module_of_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be anybody's, and ``recsvc demo`` does not look there either."""
    registry = small_registry(tmp_path).root
    (tmp_path / "recsvc.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    with _server(registry, Console(file=io.StringIO())) as target, Client(target) as shop:
        assert shop.within(20).recommend("anna").recommendations
