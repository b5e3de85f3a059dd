"""Wherever a writer is interrupted, and however, the registry reads well and can be written again.

A step is any call by which publishing, promoting and pruning change the disk; see ``faulty_disk``.
Each is tried with each fault that it can have.
"""

import fcntl
import os
import signal
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from recsvc.artifacts.registry import Registry
from tests.unit.artifacts import writings
from tests.unit.artifacts.crashes import IS_TOLD, Writers, cases, running_writers
from tests.unit.artifacts.dying_writer import Job, bring_in
from tests.unit.artifacts.faulty_disk import Fault
from tests.unit.artifacts.samples import NOW, publish_sample, sample_arrays

PUBLISH = f"{writings.__name__}:publish_model"
A_DAY_AGO = 2 * 24 * 3600


@pytest.fixture(scope="module")
def writers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writers]:
    with running_writers(tmp_path_factory.mktemp("writers"), writings.__name__) as them:
        yield them


@pytest.fixture
def serving(tmp_path: Path) -> Path:
    """A disk with a registry that serves ``old``, and needs ``ancient`` no more."""
    disk = tmp_path / "serving"
    disk.mkdir()
    registry = Registry(disk / "registry")
    publish_sample(registry, version_id="ancient", name="ancient")
    registry.promote(publish_sample(registry, version_id="old", name="old"), NOW)
    return disk


def has_begun(registry: Registry) -> bool:
    """Whether it can be asked what it has; else it says that it is no registry."""
    return (registry.root / "versions").is_dir()


def check_version(registry: Registry, version_id: str) -> None:
    """Every byte of a version is that of the manifest, and of this version."""
    manifest, arrays = registry.load(version_id, verify=True)
    assert manifest.version_id == version_id
    expected = sample_arrays(version_id)
    assert arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(arrays[name], array)


def check_next(registry: Registry) -> None:
    """Nobody holds the lock, and another version can be served, after which nothing is left."""
    if (path := registry.root / "lock").exists():
        with path.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    for left in (registry.root / "staging").glob("*"):
        day_ago = left.stat().st_mtime - A_DAY_AGO
        os.utime(left, (day_ago, day_ago))
    before = registry.pointer() if has_begun(registry) else None
    error, _ = bring_in(Job(PUBLISH, str(registry.root), "next"))
    assert error == ""
    after = registry.pointer()
    assert after
    assert after.version_id == "next"
    check_version(registry, "next")
    assert after.generation == (before.generation if before else 0) + 1
    assert registry.history()[-1].version_id == "next"
    assert list((registry.root / "staging").iterdir()) == []


def test_the_old_version_or_the_new_one_is_served_whole(
    writers: Writers, serving: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader who comes afterwards never sees a third thing, and whoever publishes next can."""
    end, _ = writers.interrupted(serving, Fault.KILLED, 0, task=PUBLISH)
    assert end.error == ""
    served = dict.fromkeys(Fault, "")
    n_cases = 0
    for fault, number in cases(end.steps):
        ended, disk = writers.interrupted(serving, fault, number, task=PUBLISH)
        n_cases += 1
        registry = Registry(disk / "registry")
        if fault in IS_TOLD:
            assert ended.signal == 0
            assert "the disk's free space" in ended.error
            # Where removing has failed, what is to go waits for whoever publishes next.
            left = {path.name for path in (registry.root / "staging").iterdir()}
            assert all(name.startswith("ancient-") for name in left)
        else:
            assert ended.signal == signal.SIGKILL
        pointer = registry.pointer()
        assert pointer
        assert pointer.version_id in {"old", "new"}
        # What was there once is not gone at a later step.
        assert (served[fault], pointer.version_id) != ("new", "old")
        served[fault] = pointer.version_id
        assert registry.history()[-1].version_id == pointer.version_id
        version_ids = {info.version_id for info in registry.versions()}
        assert pointer.version_id in version_ids
        for version_id in version_ids:
            check_version(registry, version_id)
        if number == len(end.steps):  # all was said to be done, and that holds
            assert pointer.version_id == "new"
            assert version_ids == {"new", "old"}
        check_next(registry)
    n_steps = len(end.steps) - 1
    assert n_steps >= 30
    with capsys.disabled():
        print(f"\npublishing was interrupted at {n_steps} steps, in {n_cases} ways", end=" ")  # noqa: T201  # a figure for people


def test_a_registry_can_be_made_where_making_it_was_interrupted(
    writers: Writers, tmp_path: Path
) -> None:
    """What is half a registry is completed by the next publish."""
    disk = tmp_path / "empty"
    disk.mkdir()
    end, _ = writers.interrupted(disk, Fault.KILLED, 0, task=PUBLISH)
    for number, fault in product(range(1, len(end.steps)), (Fault.KILLED, Fault.POWER_LOST)):
        _, left = writers.interrupted(disk, fault, number, task=PUBLISH)
        registry = Registry(left / "registry")
        if has_begun(registry):
            for info in registry.versions():
                check_version(registry, info.version_id)
        check_next(registry)
