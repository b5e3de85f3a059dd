"""Environments of the contestants: made once, kept until their packages change."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from recsvc.errors import UnavailableError
from tests.benchmarks.quality.contestants import Contestant


def python_of(contestant: Contestant, work: Path) -> Path:
    """The interpreter that runs a contestant; installs its environment if need be.

    Raises:
        UnavailableError: its packages cannot be installed; says pip's last line.
    """
    if not contestant.packages:
        return Path(sys.executable)
    folder = work / "environments" / contestant.library
    python = folder / "bin" / "python"
    wanted = "\n".join(contestant.packages)
    stamp = folder / f".installed-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    if stamp.exists():
        return python
    venv.create(folder, clear=True, with_pip=True)
    log = folder / "pip.log"
    with log.open("w") as output:
        code = subprocess.run(
            [str(python), "-m", "pip", "install", "--quiet", *contestant.packages],
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    if code:
        errors = [line for line in log.read_text().splitlines() if line.startswith("ERROR")]
        raise UnavailableError(f"not installed: {errors[-1] if errors else f'see {log}'}")
    stamp.touch()
    return python
