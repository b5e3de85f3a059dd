"""The registry: where it is, its pointer, and what it says when it cannot."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recsvc.artifacts.pointer import Pointer
from recsvc.artifacts.registry import Registry
from recsvc.errors import ArtifactError, PreconditionError, RegistryError
from tests.unit.artifacts.full_disk import file_size_limit
from tests.unit.artifacts.samples import NOW, publish_sample

LATER = NOW + timedelta(hours=1)


def corrupt(registry: Registry, version_id: str) -> None:
    """Flip a bit in the last byte of a version's factors."""
    path = registry.root / "versions" / version_id / "items.factors.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.unlink()
    path.write_bytes(content)


class TestOpen:
    @pytest.mark.parametrize(
        ("uri", "root"),
        [
            ("/data/models", "/data/models"),
            ("/data/models:2026#a?b", "/data/models:2026#a?b"),
            ("file:///data/my%20models", "/data/my models"),
            ("FILE://localhost/data", "/data"),
            ("file:/data", "/data"),
        ],
    )
    def test_a_path_or_a_file_uri_names_a_directory(self, uri: str, root: str) -> None:
        """Both forms lead to the same place, and nothing need exist there."""
        assert Registry.open(uri).root == Path(root)

    def test_a_relative_path_is_fixed_at_once(self) -> None:
        """A process that changes its directory later keeps its registry."""
        assert Registry.open("models:v1").root == Path.cwd() / "models:v1"

    @pytest.mark.parametrize(
        ("uri", "complaint"),
        [
            ("s3://bucket/models", "s3: is not supported; give a path or file:///PATH"),
            ("gs://bucket", "gs: is not supported"),
            ("file://server/models", "names a host"),
            ("file://", "names no path"),
            ("", "names no path"),
            ("file:///a%00b", "names no path"),
        ],
    )
    def test_another_uri_is_refused(self, uri: str, complaint: str) -> None:
        """The error names the URI and says what is supported."""
        with pytest.raises(RegistryError) as caught:
            Registry.open(uri)
        assert complaint in str(caught.value)
        assert repr(uri) in str(caught.value)


