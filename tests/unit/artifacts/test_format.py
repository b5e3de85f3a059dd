"""Writing and reading an artifact: what is refused, and how the error says so."""

import os
import shutil
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from recsvc.artifacts.format import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    read_artifact,
    read_manifest,
    write_artifact,
)
from recsvc.errors import ArtifactError
from tests.unit.artifacts.samples import NOW, Facts, sample_arrays, write_sample

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    """Return the directory of a sound artifact."""
    directory = tmp_path / "artifact"
    write_sample(directory)
    return directory


def refusal(directory: Path, *, verify: bool = True) -> str:
    """Return the one-line error that reading this artifact raises."""
    with pytest.raises(ArtifactError) as caught:
        read_artifact(directory, verify=verify)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(directory))
    return message


def test_an_artifact_reads_as_it_was_written(artifact: Path) -> None:
    """Values, shapes, dtypes and memory order survive, and so does the manifest."""
    manifest, arrays = read_artifact(artifact)
    assert arrays.keys() == sample_arrays().keys()
    for name, array in sample_arrays().items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert arrays["items.factors"].flags.f_contiguous
    assert (manifest.schema_version, manifest.model_id, manifest.version_id) == (1, "demo", "v1")
    assert Facts(*(getattr(manifest, name) for name in Facts._fields)) == Facts()
    assert read_manifest(artifact) == manifest


def test_the_writer_returns_what_a_reader_sees(tmp_path: Path) -> None:
    """The returned manifest has been through JSON: a tuple has become a list."""
    facts = Facts(parameters={"sources": ("als", "bm25")})
    manifest = write_sample(tmp_path / "artifact", facts)
    assert manifest == read_manifest(tmp_path / "artifact")
    assert manifest.parameters == {"sources": ["als", "bm25"]}


def test_the_directory_holds_the_manifest_and_one_file_an_array(artifact: Path) -> None:
    """Nothing else lies in an artifact."""
    assert {path.name for path in artifact.iterdir()} == {
        MANIFEST_NAME,
        "items.factors.npy",
        "items.ids.npy",
        "places.cell.data.npy",
        "places.store.indptr.npy",
    }


@pytest.mark.parametrize("verify", [True, False])
def test_arrays_are_mapped_and_read_only(artifact: Path, *, verify: bool) -> None:
    """Processes share one copy, which none of them can write to."""
    _, arrays = read_artifact(artifact, verify=verify)
    for array in arrays.values():
        assert type(array) is np.ndarray
        assert isinstance(array.base, np.memmap)
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_every_past_schema_still_reads() -> None:
    """An artifact of each schema that is still read lies in the repository."""
    for schema_version in range(1, SCHEMA_VERSION + 1):
        manifest, arrays = read_artifact(GOLDEN / f"schema_{schema_version}")
        assert manifest.schema_version == schema_version
        assert manifest.metrics == Facts().metrics
        assert arrays["items.ids"].tolist() == ["bread", "milk", "Käse"]
        assert arrays["items.factors"].tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize(
    "name", ["", "a/b", "../a", "..", "a..b", ".a", "a.", "A", "a-b", "a b", "a\n", "x" * 100 + "!"]
)
def test_an_odd_array_name_is_not_written(tmp_path: Path, name: str) -> None:
    """Only names that are safe as file names everywhere are accepted."""
    with pytest.raises(ArtifactError, match=r"array name .* is not allowed"):
        write_artifact(
            tmp_path, {name: np.zeros(1)}, model_id="m", version_id="v", **Facts()._asdict()
        )
    assert list(tmp_path.iterdir()) == []


def test_objects_are_not_written(tmp_path: Path) -> None:
    """An object array would need pickle, inside a structure too; the error names the array."""
    dtypes = [np.dtype(object), np.dtype([("id", "i4"), ("title", object)])]
    for dtype in dtypes:
        arrays = {"fine": np.zeros(1), "items.titles": np.empty(1, dtype=dtype)}
        with pytest.raises(ArtifactError, match=r"'items\.titles' holds Python objects"):
            write_artifact(tmp_path, arrays, model_id="m", version_id="v", **Facts()._asdict())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "facts",
    [
        Facts(metrics={"ndcg_at_10": float("nan")}),
        Facts(parameters={"n_factors": np.int64(64)}),
        Facts(data={"n_rows": 10**5000}),
        Facts(train_time=datetime(2026, 11, 22)),  # noqa: DTZ001  # what is refused
    ],
)
def test_facts_that_json_cannot_hold_are_not_written(tmp_path: Path, facts: Facts) -> None:
    """NaN, numpy scalars and times without a zone are refused instead of bent."""
    with pytest.raises(ArtifactError, match=r"manifest\.json: cannot be written as JSON"):
        write_sample(tmp_path / "artifact", facts)


