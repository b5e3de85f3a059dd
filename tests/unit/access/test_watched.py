"""Files that are read again."""

from pathlib import Path

import pytest

from recsvc.access.watched import NamedFile, Watched
from recsvc.errors import SettingsError
from tests.serving import Log


class Bench:
    """Two files that belong together: both say the same word."""

    def __init__(self, directory: Path) -> None:
        self.files = [NamedFile(f"RECSVC_{name}", directory / name) for name in ("A", "B")]
        self.log = Log()
        self.write("old", "old")
        self.watched = Watched(self.files, self.same, self.log.logger)

    def write(self, first: str, second: str) -> None:
        for file, word in zip(self.files, (first, second), strict=True):
            file.path.write_text(word)

    def same(self, first: bytes, second: bytes) -> str:
        if first != second:
            raise self.files[0].unusable("they differ")
        return first.decode()

    @property
    def complaints(self) -> list[str]:
        return [line["error"] for line in self.log.lines("access_file_unusable")]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_changes_is_read_again(bench: Bench) -> None:
    """And said so, once."""
    assert not bench.watched.refresh()
    bench.write("new", "new")
    assert bench.watched.refresh()
    assert not bench.watched.refresh()
    assert bench.watched.value == "new"
    assert len(bench.log.lines("access_file_read")) == 1


def test_what_cannot_be_used_leaves_what_held(bench: Bench) -> None:
    """It is told once, and only if it stays: two files are not written in one moment."""
    bench.write("new", "old")
    assert not bench.watched.refresh()
    assert (bench.watched.value, bench.complaints) == ("old", [])
    for _ in range(3):
        bench.watched.refresh()
    assert bench.watched.value == "old"
    assert bench.complaints == [f"RECSVC_A: {bench.files[0].path} cannot be used: they differ"]
    bench.write("new", "new")
    assert bench.watched.refresh()


def test_a_file_that_everybody_may_write_to_leaves_what_held(bench: Bench) -> None:
    """Whoever it is that has written to it."""
    bench.write("new", "new")
    bench.files[0].path.chmod(0o666)
    for _ in range(2):
        bench.watched.refresh()
    assert "every user of this machine may write to it (mode 666)" in bench.complaints[0]
    assert (bench.watched.value, bench.watched.is_unusable) == ("old", True)
    bench.files[0].path.chmod(0o644)
    assert bench.watched.refresh()
    assert not bench.watched.is_unusable


def test_at_the_start_less_may_be_enough(bench: Bench) -> None:
    """What has changed since then has to be as good as ever."""
    bench.write("new", "old")
    watched = Watched(
        bench.files, bench.same, bench.log.logger, at_start=lambda *parts: b"+".join(parts).decode()
    )
    assert watched.value == "new+old"
    assert not watched.refresh()
    bench.write("newer", "old")
    assert not watched.refresh()
    assert watched.value == "new+old"


def test_a_file_that_is_gone_leaves_what_held(bench: Bench) -> None:
    """As while another one is put in its place."""
    bench.files[1].path.unlink()
    for _ in range(2):
        bench.watched.refresh()
    assert "RECSVC_B" in bench.complaints[0]
    assert "no such file" in bench.complaints[0]
    assert bench.watched.value == "old"
    bench.write("old", "old")
    assert not bench.watched.refresh()
    bench.files[1].path.unlink()
    bench.watched.refresh()
    assert len(bench.complaints) == 1  # a new trouble, seen once


def test_at_the_start_there_is_nothing_to_fall_back_on(tmp_path: Path) -> None:
    """So it is an error."""
    file = NamedFile("RECSVC_A", tmp_path / "none")
    with pytest.raises(SettingsError, match=r"RECSVC_A: .*none cannot be used: no such file"):
        Watched([file], bytes.decode, Log().logger)
