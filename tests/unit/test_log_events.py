"""What the log may say, by the code and by the manual."""

import ast
import re
from collections.abc import Iterator

from tests.deployment import ROOT

LOGGERS = {"_logger", "logger"}
HANDED_ON = {"log_lines_lost", "anonymous_allowed", "plain_text"}
"""Those that are named in one place, and logged by their names in another."""


def said(tree: ast.AST) -> Iterator[str]:
    """The events that a module logs, of a worker or of the supervisor."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Attribute(attr=name) | ast.Name(id=name),
                    attr="debug" | "info" | "warning" | "error" | "exception",
                ),
                args=[ast.Constant(value=str(event)), *_],
            ) if name in LOGGERS:
                yield event
            case ast.Call(
                func=ast.Attribute(attr="_on_event") | ast.Name(id="on_event"),
                args=[ast.Constant(value=str(event)), *_],
            ):
                yield event


def test_every_event_is_in_the_manual_and_no_other() -> None:
    """Who reads one in the night looks it up there."""
    modules = [path for path in (ROOT / "recsvc").rglob("*.py") if path.parent.name != "v1"]
    sources = [path.read_text() for path in modules]
    assert all(any(f'"{event}"' in source for source in sources) for event in HANDED_ON)
    in_code = HANDED_ON.union(*(said(ast.parse(source)) for source in sources))
    manual = (ROOT / "docs" / "operations.md").read_text()
    table = manual.partition("\n| Event | When |\n")[2].partition("\n\n")[0]
    in_manual = [
        event for row in table.splitlines() for event in re.findall(r"`(\w+)`", row.split("|")[1])
    ]
    assert sorted(in_manual) == sorted(in_code)
