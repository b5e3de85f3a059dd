"""How command lines end."""

import re
from typing import Annotated

import pytest
import typer

from recsvc import __version__
from recsvc.errors import FaultyFileError, InputError
from recsvc.terminal import Place, new_app, run


@pytest.fixture
def app() -> typer.Typer:
    """A command line with an end of every kind."""
    app = new_app("Ends in many ways.\n\nExample: ends well")

    @app.command()
    def well() -> None:
        """End well."""
        typer.echo("done")

    @app.command()
    def count(n: Annotated[int, typer.Option("--n", min=1, help="How many.")]) -> None:
        """Count."""
        typer.echo(str(n))

    @app.command()
    def wrong() -> None:
        """Raise an error for people."""
        raise InputError("events.csv: no column\n  'x'; name the right one")

    @app.command()
    def faulty() -> None:
        """Raise an error of several faults."""
        raise FaultyFileError("rules.toml: cannot be used", ["line 1: one\n  thing", "line 9: two"])

    @app.command()
    def leave(code: int) -> None:
        """End with a code."""
        raise typer.Exit(code)

    @app.command()
    def interrupt() -> None:
        """End as Ctrl-C does."""
        raise KeyboardInterrupt

    @app.command()
    def abort() -> None:
        """End as a prompt that is refused does."""
        raise typer.Abort

    @app.command()
    def defect() -> None:
        """Fail by our own fault."""
        raise ZeroDivisionError

    return app


def test_success_is_zero(app: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    """A command that works ends with 0 and says only what it has to."""
    assert run(app, ["well"]) == 0
    assert capsys.readouterr() == ("done\n", "")


def test_an_error_is_one_line(app: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    """An error for people is one line on standard error, whatever line breaks it holds."""
    assert run(app, ["wrong"]) == 1
    assert capsys.readouterr() == (
        "",
        "error: events.csv: no column 'x'; name the right one\n",
    )


def test_each_fault_of_a_file_is_a_line(
    app: typer.Typer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Below what they are faults of, in their order, each by itself."""
    assert run(app, ["faulty"]) == 1
    assert capsys.readouterr() == (
        "",
        "error: rules.toml: cannot be used\n  line 1: one thing\n  line 9: two\n",
    )


@pytest.mark.parametrize(
    ("arguments", "named", "command"),
    [
        (["count"], "--n", " count"),
        (["count", "--n", "many"], "--n", " count"),
        (["count", "--n", "0"], "--n", " count"),
        (["count", "--m", "1"], "--m", " count"),
        (["well", "surplus"], "surplus", " well"),
        (["leave"], "code", " leave"),
        (["no-such-command"], "no-such-command", ""),
    ],
)
def test_a_wrong_call_is_one_line_that_names_it(
    app: typer.Typer,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    named: str,
    command: str,
) -> None:
    """Missing, unknown and unreadable arguments end with 1, their name and where the help is."""
    assert run(app, arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert named in err
    assert re.search(rf"[^.]; see \S.*{command} --help\n$", err)


def test_an_error_without_a_command_has_no_hint(
    app: typer.Typer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Typer does not say whose option lacks its value; its words are passed on as they are."""
    assert run(app, ["count", "--n"]) == 1
    assert capsys.readouterr().err == "error: Option '--n' requires an argument.\n"


def test_the_version_is_told(app: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the package, since its commands come together; before anything else is looked at."""
    assert run(app, ["--version", "no-such-command"]) == 0
    assert capsys.readouterr() == (f"recsvc {__version__}\n", "")


@pytest.mark.parametrize("code", [0, 1, 3])
def test_a_command_may_choose_its_code(app: typer.Typer, code: int) -> None:
    """What a command exits with is what the process ends with."""
    assert run(app, ["leave", str(code)]) == code


@pytest.mark.parametrize("command", ["interrupt", "abort"])
def test_an_interruption_has_the_shells_code(
    app: typer.Typer, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Ctrl-C ends with 130 and without a stack trace."""
    assert run(app, [command]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_defect_keeps_its_stack_trace(app: typer.Typer) -> None:
    """An error that nobody raised on purpose is not made to look like the user's."""
    with pytest.raises(ZeroDivisionError):
        run(app, ["defect"])


def test_nothing_given_prints_the_help(
    app: typer.Typer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without arguments the help is shown and the code is not 0, nothing having been done."""
    monkeypatch.setattr("sys.argv", ["ends"])

    assert run(app) == 1
    assert "Ends in many ways." in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_commands(
    app: typer.Typer, capsys: pytest.CaptureFixture[str], flag: str
) -> None:
    """Both help flags list every command with its sentence."""
    assert run(app, [flag]) == 0
    out = capsys.readouterr().out
    assert "End well." in out
    assert "Example: ends well" in out
    assert run(app, ["count", flag]) == 0
    assert "How many." in capsys.readouterr().out


@pytest.fixture
def late() -> typer.Typer:
    """A command line whose commands are elsewhere."""
    places = {
        "when": Place(f"{__name__}:when", "Say when."),
        "more": Place(f"{__name__}:more", "Say more."),
    }
    return new_app("Answers late.", places)


def when() -> None:
    """Say when."""
    typer.echo("now")


more = new_app("Say more.")
more.command("when")(when)


def test_commands_elsewhere_are_found_when_they_are_called(
    late: typer.Typer, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name, in the help, and below another command line."""
    assert run(late, ["when"]) == 0
    assert run(late, ["more", "when"]) == 0
    assert capsys.readouterr() == ("now\nnow\n", "")
    assert run(late, ["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[-2:]] == [
        ["when", "Say", "when."],
        ["more", "Say", "more."],
    ]


def test_a_command_elsewhere_is_suggested(
    late: typer.Typer, capsys: pytest.CaptureFixture[str]
) -> None:
    """As those that are here are."""
    assert run(late, ["wen"]) == 1
    assert "Did you mean 'when'?" in capsys.readouterr().err


def test_a_command_does_not_import_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither does the help, nor what is said of one that there is not."""
    places = {
        "when": Place(f"{__name__}:when", "Say when."),
        "never": Place("no.such.module:command", "Say never."),
    }
    late = new_app("Answers late.", places)
    assert run(late, ["when"]) == 0
    assert run(late, ["--help"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["never", "Say", "never."]
    assert run(late, ["nevr"]) == 1
    assert "Did you mean 'never'?" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):
        run(late, ["never"])
