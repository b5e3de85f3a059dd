"""The examples, run as their readers run them."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import LocalServer, local_server, small_registry

pytestmark = pytest.mark.usefixtures("unmeasured")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    registry = small_registry(tmp_path_factory.mktemp("examples"))
    with local_server(registry.root) as running:
        yield running


def recommend(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the Python example."""
    return subprocess.run(
        [sys.executable, str(ROOT / "examples" / "recommend.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_agents_talk_goes_as_it_is_told(tmp_path: Path) -> None:
    """Its own checks hold: in stock, within the budget, not that one, nobody else's list."""
    registry = small_registry(tmp_path / "models").root
    result = subprocess.run(
        [
            *(sys.executable, str(ROOT / "examples" / "agent.py"), str(registry)),
            *("anna", "leeds-1", "ben", "GBP", "6", "Food;Drinks"),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "some that it has: Drinks > Coffee; " in result.stdout
    assert "> customer_id: ignored." in result.stdout
    assert "| 1 | milk | Whole milk | 1.15 | yes | You bought this on" in result.stdout


def test_the_python_example_shows_two_lists(server: LocalServer) -> None:
    """At home and at the store, five products each, with titles and reasons."""
    result = recommend(server.target, "anna", "leeds-1")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    headings = [line for line in lines if line.startswith("anna ")]
    assert headings == ["anna at home", "anna at leeds-1"]
    products = [line for line in lines if line[:3].strip().isdigit()]
    assert [int(line[:3]) for line in products] == [1, 2, 3, 4, 5] * 2
    assert "Espresso beans" in products[0]
    assert "You have bought this 3 times" in products[0]


def test_the_python_example_says_the_servers_refusal(server: LocalServer) -> None:
    """The reason and the text in one line, and exit code 1."""
    result = recommend(server.target, "x" * 257, "leeds-1")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        "FIELD_INVALID: shopper.customer_id: has 257 bytes; at most 256 are allowed\n"
    )
