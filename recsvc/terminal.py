"""What all command lines share: how they end, and how they say what went wrong."""

import os
import pwd
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from recsvc import __version__
from recsvc.errors import FaultyFileError, InputError, RecsvcError, UnavailableError

if TYPE_CHECKING:
    from rich.console import Console

_INTERRUPTED = 130
"""What shells end with after Ctrl-C: 128 and the signal's number."""


class Place(NamedTuple):
    """Where a command is, or a command line of commands.

    Attributes:
        at: ``module:attribute``.
        help: its first sentence, so that a list of commands need not import them.
    """

    at: str
    help: str


def new_app(help_text: str, places: Mapping[str, Place] | None = None) -> typer.Typer:
    """A command line with plain errors, the help on ``-h`` too, and ``--version``.

    Args:
        help_text: what it is for.
        places: by name, commands, and command lines of commands, that are imported when they are
            called: none then waits for the libraries of the others.
    """
    app = typer.Typer(
        help=help_text,
        cls=_imported_late(places or {}),
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_common)
    return app


def _imported_late(places: Mapping[str, Place]) -> type[TyperGroup]:
    class Group(TyperGroup):
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            # What the help lists, and what is suggested for a name that was mistyped.
            listed = {name: TyperCommand(name, help=place.help) for name, place in places.items()}
            self.commands = {**listed, **self.commands}

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401  # Typer's classes are not public
            name, command, left = super().resolve_command(ctx, args)
            if name is not None and name in places:
                command = _command(name, places[name].at)
            return name, command, left

    return Group


def _command(name: str, place: str) -> Any:  # noqa: ANN401  # Typer's class is not public
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(rich_markup_mode=None, add_completion=False)
        alone.command(name)(found)
        found = alone
    command = typer.main.get_command(found)
    command.name = name
    return command


def _print_version(is_asked: bool) -> None:  # noqa: FBT001  # the signature is typer's
    if is_asked:
        sys.stdout.write(f"recsvc {__version__}\n")
        raise typer.Exit


def _common(
    *,
    version: Annotated[  # its callback does all
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    pass


def run(app: typer.Typer, arguments: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code, 0 only on success.

    An error of the user's, or of what the command needs, is one line on standard error
    and exit code 1, with a line more for each fault of a file; nothing here hides a defect
    of ours, which keeps its stack trace.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given:
        run(app, ["--help"])
        return 1
    try:
        code = app(args=given, standalone_mode=False)
    except FaultyFileError as error:
        return _fail(error.headline, faults=error.faults)
    except RecsvcError as error:
        return _fail(str(error))
    except typer.TyperException as error:
        return _fail(_usage_error(error))
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    if code == _INTERRUPTED:  # what typer makes of Ctrl-C, without a word
        return _fail("interrupted", _INTERRUPTED)
    return code if isinstance(code, int) else 0


def _usage_error(error: typer.TyperException) -> str:
    """What is wrong with a command line, and the command that explains it."""
    message = error.format_message()
    # Typer tells the command only to its errors of usage, whose class is not public.
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    return f"{message.strip().removesuffix('.')}; see {context.command_path} --help"


def _fail(message: str, code: int = 1, faults: Sequence[str] = ()) -> int:
    head, *rest = (" ".join(text.split()) for text in (message, *faults))
    sys.stderr.write("\n  ".join([f"error: {head}", *rest]) + "\n")
    return code


def new_console() -> "Console":
    """Where tables are printed: as wide as the terminal.

    A file or a pipe has no width; a table squeezed into 80 columns is no use to anybody.
    """
    from rich.console import Console  # noqa: PLC0415  # many commands print no table

    console = Console()
    return console if console.is_terminal else Console(width=160)


@contextmanager
def asking(target: str, timeout: float) -> Iterator[None]:
    """Around a call: who did not wait long enough is told the flag, not the client's argument."""
    try:
        yield
    except UnavailableError as error:
        if error.reason != "DEADLINE_EXCEEDED":
            raise
        raise UnavailableError(
            f"{target} did not answer within {timeout:g} s; try again, or wait longer "
            "with --timeout"
        ) from error


def whoami() -> str:
    """The user of this process and the machine, for the history; never the environment's word."""
    return f"{user_name(os.getuid())}@{socket.gethostname()}"


def user_name(uid: int) -> str:
    """The name of a user, or the number of one that has no name, as in many a container."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def attributes_of(pairs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What ``--attribute`` says, by name.

    Raises:
        InputError: one of ``pairs`` is no ``NAME=VALUE``.
    """
    found: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise InputError(f"--attribute {pair}: write it as NAME=VALUE, as in colour=red")
        found[name] = (*found.get(name, ()), value)
    return found
