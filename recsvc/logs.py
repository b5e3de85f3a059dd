"""Logs: set-up, and the facts of a call. None ever holds a customer's id or coordinates."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from recsvc.settings.logs import LogFormat, LogLevel

_DEBUG, _INFO, _WARNING, _ERROR = 10, 20, 30, 40
LINGER_SECONDS = 0.05

MAX_WAITING = 10_000
"""So many lines wait for who reads the log, a few MB; of the others only their number is said."""

END_SECONDS = 2.0
"""So long at most the end waits for who reads the log."""

_Said = tuple[str, str, float, dict[str, Any]]
"""Level, event, unix seconds and fields of a line."""

_PATIENT = frozenset({"debug", "info"})
_LEVELS = {
    LogLevel.DEBUG: _DEBUG,
    LogLevel.INFO: _INFO,
    LogLevel.WARNING: _WARNING,
    LogLevel.ERROR: _ERROR,
}


class Logger:
    """Writes one line an event to a stream; safe to share between threads.

    A line a call is on the path of every answer, and a chain of processors costs as much as all
    else around a call together: a line is rendered in one step, by structlog only where it is for
    eyes or holds a traceback.

    Args:
        level: what is below it is not written.
        render: makes the line of a level and an event, its name and its time among its fields.
        stream: where to.
        now: unix seconds.
    """

    def __init__(
        self,
        level: LogLevel,
        render: Callable[[str, dict[str, Any]], str],
        stream: TextIO,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._level = _LEVELS[level]
        self._render = render
        self._stream = stream
        self._now = now
        # Rendered, or still to be: what is added by one step of the interpreter needs no lock.
        self._lines: list[str | _Said] = []
        self._n_lost = 0
        self._counting = threading.Lock()  # held by who counts lines that are lost
        self._writing = threading.Lock()  # held by who writes: lines stay in order
        self._lingers = False
        self._has_lines = threading.Event()
        self._second = -1, ""

    def debug(self, event: str, **fields: object) -> None:
        """Say what only who looks for a fault wants to read."""
        if self._level <= _DEBUG:
            self._write("debug", event, fields)

    def info(self, event: str, **fields: object) -> None:
        """Say what happens."""
        if self._level <= _INFO:
            self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Say what somebody should look at."""
        if self._level <= _WARNING:
            self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Say what has failed; ``exc_info`` adds a traceback."""
        self._write("error", event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """Say what has failed, with the traceback of the exception that is being handled."""
        self._write("error", event, {"exc_info": True, **fields})

    def _write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        said = (level, event, self._now(), fields)
        if self._lingers and level in _PATIENT:
            if len(self._lines) >= MAX_WAITING:  # one more for each thread does no harm
                with self._counting:
                    self._n_lost += 1
                return
            self._lines.append(said)
            if not self._has_lines.is_set():
                self._has_lines.set()
            return
        self._lines.append(self._line(said))  # here, where its exception is being handled
        with suppress(OSError):  # who reads the log has left, a terminal for example
            self.flush()

    def _line(self, said: _Said) -> str:
        level, event, time, fields = said
        fields |= {"event": event, "level": level, "timestamp": self._time(time)}
        return self._render(level, fields) + "\n"

    def flush(self) -> None:
        """Write what waits."""
        with self._writing:
            lines = self._lines[:]
            del self._lines[: len(lines)]
            with self._counting:
                n_lost, self._n_lost = self._n_lost, 0
            if n_lost:
                lines.append(("warning", "log_lines_lost", self._now(), {"n_lines": n_lost}))
            if lines:
                rendered = [line if isinstance(line, str) else self._line(line) for line in lines]
                self._stream.write("".join(rendered))
                self._stream.flush()

    @contextmanager
    def lingering(self) -> Iterator[None]:
        """Let lines below warnings wait a moment inside, and write many at once.

        A write lets other threads go first, and on the path of every answer that costs more than
        the line; a line that waits is rendered when it is written, of fields that nobody else may
        change. Whatever should be looked at is written at once, with all lines before it. While
        nobody reads the log, lines wait up to a number; so many as come then are lost, which a line
        says once it can be written.
        """
        self._lingers = True
        thread = threading.Thread(target=self._linger, name="log-writer", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._lingers = False
            self._has_lines.set()
            thread.join(END_SECONDS)

    def _linger(self) -> None:
        lingers = True
        while lingers:
            self._has_lines.wait()
            self._has_lines.clear()
            time.sleep(LINGER_SECONDS)  # so that many lines make one write
            lingers = self._lingers  # first: once it ends no line waits for the next round
            with suppress(OSError, ValueError):  # who reads the log has left; calls go on
                self.flush()

    def _time(self, now: float) -> str:
        """A time as ISO 8601; all but its fraction is written once a second."""
        second = int(now)
        known, text = self._second
        if known != second:
            text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second, text
        return f"{text}.{int(1_000_000 * (now - second)):06}Z"


def make_logger(level: LogLevel, log_format: LogFormat, stream: TextIO) -> Logger:
    """Build a logger that writes one line an event to ``stream``; there is no global one."""
    if log_format is LogFormat.JSON:
        return Logger(level, _as_json, stream)
    import structlog  # noqa: PLC0415  # with what it imports, a tenth of the start of a worker

    console = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(),
        # The default prints local variables: customers' ids and coordinates.
        exception_formatter=structlog.dev.plain_traceback,
    )
    return Logger(level, lambda name, fields: console(None, name, fields), stream)


_encode = json.JSONEncoder(default=repr).encode


def _as_json(level: str, fields: dict[str, Any]) -> str:
    if "exc_info" in fields:
        from structlog.processors import format_exc_info  # noqa: PLC0415  # of lines that hold a traceback alone

        return _encode(format_exc_info(None, level, fields))
    return _encode(fields)


_facts: ContextVar[dict[str, Any] | None] = ContextVar("recsvc_facts", default=None)


class CollectedFacts:
    """Collects what :func:`note` is told inside a ``with``, for the one log line of a call.

    A class, since a generator would cost three times as much on the path of every answer.
    """

    __slots__ = ("_token", "facts")

    def __enter__(self) -> dict[str, Any]:
        self.facts: dict[str, Any] = {}
        self._token = _facts.set(self.facts)
        return self.facts

    def __exit__(self, *_: object) -> None:
        _facts.reset(self._token)


def collected_facts() -> CollectedFacts:
    """Collect what :func:`note` is told inside."""
    return CollectedFacts()


def note(**facts: str | float) -> None:
    """Add facts to the log line of the call that is being answered, if there is one."""
    collected = _facts.get()
    if collected is not None:
        collected.update(facts)
