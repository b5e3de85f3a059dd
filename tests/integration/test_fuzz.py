"""A short form of ``make fuzz``, and what has failed there before."""

from pathlib import Path

import pytest

from tests.fuzz.files import fault_of, run_files
from tests.fuzz.kept import CORPUS, kept
from tests.fuzz.methods import methods
from tests.fuzz.requests import replayed, run_requests
from tests.fuzz.targets import targets

TARGETS = {target.name: target for target in targets()}
FILES = [(name, path.name) for name in TARGETS for path in kept(CORPUS, name)]


def test_hostile_requests_are_answered_in_the_words_of_the_api(tmp_path: Path) -> None:
    """Every status is in the table, nothing is logged that was not said, and the service lives."""
    found = run_requests(tmp_path, seed=1, n_requests=1_500, failures=tmp_path / "failures")

    assert found.faults == []
    assert found.n_requests >= 1_500
    assert found.n_calls - found.n_streams < found.n_sent <= found.n_requests
    assert found.n_streams > 0
    assert found.codes["OK"] > 100
    assert len(found.kinds) > 20


def test_requests_that_failed_before_do_not_fail_again(tmp_path: Path) -> None:
    """Those that ``make fuzz`` has found."""
    assert replayed(tmp_path, CORPUS).faults == []


def test_hostile_files_are_read_or_refused_in_words(tmp_path: Path) -> None:
    """By every reader."""
    found = run_files(seed=1, n_files=300, failures=tmp_path)

    assert found.faults == []
    assert found.n_files.total() == 300


@pytest.mark.parametrize(("reader", "name"), FILES)
def test_a_file_that_failed_before_does_not_fail_again(
    tmp_path: Path, reader: str, name: str
) -> None:
    """Those that ``make fuzz`` has found."""
    target = TARGETS[reader]
    path = tmp_path / target.file
    path.write_bytes((CORPUS / reader / name).read_bytes())

    fault, _ = fault_of(target, path)

    assert fault == ""


def test_what_is_kept_has_somebody_to_be_given_to() -> None:
    """A reader or a method that was renamed would leave its failures behind unread."""
    names = {*TARGETS, *(method.name for method in methods())}
    assert {path.name for path in CORPUS.iterdir() if path.is_dir()} <= names
