"""Logs and metrics."""

import io
import json
import os
import subprocess
import sys
import urllib.request

import pytest

from recsvc.errors import SettingsError
from recsvc.settings import LogFormat, LogLevel
from recsvc.telemetry import collected_facts, make_logger, metrics_page, note


def test_a_line_is_one_json_object() -> None:
    """Whatever is in it, tracebacks included, an event is one line that a program reads."""
    stream = io.StringIO()
    logger = make_logger(LogLevel.INFO, LogFormat.JSON, stream)
    logger.debug("unseen")
    logger.error("broken", exc_info=ValueError("two\nlines"))
    (line,) = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "broken"
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


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
