"""Registries of small models: published once, since each waits for the disk, then linked."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from recsvc.artifacts.registry import Registry
from tests.samples import tiny_artifact
from tests.serving import NOW, renamed_model, small_registry

MakeRegistry = Callable[..., Registry]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Versions v1, v2 and v3, none promoted; the lists of the three have no product in common."""
    registry = small_registry(tmp_path_factory.mktemp("template"), promote=False)
    tiny_artifact(registry, renamed_model("b-"), "v2")
    tiny_artifact(registry, renamed_model("c-"), "v3")
    return registry.root


@pytest.fixture
def make_registry(template: Path, tmp_path: Path) -> MakeRegistry:
    """Makes a copy of one's own, with v1 promoted unless told otherwise."""

    def make(*, promote: bool = True) -> Registry:
        root = tmp_path / "models"
        shutil.copytree(template, root, copy_function=os.link)
        registry = Registry(root)
        if promote:
            registry.promote("v1", NOW)
        return registry

    return make


@pytest.fixture
def registry(make_registry: MakeRegistry) -> Registry:
    """A copy of one's own, with v1 promoted."""
    return make_registry()
