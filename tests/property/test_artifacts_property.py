"""What holds for every artifact, and for every damage to one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from recsvc.artifacts.format import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    Manifest,
    read_artifact,
    read_manifest,
    write_artifact,
)
from recsvc.errors import ArtifactError
from tests.unit.artifacts.samples import NOW, Facts, write_sample

pytestmark = pytest.mark.usefixtures("unmeasured")

NAMES = st.from_regex(r"[a-z0-9_]{1,8}(\.[a-z0-9_]{1,8}){0,3}", fullmatch=True)
DTYPES = st.one_of(
    st_numpy.boolean_dtypes(),
    st_numpy.integer_dtypes(),
    st_numpy.floating_dtypes(),
    st_numpy.unicode_string_dtypes(),
    st_numpy.datetime64_dtypes(),
)
ARRAYS = st_numpy.arrays(DTYPES, st_numpy.array_shapes(min_dims=0, max_dims=3, min_side=0))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
JSON_OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)
# No deadline: waiting for the disk, which an example does several times, has no fixed price.
FEW = settings(max_examples=40, deadline=None)


@FEW
@given(arrays=st.dictionaries(NAMES, ARRAYS, max_size=3))
def test_any_plain_array_comes_back_unchanged(arrays: dict[str, npt.NDArray[Any]]) -> None:
    """Names, dtypes, shapes and every bit of the values survive."""
    with TemporaryDirectory() as directory:
        written = write_artifact(
            Path(directory), arrays, model_id="m", version_id="v", **Facts()._asdict()
        )
        manifest, read = read_artifact(Path(directory))
    assert manifest == written
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (read[name].dtype, read[name].shape) == (array.dtype, array.shape)
        assert read[name].tobytes() == array.tobytes()
        assert not read[name].flags.writeable


@FEW
@given(parameters=JSON_OBJECTS, metrics=JSON_OBJECTS, data=JSON_OBJECTS)
def test_any_finite_json_comes_back_unchanged(
    parameters: dict[str, Any], metrics: dict[str, Any], data: dict[str, Any]
) -> None:
    """Parameters, metrics and data are kept to the last digit."""
    manifest = Manifest(SCHEMA_VERSION, "m", "v", NOW, "0.1.0", parameters, metrics, data, ())
    assert Manifest.from_json(manifest.to_json()) == manifest


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sound artifact, which each example damages and mends."""
    directory = tmp_path_factory.mktemp("artifacts") / "artifact"
    write_sample(directory)
    return directory


@contextmanager
def damaged(path: Path, content: bytes) -> Iterator[None]:
    """Give a file another content for a while."""
    sound = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(sound)


def assert_refused(artifact: Path, path: Path) -> None:
    """The error is one line that names the damaged file."""
    with pytest.raises(ArtifactError) as caught:
        read_artifact(artifact)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@FEW
@given(choice=st.data())
def test_a_flipped_bit_anywhere_is_refused(artifact: Path, choice: st.DataObject) -> None:
    """No bit of any file, the manifest's white space included, changes unnoticed."""
    path = choice.draw(st.sampled_from(sorted(artifact.iterdir())))
    content = bytearray(path.read_bytes())
    bit = choice.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    with damaged(path, bytes(content)):
        assert_refused(artifact, path)


@FEW
@given(choice=st.data())
def test_a_cut_or_lengthened_file_is_refused(artifact: Path, choice: st.DataObject) -> None:
    """A copy that stopped early, or went on too long, is never read."""
    path = choice.draw(st.sampled_from(sorted(artifact.iterdir())))
    content = path.read_bytes()
    cut = content[: choice.draw(st.integers(0, len(content) - 1))]
    longer = content + choice.draw(st.binary(min_size=1, max_size=64))
    with damaged(path, choice.draw(st.sampled_from([cut, longer]))):
        assert_refused(artifact, path)


def test_every_bit_of_the_manifest_counts(artifact: Path) -> None:
    """The manifest vouches for all the rest, so each of its bits is tried, not a sample."""
    content = (artifact / MANIFEST_NAME).read_bytes()
    assert Manifest.from_json(content) == read_manifest(artifact)
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ArtifactError):
            Manifest.from_json(bytes(flipped))
