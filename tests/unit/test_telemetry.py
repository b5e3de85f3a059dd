"""Logs and metrics."""

import io
import json
import os
import subprocess
import sys
import urllib.request

import pytest
from prometheus_client import CollectorRegistry

from recsvc.errors import SettingsError
from recsvc.settings import LogFormat, LogLevel
from recsvc.telemetry import (
    Children,
    Logger,
    Metrics,
    collected_facts,
    make_logger,
    metrics_page,
    note,
)


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


def test_the_children_of_a_metric_are_looked_up_by_their_labels() -> None:
    """By the only one, or by all of them in order; one that is known stays the same."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    answers, requests = Children(metrics.answers), Children(metrics.requests)
    answers["CACHE"].inc()
    requests["Recommend", "OK"].inc()
    assert answers["CACHE"] is metrics.answers.labels("CACHE")
    labels = {"method": "Recommend", "code": "OK"}
    assert registry.get_sample_value("recsvc_requests_total", labels) == 1


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


WORKER = """
from prometheus_client import CollectorRegistry
from recsvc.telemetry import Metrics
metrics = Metrics(CollectorRegistry())
metrics.answers.labels("MODEL").inc()
metrics.model_workers.labels("tiny", "v1").set(1)
"""


def test_the_page_adds_up_all_workers() -> None:
    """Counters of all processes are summed, and a dead one's present is forgotten."""
    with metrics_page("127.0.0.1:0") as page:
        env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(page.directory)}
        pids = []
        for _ in range(2):
            with subprocess.Popen([sys.executable, "-c", WORKER], env=env) as worker:
                pids.append(worker.pid)
            assert worker.returncode == 0
        assert 'recsvc_answers_total{served_from="MODEL"} 2.0' in _read(page.address)
        assert 'recsvc_model_workers{model_id="tiny",version_id="v1"} 2.0' in _read(page.address)
        page.forget(pids[0])
        assert 'recsvc_answers_total{served_from="MODEL"} 2.0' in _read(page.address)
        assert 'recsvc_model_workers{model_id="tiny",version_id="v1"} 1.0' in _read(page.address)
    assert not page.directory.exists()


def test_the_page_can_be_off_and_its_port_in_use() -> None:
    """Off, workers still have their folder; a port in use is one line."""
    with metrics_page("") as page:
        assert page.address == ""
        assert page.directory.is_dir()
    with (
        metrics_page("127.0.0.1:0") as page,
        pytest.raises(SettingsError, match="--metrics-listen: cannot listen on"),
        metrics_page(page.address),
    ):
        pass  # pragma: no cover  # never reached


def _read(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics") as page:  # our own
        return str(page.read().decode())
