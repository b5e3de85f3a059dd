"""The story of a household, told to a real service of two processes."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving import running_service, small_registry

pytestmark = pytest.mark.usefixtures("unmeasured")

STORY = Path(__file__).resolve().parents[2] / "examples" / "journey.py"


def test_a_year_of_a_household_goes_as_the_story_says(tmp_path: Path) -> None:
    """From browsing to being forgotten: every check holds."""
    registry = small_registry(tmp_path / "models")
    with running_service(registry.root, tmp_path / "service", "--workers", "2") as service:
        told = subprocess.run(
            [sys.executable, str(STORY), service.target, "leeds-1", "porto-1"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.endswith("The end.\n")
    assert told.stdout.count("  ok: ") == 28
