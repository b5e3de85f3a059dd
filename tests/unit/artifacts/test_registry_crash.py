"""Whenever a writer is killed, the registry reads well."""

import signal
import subprocess
import sys
from pathlib import Path

from recsvc.artifacts.registry import Registry
from tests.unit.artifacts.samples import NOW, publish_sample, sample_arrays

ROOT = Path(__file__).parents[3]


def write_until(root: Path, fatal_step: int) -> int:
    """Publish and promote in another process that dies at a step; return its exit code."""
    command = [
        sys.executable,
        "-m",
        "tests.unit.artifacts.dying_writer",
        str(root),
        str(fatal_step),
    ]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=60).returncode


def test_a_registry_reads_well_wherever_its_writer_was_killed(tmp_path: Path) -> None:
    """Every listed version is whole, and the pointer is the old one or the new one."""
    registry = Registry(tmp_path / "registry")
    publish_sample(registry, version_id="v1")
    before = registry.promote("v1", NOW)
    n_published = 1
    for fatal_step in range(1, 100, 4):
        exit_code = write_until(registry.root, fatal_step)
        versions = registry.versions()
        assert len(versions) - n_published in {0, 1}
        n_published = len(versions)
        for info in versions:
            assert info.error is None
            assert registry.load(info.version_id)[1].keys() == sample_arrays().keys()
        pointer = registry.pointer()
        assert pointer is not None
        assert pointer == before or pointer.previous[0] == before.version_id
        assert registry.load("current")[0].version_id == pointer.version_id
        before = pointer
        if exit_code == 0:
            break
        assert exit_code == -signal.SIGKILL
    else:
        raise AssertionError("the writer was killed at every step, so none was its last")
    assert fatal_step > 20
    assert before.version_id != "v1"
    assert registry.rollback(NOW).generation == before.generation + 1


def test_a_registry_can_be_made_where_making_it_was_interrupted(tmp_path: Path) -> None:
    """A directory that is half a registry is completed by the next publish."""
    registry = Registry(tmp_path / "registry")
    for fatal_step in (2, 3, 4):
        assert write_until(registry.root, fatal_step) == -signal.SIGKILL
    version_id = publish_sample(registry)
    assert registry.promote(version_id, NOW).generation == 1
