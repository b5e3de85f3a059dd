"""What the command refuses before anything is started."""

from pathlib import Path

import pytest

from recsvc.errors import InputError
from tests.chaos.__main__ import chaos


@pytest.mark.parametrize(
    ("keep", "why"), [(".", "not empty"), ("file", "name a folder"), ("file/in", "name a folder")]
)
def test_a_folder_that_cannot_be_kept_in_is_refused(tmp_path: Path, keep: str, why: str) -> None:
    (tmp_path / "file").write_text("whose?")
    with pytest.raises(InputError, match=why):
        chaos(minutes=0.0, keep=tmp_path / keep)
    assert (tmp_path / "file").read_text() == "whose?"


def test_a_fault_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match="redis stopped"):
        chaos(minutes=0.0, only=["redis melted"])
