"""The lines of the log, and the facts of a call."""

import io
import json
import threading
import time

import pytest

from recsvc.logs import LINGER_SECONDS, Logger, collected_facts, make_logger, note
from recsvc.settings.logs import LogFormat, LogLevel
from tests.serving import wait_until


def test_a_line_is_one_json_object() -> None:
    """Whatever is in it, tracebacks included, an event is one line that a program reads."""
    stream = io.StringIO()
    logger = make_logger(LogLevel.INFO, LogFormat.JSON, stream)
    logger.debug("unseen")
    logger.error("broken", exc_info=ValueError("two\nlines"))
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "broken"
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (LogLevel.DEBUG, ["debug", "info", "warning", "error"]),
        (LogLevel.INFO, ["info", "warning", "error"]),
        (LogLevel.WARNING, ["warning", "error"]),
        (LogLevel.ERROR, ["error"]),
    ],
)
def test_what_is_below_the_level_is_not_written(level: LogLevel, expected: list[str]) -> None:
    stream = io.StringIO()
    logger = make_logger(level, LogFormat.JSON, stream)
    for name in ("debug", "info", "warning", "error"):
        getattr(logger, name)("said")
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == expected


def test_a_line_has_its_fields_in_order_and_the_time_in_utc() -> None:
    """To the microsecond, in every second."""
    stream, times = io.StringIO(), iter([1_790_000_000.25, 1_790_000_000.5, 1_790_000_001.0])
    logger = Logger(LogLevel.INFO, lambda _, fields: json.dumps(fields), stream, times.__next__)
    for n in range(3):
        logger.info("said", n=n)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [list(line) for line in lines] == [["n", "event", "level", "timestamp"]] * 3
    assert [line["timestamp"] for line in lines] == [
        "2026-09-21T14:13:20.250000Z",
        "2026-09-21T14:13:20.500000Z",
        "2026-09-21T14:13:21.000000Z",
    ]


def test_an_exception_is_logged_with_its_trace() -> None:
    """That of the one that is being handled."""
    stream = io.StringIO()
    try:
        int("lost")
    except ValueError:
        make_logger(LogLevel.ERROR, LogFormat.JSON, stream).exception("broken")
    line = json.loads(stream.getvalue())
    assert (line["level"], line["event"]) == ("error", "broken")
    assert "ValueError: invalid literal" in line["exception"]


def test_the_console_format_is_for_eyes() -> None:
    """Without a terminal there are no colours."""
    stream = io.StringIO()
    make_logger(LogLevel.INFO, LogFormat.CONSOLE, stream).info("hello", answer=42)
    assert "hello" in stream.getvalue()
    assert "answer=42" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


@pytest.mark.parametrize("log_format", LogFormat)
def test_a_traceback_shows_no_variables(log_format: LogFormat) -> None:
    """They hold customers' ids and coordinates."""
    stream = io.StringIO()

    def fail(customer_id: str) -> None:
        raise RuntimeError(f"of {len(customer_id)}")

    word = "particular"
    try:
        fail(f"very-{word}")  # so that no line of the source shows the whole
    except RuntimeError as error:
        make_logger(LogLevel.INFO, log_format, stream).error("broken", exc_info=error)
    assert "RuntimeError: of 15" in stream.getvalue()
    assert "very-particular" not in stream.getvalue()


def test_facts_belong_to_the_call_that_collects_them() -> None:
    """What is noted outside of every call, or inside an inner one, is not the outer one's."""
    note(lost=1)
    with collected_facts() as outer:
        note(a=1)
        with collected_facts() as inner:
            note(b=2)
        note(c=3)
    assert (outer, inner) == ({"a": 1, "c": 3}, {"b": 2})


class Stream(io.StringIO):
    """Remembers how often it was written to; may be slow or broken."""

    def __init__(self) -> None:
        super().__init__()
        self.n_begun = 0
        self.n_writes = 0
        self.is_broken = False
        self.is_open = threading.Event()
        self.is_open.set()

    def write(self, text: str) -> int:
        self.n_begun += 1
        assert self.is_open.wait(10)
        self.n_writes += 1
        if self.is_broken:
            raise BrokenPipeError
        return super().write(text)

    def said(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.getvalue().splitlines()]


