"""Progress on terminals and in logs."""

import io
import re

import pytest
from rich.console import Console

from training.progress import ConsoleReporter


def console(*, is_terminal: bool) -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=is_terminal, width=100), out


def test_a_log_gets_one_line_a_stage() -> None:
    """Away from a terminal there are no bars and no control codes: a line with the seconds."""
    to, out = console(is_terminal=False)

    with ConsoleReporter(to) as reporter:
        with reporter.stage("fit the factors"):
            reporter.log("12 customers")
        with reporter.stage("evaluate", 3) as tick:
            tick()

    said = re.sub(r"\d+\.\d s", "0.0 s", out.getvalue())
    assert said == "12 customers\nfit the factors: 0.0 s\nevaluate: 0.0 s\n"


def test_a_terminal_gets_bars() -> None:
    """On a terminal every stage is a bar that ends full, with or without ticks."""
    to, out = console(is_terminal=True)

    with ConsoleReporter(to) as reporter:
        with reporter.stage("read"):
            pass
        with reporter.stage("evaluate", 2) as tick:
            tick()
            tick()

    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    assert re.search(r"read +━+ 1/1", said)
    assert re.search(r"evaluate +━+ 2/2", said)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_quiet_says_nothing(*, is_terminal: bool) -> None:
    """A quiet run writes no line and no bar, wherever it runs."""
    to, out = console(is_terminal=is_terminal)

    with ConsoleReporter(to, quiet=True) as reporter, reporter.stage("read", 1) as tick:
        tick()
        reporter.log("nothing")

    assert out.getvalue() == ""


@pytest.mark.parametrize("message", ["5 rows -> [bold]/x[/y].csv", "a" * 150 + " " + "b" * 150])
def test_a_line_is_said_as_it_is(message: str) -> None:
    """Square brackets of a path are no markup, and a long line in a log is not broken."""
    to, out = console(is_terminal=False)

    with ConsoleReporter(to) as reporter:
        reporter.log(message)

    assert out.getvalue() == message + "\n"