class TestPointer:
    def test_there_is_no_pointer_until_a_version_is_promoted(self, registry: Registry) -> None:
        """Publishing alone makes nothing current."""
        version_id = publish_sample(registry)
        assert registry.pointer() is None
        assert registry.pointer_stamp() is None
        pointer = registry.promote(version_id, NOW)
        assert pointer == Pointer(version_id, 1, (), NOW)
        assert registry.pointer() == pointer

    def test_promoting_moves_on_and_rolling_back_returns(self, registry: Registry) -> None:
        """Each change raises the generation, whichever way it goes."""
        first, second = (publish_sample(registry, day) for day in range(2))
        registry.promote(first, NOW)
        assert registry.promote(second, LATER) == Pointer(second, 2, (first,), LATER)
        assert registry.rollback(LATER) == Pointer(first, 3, (), LATER)
        assert registry.pointer() == Pointer(first, 3, (), LATER)
        with pytest.raises(PreconditionError) as caught:
            registry.rollback(LATER)
        assert caught.value.reason == "NO_PREVIOUS_MODEL"
        assert "no previous model" in str(caught.value)

    def test_there_is_nothing_to_roll_back_before_the_first_promotion(
        self, registry: Registry
    ) -> None:
        """A registry without a pointer has no previous model either."""
        publish_sample(registry)
        with pytest.raises(PreconditionError) as caught:
            registry.rollback(NOW)
        assert caught.value.reason == "NO_PREVIOUS_MODEL"

    def test_promoting_the_current_version_changes_nothing(self, registry: Registry) -> None:
        """Servers that poll see no change, so they load nothing again."""
        version_id = publish_sample(registry)
        pointer = registry.promote(version_id, NOW)
        stamp = registry.pointer_stamp()
        for ref in (version_id, "current"):
            assert registry.promote(ref, LATER) == pointer
        assert registry.pointer_stamp() == stamp

    def test_the_stamp_differs_after_each_change(self, registry: Registry) -> None:
        """One stat is enough to see that the pointer moved."""
        stamps = []
        for day in range(2):
            registry.promote(publish_sample(registry, day), NOW)
            stamps.append(registry.pointer_stamp())
        assert None not in stamps
        assert stamps[0] != stamps[1]
        assert registry.pointer_stamp() == stamps[1]

    def test_the_current_version_is_checked_again(self, registry: Registry) -> None:
        """Promoting it once more is no success when its bytes have changed since."""
        version_id = publish_sample(registry)
        before = registry.promote(version_id, NOW)
        corrupt(registry, version_id)
        with pytest.raises(ArtifactError, match="corrupt"):
            registry.promote(version_id, LATER)
        assert registry.pointer() == before

    def test_a_corrupt_version_is_not_promoted(self, registry: Registry) -> None:
        """The pointer stays where it is, and the error names the file."""
        first, second = (publish_sample(registry, day) for day in range(2))
        before = registry.promote(first, NOW)
        corrupt(registry, second)
        with pytest.raises(ArtifactError, match=rf"{second}/items\.factors\.npy: corrupt"):
            registry.promote(second, LATER)
        assert registry.pointer() == before
        assert list((registry.root / "staging").iterdir()) == []

    def test_a_corrupt_version_is_not_rolled_back_to(self, registry: Registry) -> None:
        """What was sound when it was promoted is checked again."""
        first, second = (publish_sample(registry, day) for day in range(2))
        registry.promote(first, NOW)
        before = registry.promote(second, NOW)
        corrupt(registry, first)
        with pytest.raises(ArtifactError, match=rf"{first}/items\.factors\.npy: corrupt"):
            registry.rollback(LATER)
        assert registry.pointer() == before

    def test_a_vanished_current_version_is_named(self, registry: Registry) -> None:
        """Somebody removed the directory: the error says which file is missing."""
        version_id = publish_sample(registry)
        registry.promote(version_id, NOW)
        shutil.rmtree(registry.root / "versions" / version_id)
        with pytest.raises(ArtifactError, match=f"{version_id}/manifest.json: missing"):
            registry.load("current")

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"version_id": "v1"}'])
    def test_a_corrupt_pointer_is_one_line(self, registry: Registry, content: str) -> None:
        """The error names the file and the way out."""
        version_id = publish_sample(registry)
        registry.promote(version_id, NOW)
        (registry.root / "current.json").write_text(content)
        reads: list[Callable[[], object]] = [
            registry.pointer,
            registry.versions,
            lambda: registry.promote(version_id, NOW),
        ]
        for read in reads:
            with pytest.raises(RegistryError) as caught:
                read()
            assert str(caught.value).startswith(f"{registry.root / 'current.json'}: ")
            assert "remove it, then choose a version: recsvc-train promote" in str(caught.value)
            assert "\n" not in str(caught.value)
        (registry.root / "current.json").unlink()
        assert registry.promote(version_id, NOW).generation == 1

    def test_an_unreadable_pointer_is_named(self, registry: Registry) -> None:
        """An error of the file system becomes one line."""
        publish_sample(registry)
        (registry.root / "current.json").mkdir()
        with pytest.raises(RegistryError, match=r"the registry cannot be read .*Is a directory"):
            registry.pointer()

    def test_a_full_disk_leaves_the_pointer_as_it_was(self, registry: Registry) -> None:
        """A pointer is written as a whole or not at all."""
        first, second = (publish_sample(registry, day) for day in range(2))
        before = registry.promote(first, NOW)
        with file_size_limit(8), pytest.raises(RegistryError, match="cannot be written"):
            registry.promote(second, LATER)
        assert registry.pointer() == before
        assert list((registry.root / "staging").iterdir()) == []

    def test_a_time_without_a_zone_is_refused(self, registry: Registry) -> None:
        """The caller's mistake is shown before the pointer moves."""
        version_id = publish_sample(registry)
        with pytest.raises(ValueError, match="has no zone"):
            registry.promote(version_id, datetime(2026, 11, 22))  # noqa: DTZ001  # what is refused
        assert registry.pointer() is None

    def test_a_copied_registry_needs_no_empty_directories(
        self, registry: Registry, tmp_path: Path
    ) -> None:
        """Tools that copy files only may leave out staging and lock."""
        version_id = publish_sample(registry)
        copy = Registry(tmp_path / "copy")
        shutil.copytree(registry.root / "versions", copy.root / "versions")
        assert copy.promote(version_id, NOW).version_id == version_id

    def test_concurrent_promoters_take_turns(self, registry: Registry) -> None:
        """No change is lost: every generation was one caller's, and all are accounted for."""
        ids = [publish_sample(registry, day) for day in range(3)]

        def promote(turn: int) -> Pointer:
            now = datetime.fromtimestamp(turn, tz=UTC)
            return Registry(registry.root).promote(ids[turn % 3], now)

        with ThreadPoolExecutor(4) as pool:
            pointers = set(pool.map(promote, range(18)))
        last = registry.pointer()
        assert last is not None
        assert {pointer.generation for pointer in pointers} == set(range(1, last.generation + 1))
        assert len(pointers) == last.generation
        assert len(last.previous) == last.generation - 1


def test_a_missing_registry_says_how_one_is_made(registry: Registry) -> None:
    """Nothing is created by asking; every operation but publish says the same line."""
    operations: list[Callable[[], object]] = [
        registry.versions,
        registry.pointer,
        registry.pointer_stamp,
        lambda: registry.manifest("current"),
        lambda: registry.load("v1"),
        lambda: registry.promote("v1", NOW),
        lambda: registry.rollback(NOW),
        registry.secret,
    ]
    for operation in operations:
        with pytest.raises(RegistryError) as caught:
            operation()
        assert str(caught.value) == (
            f"{registry.root}: there is no registry here; make one: "
            f"recsvc-train fit --events PATH --registry {registry.root}"
        )
    assert not registry.root.exists()