def test_lines_that_may_wait_are_written_together() -> None:
    """All of them, in order; at the end at once."""
    stream = Stream()
    logger = make_logger(LogLevel.INFO, LogFormat.JSON, stream)
    with logger.lingering():
        for number in range(50):
            logger.info(str(number))
        wait_until(lambda: len(stream.said()) == 50)
        logger.info("last")
    assert stream.said() == [*map(str, range(50)), "last"]
    assert stream.n_writes < 10
    logger.info("after")
    assert stream.said()[-1] == "after"


def test_what_should_be_looked_at_is_written_at_once() -> None:
    """With the lines before it."""
    stream = Stream()
    logger = make_logger(LogLevel.INFO, LogFormat.JSON, stream)
    with logger.lingering():
        logger.info("before")
        logger.warning("look")
        assert stream.said() == ["before", "look"]


def test_a_line_waits_for_no_write() -> None:
    """Who reads the log may be slow, and calls must go on."""
    stream = Stream()
    logger = make_logger(LogLevel.INFO, LogFormat.JSON, stream)
    with logger.lingering():
        stream.is_open.clear()
        logger.info("first")
        time.sleep(2 * LINGER_SECONDS)  # by now who writes stands before the closed stream
        logger.info("second")
        assert stream.said() == []
        stream.is_open.set()
    assert stream.said() == ["first", "second"]


def test_a_log_that_nobody_reads_stops_no_call() -> None:
    """It is written to again once it can be."""
    stream = Stream()
    logger = make_logger(LogLevel.INFO, LogFormat.JSON, stream)
    with logger.lingering():
        stream.is_broken = True
        logger.info("lost")
        wait_until(lambda: stream.n_writes > 0)
        stream.is_broken = False
        logger.info("there")
        wait_until(lambda: stream.said() == ["there"])


def test_who_has_left_the_log_stops_nobody_who_speaks_at_once() -> None:
    """A supervisor writes into a terminal that is closed, and must still end in order."""
    stream = Stream()
    logger = make_logger(LogLevel.INFO, LogFormat.JSON, stream)
    stream.is_broken = True
    logger.info("draining")
    logger.warning("worker_killed")
    assert stream.n_writes == 2
    assert stream.said() == []


def test_a_line_that_waited_tells_the_time_of_its_event() -> None:
    """Not that of its writing."""
    stream, clock = Stream(), iter([0.25, 1.5])
    logger = Logger(LogLevel.INFO, lambda _, fields: json.dumps(fields), stream, clock.__next__)
    with logger.lingering():
        logger.info("first")
        logger.info("second")
    times = [json.loads(line)["timestamp"] for line in stream.getvalue().splitlines()]
    assert times == ["1970-01-01T00:00:00.250000Z", "1970-01-01T00:00:01.500000Z"]


def test_lines_that_nobody_reads_do_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """How many were lost is said once they are read again, where they are missing."""
    monkeypatch.setattr("recsvc.logs.MAX_WAITING", 3)
    stream = Stream()
    logger = make_logger(LogLevel.INFO, LogFormat.JSON, stream)
    with logger.lingering():
        stream.is_open.clear()
        logger.info("first")
        wait_until(lambda: stream.n_begun == 1)
        for number in range(5):
            logger.info(str(number))
        stream.is_open.set()
        wait_until(lambda: "log_lines_lost" in stream.said())
        logger.info("last")
    assert stream.said() == ["first", "0", "1", "2", "log_lines_lost", "last"]
    line = json.loads(stream.getvalue().splitlines()[-2])
    assert (line["level"], line["n_lines"]) == ("warning", 2)


def test_the_end_does_not_wait_for_ever_for_who_reads_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process ends, and what it has said last may be lost."""
    monkeypatch.setattr("recsvc.logs.END_SECONDS", LINGER_SECONDS)
    stream = Stream()
    logger = make_logger(LogLevel.INFO, LogFormat.JSON, stream)
    stream.is_open.clear()
    with logger.lingering():
        logger.info("first")
        wait_until(lambda: stream.n_begun == 1)
    assert is_written_by_a_thread()
    stream.is_open.set()
    wait_until(lambda: not is_written_by_a_thread())
    assert stream.said() == ["first"]


def is_written_by_a_thread() -> bool:
    return "log-writer" in {thread.name for thread in threading.enumerate()}