def test_an_artifact_is_not_written_over_another(artifact: Path) -> None:
    """What is there stays as it is."""
    with pytest.raises(ArtifactError, match="is not empty"):
        write_sample(artifact, version_id="v2")
    assert read_artifact(artifact)[0].version_id == "v1"


def test_a_missing_artifact_is_named(tmp_path: Path) -> None:
    """No directory, no manifest: the error names the path that was looked for."""
    assert "manifest.json: missing" in refusal(tmp_path / "nowhere")
    assert "manifest.json: missing" in refusal(tmp_path)


def test_an_unreadable_manifest_is_named(tmp_path: Path) -> None:
    """An error of the file system becomes one line."""
    (tmp_path / MANIFEST_NAME).mkdir()
    assert "manifest.json: cannot be read (Is a directory)" in refusal(tmp_path)


def test_another_manifest_is_refused(artifact: Path) -> None:
    """The manifest's own errors carry the path of the file."""
    (artifact / MANIFEST_NAME).write_text('{"schema_version": 2}')
    assert "manifest.json: written by a newer recsvc" in refusal(artifact)


def corrupt(path: Path) -> None:
    """Change the last byte."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    """Cut the last byte off."""
    os.truncate(path, path.stat().st_size - 1)


def replace_by_link(path: Path) -> None:
    """Move the content elsewhere and link to it."""
    elsewhere = path.parent.parent / path.name
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)


def replace_by_directory(path: Path) -> None:
    """Put a directory in the place of the file."""
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (corrupt, "corrupt, its sha256 differs"),
        (truncate, "truncated or overwritten, 139 bytes instead of 140"),
        (Path.unlink, "missing"),
        (replace_by_link, "is no regular file"),
        (replace_by_directory, "is no regular file"),
    ],
)
def test_a_damaged_file_is_named(
    artifact: Path, damage: Callable[[Path], None], complaint: str
) -> None:
    """Whatever happened to a file, the error names it and says what to do."""
    path = artifact / "places.store.indptr.npy"
    damage(path)
    message = refusal(artifact)
    assert message.startswith(f"{path}: {complaint}")
    assert "refit" in message


def test_an_unexpected_file_is_named(artifact: Path) -> None:
    """A stray file is refused, since nobody vouches for it."""
    (artifact / "notes.txt").write_text("hello")
    assert "notes.txt: unexpected" in refusal(artifact)


def test_size_and_presence_are_checked_without_verify(artifact: Path) -> None:
    """Leaving out the sha256 leaves a corrupt value in, but never a short file."""
    path = artifact / "places.store.indptr.npy"
    corrupt(path)
    read_artifact(artifact, verify=False)
    truncate(path)
    assert "truncated" in refusal(artifact, verify=False)


def pickled(path: Path) -> None:
    """Write an array of objects."""
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)


def odd_header(path: Path) -> None:
    """Write a header that numpy's parser stumbles over in its own way."""
    path.write_bytes(b"\x93NUMPY\x01\x00\x06\x00{'a(\n ")


def cut_header(path: Path) -> None:
    """Write a header that Python's tokenizer finds unfinished."""
    path.write_bytes(b"\x93NUMPY\x01\x00\x06\x00{'a'(\n")


def odd_name(path: Path) -> None:
    """Write a header with a name that numpy cannot put in order among the others."""
    np.save(path, np.zeros(4, dtype=np.uint8))
    path.write_bytes(path.read_bytes().replace(b" 'shape'", b"B'shape'"))


@pytest.mark.parametrize("fake", [pickled, odd_header, cut_header, odd_name])
def test_a_file_that_is_no_plain_array_is_refused(
    tmp_path: Path, fake: Callable[[Path], None]
) -> None:
    """Even an artifact that vouches for a pickle does not get it unpickled."""
    source = tmp_path / "source.npy"
    fake(source)
    # A plain array of as many bytes, whose file is then exchanged: only the manifest
    # of a forger would also fit, and without verify its sha256 is not asked for.
    artifact = tmp_path / "artifact"
    size = source.stat().st_size
    write_artifact(
        artifact,
        {"a": np.zeros(max(size - 128, 0), dtype=np.uint8)},
        model_id="m",
        version_id="v",
        **Facts()._asdict(),
    )
    padding = max(0, (artifact / "a.npy").stat().st_size - size)
    (artifact / "a.npy").write_bytes(source.read_bytes() + b" " * padding)
    assert "a.npy: is no plain .npy array" in refusal(artifact, verify=False)


def test_the_umask_decides_who_reads_an_artifact(artifact: Path) -> None:
    """A server of another user can read what the trainer wrote, as the umask allows."""
    umask = os.umask(0)
    os.umask(umask)
    for path in artifact.iterdir():
        mode = path.lstat().st_mode
        assert stat.S_ISREG(mode)
        assert stat.S_IMODE(mode) == 0o666 & ~umask
    assert read_manifest(artifact).train_time == NOW
