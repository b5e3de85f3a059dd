"""A registry to begin with."""

from pathlib import Path

import pytest

from recsvc.artifacts.registry import Registry


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Return a registry whose directory does not exist yet."""
    return Registry(tmp_path / "registry")
