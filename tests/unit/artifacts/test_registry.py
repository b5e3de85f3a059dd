"""The registry: versions, references, the pointer, and what it says when it cannot."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from recsvc.artifacts.pointer import Pointer, new_version_id
from recsvc.artifacts.registry import Registry
from recsvc.errors import ArtifactError, NotFoundError, PreconditionError, RegistryError
from tests.unit.artifacts.samples import NOW, Facts, publish_sample, sample_arrays

LATER = NOW + timedelta(hours=1)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Return a registry whose directory does not exist yet."""
    return Registry(tmp_path / "registry")


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

    def test_version_ids_sort_by_time_and_differ_within_a_second(self) -> None:
        """The id tells the time of training in UTC."""
        first = new_version_id(NOW.astimezone(timezone(timedelta(hours=9))))
        assert first.startswith("20261122T053000Z-")
        assert len(first) == len("20261122T053000Z-") + 6
        assert first != new_version_id(NOW)
        assert first < new_version_id(NOW + timedelta(seconds=1))

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


@contextmanager
def file_size_limit(size_bytes: int) -> Iterator[None]:
    """Let every write past this size fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


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


class TestSecret:
    def test_it_is_made_once_and_stays(self, registry: Registry) -> None:
        """Whoever asks, and whenever, gets the same: what was erased stays erased over restarts."""
        publish_sample(registry)
        secret = registry.secret()
        assert len(secret) == 32
        registry.promote(publish_sample(registry, day=1), NOW)
        assert registry.secret() == secret
        assert Registry(registry.root).secret() == secret
        assert list((registry.root / "staging").iterdir()) == []

    def test_every_registry_has_its_own(self, tmp_path: Path) -> None:
        """Hashes of one shop say nothing in another."""
        registries = [Registry(tmp_path / name) for name in "ab"]
        for registry in registries:
            publish_sample(registry)
        assert len({registry.secret() for registry in registries}) == 2

    def test_only_this_user_may_read_it(self, registry: Registry) -> None:
        """Whoever has it can try ids: its file is nobody else's."""
        publish_sample(registry)
        registry.secret()
        assert (registry.root / "secret").stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("content", ["", "zz", "ab"])
    def test_a_damaged_one_is_an_error(self, registry: Registry, content: str) -> None:
        """Hashed without a whole secret, ids could be guessed, and nobody erased would be known."""
        publish_sample(registry)
        (registry.root / "secret").write_text(content)
        with pytest.raises(RegistryError, match="secret: is damaged"):
            registry.secret()

    def test_threads_that_ask_first_get_the_same(self, registry: Registry) -> None:
        """Of those who would make it at once one does."""
        publish_sample(registry)
        with ThreadPoolExecutor(4) as pool:
            secrets = set(pool.map(lambda _: Registry(registry.root).secret(), range(16)))
        assert len(secrets) == 1

    def test_another_process_gets_the_same(self, registry: Registry) -> None:
        """The trainer and every worker hash alike."""
        publish_sample(registry)
        code = (
            "import sys; from recsvc.artifacts.registry import Registry; "
            "print(Registry(sys.argv[1]).secret().hex())"
        )
        printed = [
            subprocess.run(
                [sys.executable, "-c", code, str(registry.root)],
                cwd=Path(__file__).parents[3],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            for _ in range(2)
        ]
        assert printed == [f"{registry.secret().hex()}\n"] * 2

    def test_a_full_disk_leaves_no_half_of_it(self, registry: Registry) -> None:
        """The error is one line, and the next call makes it whole."""
        publish_sample(registry)
        with file_size_limit(8), pytest.raises(RegistryError, match="cannot be written"):
            registry.secret()
        assert not (registry.root / "secret").exists()
        assert len(registry.secret()) == 32


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
