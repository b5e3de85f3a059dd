"""The versions of a registry: how they are added, listed and referred to."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recsvc.artifacts.registry import Registry
from recsvc.errors import ArtifactError, NotFoundError, RegistryError
from tests.unit.artifacts.full_disk import file_size_limit
from tests.unit.artifacts.samples import NOW, Facts, publish_sample, sample_arrays


class TestPrepare:
    def test_a_prepared_registry_is_empty_and_can_be_published_to(self, registry: Registry) -> None:
        """It is there before hours of training, and nothing of the trial is left in it."""
        registry.prepare()
        assert registry.versions() == []
        assert list((registry.root / "staging").iterdir()) == []
        assert registry.manifest(publish_sample(registry)).model_id == "demo"

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        """The error comes before the training, not after it."""
        (tmp_path / "file").touch()
        with pytest.raises(RegistryError, match=r"cannot be published to .*Not a directory"):
            Registry(tmp_path / "file" / "registry").prepare()


class TestPublish:
    def test_a_published_version_can_be_loaded(self, registry: Registry) -> None:
        """What training gave is what serving gets."""
        version_id = publish_sample(registry)
        manifest, arrays = registry.load(version_id)
        assert manifest == registry.manifest(version_id)
        assert manifest.version_id == version_id
        np.testing.assert_array_equal(
            arrays["items.factors"], sample_arrays()["items.factors"], strict=True
        )
        assert list((registry.root / "staging").iterdir()) == []

    def test_a_version_is_read_only(self, registry: Registry) -> None:
        """Nobody changes a published file by accident."""
        version = registry.root / "versions" / publish_sample(registry)
        assert [path.stat().st_mode & 0o222 for path in version.iterdir()] == [0] * 5

    def test_a_version_is_never_written_again(self, registry: Registry) -> None:
        """The first to publish an id keeps it."""
        publish_sample(registry, version_id="v1")
        before = registry.manifest("v1")
        with pytest.raises(RegistryError, match="exists already"):
            publish_sample(registry, day=1, version_id="v1")
        assert registry.manifest("v1") == before
        assert list((registry.root / "staging").iterdir()) == []

    @pytest.mark.parametrize("version_id", ["../v1", "a/b", ".", ".hidden", "current", "x" * 101])
    def test_an_odd_version_id_is_refused(self, registry: Registry, version_id: str) -> None:
        """No id leaves the directory of versions, and none is taken for the pointer."""
        with pytest.raises(RegistryError, match="is not allowed"):
            publish_sample(registry, version_id=version_id)
        assert not registry.root.exists()

    def test_what_is_no_artifact_is_not_published(self, registry: Registry) -> None:
        """A failed publish leaves neither a version nor anything in staging."""
        with pytest.raises(ArtifactError, match="holds Python objects"):
            registry.publish({"items.ids": np.array([None])}, model_id="demo", **Facts()._asdict())
        assert registry.versions() == []
        assert list((registry.root / "staging").iterdir()) == []

    def test_a_full_disk_leaves_no_version(self, registry: Registry) -> None:
        """The file system's error becomes one line, and the registry stays as it was."""
        version_id = publish_sample(registry)
        with file_size_limit(64), pytest.raises(RegistryError, match="cannot be published to"):
            publish_sample(registry, day=1)
        assert [info.version_id for info in registry.versions()] == [version_id]
        assert list((registry.root / "staging").iterdir()) == []

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        """A path through a file is nobody's directory."""
        (tmp_path / "file").touch()
        with pytest.raises(RegistryError, match=r"cannot be published to .*Not a directory"):
            publish_sample(Registry(tmp_path / "file" / "registry"))

    def test_leftovers_of_crashed_writers_go_after_a_day(self, registry: Registry) -> None:
        """Old leftovers are removed, recent ones may belong to a living writer."""
        publish_sample(registry)
        staging = registry.root / "staging"
        for name in ("old", "recent"):
            (staging / name).mkdir()
            (staging / name / "a.npy").touch()
            (staging / f"{name}.json").touch()
        (staging / "broken").symlink_to("nowhere")  # cannot be looked at: left alone
        two_days_ago = (staging / "recent").stat().st_mtime - 2 * 24 * 3600
        for name in ("old", "old.json"):
            os.utime(staging / name, (two_days_ago, two_days_ago))
        publish_sample(registry, day=1)
        assert {path.name for path in staging.iterdir()} == {"recent", "recent.json", "broken"}
        assert len(registry.versions()) == 2


