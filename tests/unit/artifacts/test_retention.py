"""Which versions stay, and what becomes of those that go."""

from pathlib import Path

import numpy as np
import pytest

from recsvc.artifacts.disk import held, unheld
from recsvc.artifacts.experiment_shelf import KIND, activate
from recsvc.artifacts.journal import UNSAID
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.removal import RemovalError
from recsvc.artifacts.retention import prune
from recsvc.errors import InputError, NotFoundError, PreconditionError
from tests.experiments import CONTROL, experiment
from tests.unit.artifacts.others import not_ours
from tests.unit.artifacts.samples import NOW, publish_sample, sample_arrays


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Return a registry of ten versions, ``v0`` to ``v9``, the last of which is current."""
    registry = Registry(tmp_path / "registry")
    for number in range(10):
        publish_sample(registry, version_id=f"v{number}")
    for version_id in ("v1", "v8", "v2", "v9"):
        registry.promote(version_id, NOW)
    return registry


def there(registry: Registry) -> str:
    """The numbers of the versions that are left, the newest first."""
    return "".join(info.version_id[1] for info in registry.versions())


@pytest.mark.parametrize(
    ("keep", "left"),
    [(1, "92"), (2, "982"), (3, "98721"), (4, "987621"), (9, "987654321"), (10, "9876543210")],
)
def test_the_newest_and_what_rollbacks_return_to_stay(
    registry: Registry, keep: int, left: str
) -> None:
    """As many of the one as of the other, and the current one; the oldest goes first."""
    removed = prune(registry, keep)
    assert there(registry) == left
    names = [version.version_id for version in removed]
    assert names == [f"v{number}" for number in range(10) if str(number) not in left]
    assert prune(registry, keep) == []


def test_the_current_version_stays_however_old(registry: Registry) -> None:
    """Somebody has gone far back, and new ones have come since."""
    registry.promote("v0", NOW)
    prune(registry, 1)
    assert there(registry) == "90"
    registry.load("current")


def test_without_a_current_version_the_newest_stay(tmp_path: Path) -> None:
    """Nothing was promoted yet."""
    registry = Registry(tmp_path / "registry")
    for number in range(3):
        publish_sample(registry, version_id=f"v{number}")
    prune(registry, 2)
    assert there(registry) == "21"


def test_what_was_removed_is_told_with_its_size(registry: Registry) -> None:
    """Of all files; a dry run tells the same and removes nothing."""
    folder = registry.root / "versions" / "v0"
    size_bytes = sum(path.stat().st_size for path in folder.iterdir())
    planned = prune(registry, 7, dry_run=True)
    assert there(registry) == "9876543210"
    assert planned == prune(registry, 7)
    assert planned[0].version_id == "v0"
    assert planned[0].size_bytes == size_bytes > 500
    assert not folder.exists()
    assert list((registry.root / "staging").iterdir()) == []


def test_models_of_experiments_that_run_stay(registry: Registry) -> None:
    """They are named as people name versions, by the beginning too."""
    variants = [CONTROL, {"variant_id": "other", "weight": 0.5, "model": "v3"}]
    activate(registry.documents(KIND), experiment(variants=variants), NOW, UNSAID)
    prune(registry, 1)
    assert there(registry) == "932"


def test_experiments_that_cannot_be_read_keep_everything(registry: Registry) -> None:
    """Nobody knows what they need."""
    shelf = registry.documents(KIND)
    shelf.activate(shelf.publish('{"experiments": 7}', NOW), NOW)
    with pytest.raises(InputError, match="experiments"):
        prune(registry, 1)
    assert there(registry) == "9876543210"


def test_what_is_being_loaded_stays_until_the_next_time(registry: Registry) -> None:
    """Whoever loads holds it, and others may load beside."""
    with held(registry.root / "versions" / "v0"):
        registry.load("v0")
        assert "v0" not in {version.version_id for version in prune(registry, 1)}
        assert there(registry) == "920"
    assert [version.version_id for version in prune(registry, 1)] == ["v0"]


def test_a_version_that_cannot_be_removed_keeps_no_other(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user's, say: it is named at the end, with the reason, and tried again."""
    with monkeypatch.context() as patch:
        not_ours(patch, "v0", "v4")
        with pytest.raises(RemovalError, match=r"v0 \(.*not permitted.*\); v4 \(") as raised:
            prune(registry, 1)
        names = [version.version_id for version in raised.value.removed]
        assert names == ["v1", "v3", "v5", "v6", "v7", "v8"]
        assert there(registry) == "9420"
    assert [version.version_id for version in prune(registry, 1)] == ["v0", "v4"]


def test_nobody_loads_what_is_being_removed(registry: Registry) -> None:
    """Who asks a moment later finds none."""
    with unheld(registry.root / "versions" / "v0") as is_unheld:
        assert is_unheld
        with unheld(registry.root / "versions" / "v0") as is_unheld_twice:
            assert not is_unheld_twice


def test_who_has_loaded_a_version_has_it_as_long_as_they_like(registry: Registry) -> None:
    """Mapped files stay on the disk until they are let go of."""
    _, arrays = registry.load("v0")
    prune(registry, 1)
    with pytest.raises(NotFoundError):
        registry.load("v0")
    for name, array in sample_arrays().items():
        np.testing.assert_array_equal(arrays[name], array)


def test_a_rollback_ends_where_the_versions_do(registry: Registry) -> None:
    """It says so, and changes nothing."""
    prune(registry, 1)
    assert registry.rollback(NOW).version_id == "v2"
    with pytest.raises(PreconditionError, match="the previous model, v8, was removed; choose"):
        registry.rollback(NOW)
    assert registry.load("current")[0].version_id == "v2"


def test_what_is_no_version_is_left_alone(registry: Registry, tmp_path: Path) -> None:
    """What strayed in, and versions that lie elsewhere; none of it stays in a version's stead."""
    versions, elsewhere = registry.root / "versions", tmp_path / "elsewhere"
    (versions / "v0").rename(elsewhere)
    (versions / "v0").symlink_to(elsewhere)
    (versions / "a.txt").touch()
    folders = {".snapshot", "a-copy", "w"}  # before all versions, and behind
    for name in folders:
        (versions / name).mkdir()
    (versions / ".snapshot" / "manifest.json").touch()
    prune(registry, 1)
    assert {path.name for path in versions.iterdir()} == {"a.txt", "v0", "v2", "v9", *folders}


def test_at_least_one_stays(registry: Registry) -> None:
    """Nought is no number of versions to keep."""
    with pytest.raises(ValueError, match="at least one"):
        prune(registry, 0)
