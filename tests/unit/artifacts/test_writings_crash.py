"""Wherever a writer is interrupted, what it writes beside the models is there as before or whole.

As ``test_registry_crash`` has it of models: every step by which the disk is changed, with each
fault that it can have.
"""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from recsvc.access.keys_file import read_keys_file
from recsvc.artifacts.experiment_shelf import KIND, running
from recsvc.artifacts.registry import Registry
from tests.unit.artifacts import writings
from tests.unit.artifacts.crashes import IS_TOLD, Writers, cases, known_of, running_writers
from tests.unit.artifacts.faulty_disk import Fault, FaultyDisk


@pytest.fixture(scope="module")
def writers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writers]:
    with running_writers(tmp_path_factory.mktemp("writers"), writings.__name__) as them:
        yield them


def rules(root: Path) -> list[str]:
    """The words in force; every other version can be read as well."""
    shelf = Registry(root).documents("rules")
    for version_id in shelf.versions():
        assert len(json.loads(shelf.read(version_id)[1])) == 1
    return list(json.loads(shelf.read()[1])) if shelf.pointer() else []


def experiments(root: Path) -> list[str]:
    """Those that run."""
    return [each.experiment_id for each in running(Registry(root).documents(KIND))]


def decisions(root: Path) -> list[str]:
    """Products that are withdrawn."""
    return [subject for entry in Registry(root).ledger.read(0)[0] for subject in entry.subjects]


def keys(root: Path) -> list[str]:
    """Services that are let in."""
    return [key.name for key in read_keys_file(root / "keys.json")]


class Writing(NamedTuple):
    """What is written.

    Attributes:
        write: a task.
        found: what a reader finds of it.
        added: whether it comes to what was there, or in its place.
    """

    write: Callable[[Path, str], None]
    found: Callable[[Path], list[str]]
    added: bool = True

    @property
    def task(self) -> str:
        """Its name for another process."""
        return f"{writings.__name__}:{self.write.__name__}"


WRITINGS = [
    Writing(writings.publish_rules, rules, added=False),
    Writing(writings.start_experiment, experiments),
    Writing(writings.decide, decisions),
    Writing(writings.add_key, keys),
]


@pytest.mark.parametrize("old", [[], ["old"]], ids=["first", "next"])
@pytest.mark.parametrize("writing", WRITINGS, ids=[each.found.__name__ for each in WRITINGS])
def test_what_was_or_what_is_new_is_found_whole(
    writers: Writers, tmp_path: Path, writing: Writing, old: list[str]
) -> None:
    """And whoever writes next can, and what they write outlives a loss of power."""
    disk = tmp_path / "disk"
    (disk / "registry").mkdir(parents=True)
    for word in old:
        writing.write(disk / "registry", word)
    new = sorted([*old, "new"]) if writing.added else ["new"]
    end, _ = writers.interrupted(disk, Fault.KILLED, 0, task=writing.task)
    assert end.error == ""
    assert "write" in end.steps
    seen = dict.fromkeys(Fault, old)
    for fault, number in cases(end.steps):
        ended, left = writers.interrupted(disk, fault, number, task=writing.task)
        root = left / "registry"
        found = sorted(writing.found(root))
        assert found in (old, new), (fault, number, end.steps)
        if fault in IS_TOLD:
            assert ended.signal == 0
            assert ended.error
        else:
            assert ended.signal == signal.SIGKILL
            # What was there once is not gone at a later step.
            assert (seen[fault], found) != (new, old), (fault, number, end.steps)
            seen[fault] = found
        if number == len(end.steps):  # all was said to be done, and that holds
            assert found == new
        then = sorted([*found, "next"]) if writing.added else ["next"]
        survivors = left.with_suffix(".next")
        with FaultyDisk(left, Fault.KILLED, 0, survivors, known_of(left)) as next_disk:
            writing.write(root, "next")
            next_disk.lose_power()
        assert sorted(writing.found(root)) == then
        assert sorted(writing.found(survivors / "registry")) == then, (fault, number, end.steps)