class TestVersions:
    def test_versions_come_newest_first(self, registry: Registry) -> None:
        """The list says which one is current."""
        ids = [publish_sample(registry, day) for day in range(3)]
        registry.promote(ids[1], NOW)
        versions = registry.versions()
        assert [info.version_id for info in versions] == ids[::-1]
        assert [info.is_current for info in versions] == [False, True, False]
        assert [info.manifest for info in versions] == [registry.manifest(i) for i in ids[::-1]]
        assert {info.error for info in versions} == {None}

    def test_an_unreadable_version_is_listed_with_its_error(self, registry: Registry) -> None:
        """Nothing in the registry is passed over in silence."""
        version_id = publish_sample(registry)
        (registry.root / "versions" / "empty").mkdir()
        (registry.root / "versions" / "stray").touch()
        stray, empty, sound = registry.versions()
        assert (sound.version_id, sound.error) == (version_id, None)
        assert (empty.version_id, empty.manifest) == ("empty", None)
        assert "manifest.json: missing" in str(empty.error)
        assert (stray.version_id, stray.manifest) == ("stray", None)
        assert "manifest.json: cannot be read" in str(stray.error)

    def test_a_renamed_version_is_refused(self, registry: Registry) -> None:
        """A version answers to its own id only."""
        version_id = publish_sample(registry)
        versions = registry.root / "versions"
        (versions / version_id).rename(versions / "best")
        for read in (registry.manifest, registry.load):
            with pytest.raises(ArtifactError, match=f"best: holds version '{version_id}'"):
                read("best")


class TestReferences:
    def test_a_version_is_named_by_id_by_prefix_or_as_current(self, registry: Registry) -> None:
        """Every way leads to the same version."""
        first, second = (publish_sample(registry, day) for day in range(2))
        registry.promote(second, NOW)
        for ref in (second, second[:10], "current"):
            assert registry.manifest(ref).version_id == second
            assert registry.load(ref, verify=False)[0].version_id == second
        assert registry.manifest(first[:8]).version_id == first

    def test_an_id_that_begins_another_is_itself(self, registry: Registry) -> None:
        """An exact id is never ambiguous."""
        publish_sample(registry, version_id="v1")
        publish_sample(registry, version_id="v10")
        assert registry.manifest("v1").version_id == "v1"

    @pytest.mark.parametrize(
        ("ref", "complaint"),
        [
            ("2025", "no such version"),
            ("", "no such version"),
            ("../versions", "no such version"),
            ("a\nb", "no such version"),
            ("x" * 100_000, "no such version"),
            ("2026", "it begins 2 version ids, give more"),
            ("current", "no version is promoted yet"),
        ],
    )
    def test_an_unknown_version_is_not_found(
        self, registry: Registry, ref: str, complaint: str
    ) -> None:
        """The error names the reference and how to see what there is."""
        for day in range(2):
            publish_sample(registry, day)
        reads: list[Callable[[str], object]] = [
            registry.manifest,
            registry.load,
            lambda ref: registry.promote(ref, NOW),
        ]
        for read in reads:
            with pytest.raises(NotFoundError) as caught:
                read(ref)
            message = str(caught.value)
            assert caught.value.reason == "MODEL_NOT_FOUND"
            assert caught.value.metadata == {"version_ref": ref[:80]}
            assert message.startswith(f"model {ref[:80]!r} is not in ")
            assert complaint in message
            assert f"recsvc-train models --registry {registry.root}" in message
            assert "\n" not in message
            assert len(message) < 500
