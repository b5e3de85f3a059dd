"""Progress of a run: bars on a terminal, lines in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Reporter(Protocol):
    """Where a run says what it does."""

    def stage(
        self, name: str, total: int | None = None
    ) -> AbstractContextManager[Callable[[], None]]:
        """Open a stage; yields what to call after each of ``total`` units of work."""

    def log(self, message: str) -> None:
        """Say one line."""


class ConsoleReporter:
    """Bars where the console is a terminal, one line a stage where it is a file.

    Args:
        console: where to write; standard error keeps standard output for results.
        quiet: write nothing.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description:<44}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._plain = not quiet and not console.is_terminal
        self._quiet = quiet

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    @contextmanager
    def stage(self, name: str, total: int | None = None) -> Iterator[Callable[[], None]]:
        """A bar of ``total`` ticks; a stage without ticks fills at its end."""
        started = time.monotonic()
        task = self._progress.add_task(name, total=total or 1)
        ticked = total is not None
        yield lambda: self._progress.advance(task)
        if not ticked:
            self._progress.advance(task)
        self._progress.stop_task(task)
        if self._plain:
            self.log(f"{name}: {time.monotonic() - started:.1f} s")

    def log(self, message: str) -> None:
        """Say one line, above the bars."""
        if not self._quiet:
            # As it is: a path may hold what rich takes for markup, a log has no width.
            self._console.print(message, markup=False, emoji=False, highlight=False, soft_wrap=True)
