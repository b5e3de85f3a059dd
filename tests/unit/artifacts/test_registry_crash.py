"""Wherever a writer is interrupted, and however, the registry reads well and can be written again.

A step is any call by which publishing, promoting and pruning change the disk; see ``faulty_disk``.
Each is tried with each fault that it can have.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count, product
from pathlib import Path

import numpy as np
import pytest

from recsvc.artifacts.registry import Registry
from tests.unit.artifacts.dying_writer import End, Job, bring_in
from tests.unit.artifacts.faulty_disk import Fault
from tests.unit.artifacts.samples import NOW, publish_sample, sample_arrays

ROOT = Path(__file__).parents[3]
A_DAY_AGO = 2 * 24 * 3600
NEEDS_ROOM = {"open", "write", "mkdir", "fsync"}
IS_TOLD = {Fault.FULL, Fault.UNFLUSHED}
"""The process lives, and says what has failed."""


class Writers:
    """Writers that all are forks of one process, since that has imported everything.

    Args:
        process: which reads jobs and writes their ends.
        folder: where each has a registry of its own.
    """

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process = process
        self._folder = folder
        self._numbers = count()

    def interrupted(self, before: Path, fault: Fault, fatal_step: int) -> tuple[End, Path]:
        """Bring ``new`` into a copy of a disk; return how it ended, and the disk after that."""
        disk = self._folder / f"{fault.name}-{fatal_step}-{next(self._numbers)}"
        shutil.copytree(before, disk)
        survivors = disk.with_suffix(".survivors")
        job = Job(str(disk / "registry"), "new", fault, fatal_step, str(survivors))
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        end = End(**json.loads(self._process.stdout.readline()))
        return end, survivors if survivors.exists() else disk


@pytest.fixture(scope="module")
def writers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Writers]:
    command = [sys.executable, "-m", "tests.unit.artifacts.dying_writer"]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield Writers(process, tmp_path_factory.mktemp("writers"))


@pytest.fixture
def serving(tmp_path: Path) -> Path:
    """A disk with a registry that serves ``old``, and needs ``ancient`` no more."""
    disk = tmp_path / "serving"
    disk.mkdir()
    registry = Registry(disk / "registry")
    publish_sample(registry, version_id="ancient", name="ancient")
    registry.promote(publish_sample(registry, version_id="old", name="old"), NOW)
    return disk


def cases(steps: tuple[str, ...]) -> Iterator[tuple[Fault, int]]:
    """Every fault at every step that can have it; a loss of power also after the last one."""
    for (number, step), fault in product(enumerate(steps, 1), Fault):
        if fault is Fault.TORN and step != "write":
            continue
        if fault is Fault.FULL and step not in NEEDS_ROOM:
            continue
        if fault is Fault.UNFLUSHED and step != "fsync":
            continue
        if step == "end" and fault not in {Fault.POWER_LOST, Fault.NAMES_ALONE}:
            continue
        yield fault, number


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
    error, _ = bring_in(Job(str(registry.root), "next", Fault.KILLED, 0, ""))
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
    end, _ = writers.interrupted(serving, Fault.KILLED, fatal_step=0)
    assert end.error == ""
    served = dict.fromkeys(Fault, "")
    n_cases = 0
    for fault, number in cases(end.steps):
        ended, disk = writers.interrupted(serving, fault, number)
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
    end, _ = writers.interrupted(disk, Fault.KILLED, fatal_step=0)
    for number, fault in product(range(1, len(end.steps)), (Fault.KILLED, Fault.POWER_LOST)):
        _, left = writers.interrupted(disk, fault, number)
        registry = Registry(left / "registry")
        if has_begun(registry):
            for info in registry.versions():
                check_version(registry, info.version_id)
        check_next(registry)
