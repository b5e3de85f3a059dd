"""Registries of small models."""

from collections.abc import Callable
from pathlib import Path

import pytest

from recsvc.artifacts.registry import Registry
from tests.serving import small_registry

MakeRegistry = Callable[..., Registry]


@pytest.fixture
def make_registry(tmp_path: Path) -> MakeRegistry:
    """Makes one with versions v1, v2 and v3, and v1 promoted unless told otherwise."""

    def make(*, promote: bool = True) -> Registry:
        return small_registry(tmp_path / "models", 3, promote=promote)

    return make


@pytest.fixture
def registry(make_registry: MakeRegistry) -> Registry:
    """One of one's own, with v1 promoted."""
    return make_registry()
