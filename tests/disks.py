"""A small disk of a test's own, which may be filled."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def small_disk(folder: Path, mib: int) -> Iterator[bool]:
    """Make a folder a disk in memory of that size; whether that is allowed here."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "recsvc-tests", str(folder)]
    unmount = ["umount", "--lazy", str(folder)]
    is_own = os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0
    try:
        yield is_own
    finally:
        if is_own:
            subprocess.run(unmount, check=True)


def fill(ballast: Path) -> None:
    """Leave no byte free on the disk of a file, until it is removed."""
    zeros = bytes(1 << 16)
    with ballast.open("wb", buffering=0) as file:  # to see a full disk at once
        try:
            while file.write(zeros) == len(zeros):
                pass
            while file.write(b"0"):
                pass
        except OSError:  # full, as it should be
            return
