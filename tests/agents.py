"""What tests of the agents' door share."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mcp import StdioServerParameters
from mcp_types import CallToolResult, TextContent

from tests.serving import START_SECONDS

ROOT = Path(__file__).resolve().parents[1]
MODES = {"auto": "2026-07-28", "legacy": "2025-11-25"}
"""How the SDK's client is told which revision to speak: the current one, and the one before."""


def command(*flags: str) -> list[str]:
    """``recsvc mcp`` with flags."""
    return [sys.executable, "-m", "recsvc.cli", "mcp", *flags]


def over_stdio(*flags: str, **env: str) -> StdioServerParameters:
    """What starts the door over stdio."""
    program, *arguments = command(*flags)
    # The SDK gives the child a few harmless variables alone.
    kept = {name: value for name, value in os.environ.items() if name.startswith("COV")}
    return StdioServerParameters(
        command=program, args=arguments, env={"PYTHONPATH": str(ROOT), **kept, **env}, cwd=ROOT
    )


@contextmanager
def over_http(log: Path, *flags: str, http: str = "127.0.0.1:0", **env: str) -> Iterator[str]:
    """Run the door over HTTP in a process of its own; yields its URL."""
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            command("--http", http, *flags),
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **env},
            cwd=ROOT,
        ) as process,
    ):
        assert process.stdout is not None
        try:
            readable, _, _ = select.select([process.stdout], [], [], START_SECONDS)
            line = process.stdout.readline().decode() if readable else ""
            assert line.startswith("listening on http://"), f"{line!r}; log: {log.read_text()}"
            yield line.removeprefix("listening on ").strip()
        finally:
            process.terminate()
            code = process.wait(START_SECONDS)
        assert code == 0, log.read_text()


def given(result: CallToolResult) -> dict[str, Any]:
    """The structured answer of a call that went well."""
    assert not result.is_error, result.content
    content = result.structured_content
    assert isinstance(content, dict)
    return content


def refused(result: CallToolResult) -> str:
    """What a call that went wrong was told."""
    assert result.is_error, result.structured_content
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def product_ids(result: CallToolResult) -> list[str]:
    """The products of a list."""
    return [product["product_id"] for product in given(result)["products"]]
