"""What the disk promises."""

from pathlib import Path

import pytest

from recsvc.artifacts.disk import make_directory, write_durably
from tests.unit.artifacts.faulty_disk import Fault, FaultyDisk


@pytest.mark.parametrize("name", ["a", "a/b/c"])
def test_a_directory_outlives_a_loss_of_power(tmp_path: Path, name: str) -> None:
    """And with it all those above; what is not waited for does not."""
    root, left = tmp_path / "disk", tmp_path / "left"
    root.mkdir()
    with FaultyDisk(root, Fault.POWER_LOST, 0, left) as disk:
        make_directory(root / name)
        (root / "forgotten").mkdir()
        disk.lose_power()
    assert (left / name).is_dir()
    assert {path.name for path in left.iterdir()} == {"a"}


def test_a_directory_may_be_there(tmp_path: Path) -> None:
    """Then nothing is made; a file in its place is an error."""
    make_directory(tmp_path)
    write_durably(tmp_path / "file", b"")
    with pytest.raises(FileExistsError):
        make_directory(tmp_path / "file")
