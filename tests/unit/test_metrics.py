"""The service's numbers, and the page they are read from."""

import tempfile
import urllib.request

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.mmap_dict import mmap_key

from recsvc.errors import SettingsError
from recsvc.metrics import Children, Metrics, Totals
from recsvc.metrics_page import metrics_page
from recsvc.shared_numbers import NumbersFile


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


def test_many_observations_are_those_of_one_after_another() -> None:
    """In the same buckets, on their bounds and beyond the last as well."""
    amounts = [0.0001, 0.001, 0.0011, 5.0, 7.0, 0.0025, 0.001]
    found = []
    for is_together in (True, False):
        registry = CollectorRegistry()
        latency = Metrics(registry).latency.labels("Recommend")
        if is_together:
            latency.observe_all(amounts)
        else:
            for amount in amounts:
                latency.observe(amount)
        found.append(
            {
                (sample.name, sample.labels.get("le")): sample.value
                for metric in registry.collect()
                for sample in metric.samples
                if metric.name == "recsvc_request_seconds" and not sample.name.endswith("_created")
            }
        )
    assert found[0] == found[1]
    assert found[0]["recsvc_request_seconds_count", None] == len(amounts)


def test_totals_are_added_up_by_their_labels() -> None:
    """Those of one label, and of several in order."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    answers = Totals(metrics.answers, metrics.tallies)
    requests = Totals(metrics.requests, metrics.tallies)
    with metrics.tallies.lingering():
        answers["CACHE"].add()
        answers["CACHE"].add(2)
        answers["MODEL"].add()
        requests["Recommend", "OK"].add()
    for origin, n_answers in {"CACHE": 3, "MODEL": 1}.items():
        labels = {"served_from": origin}
        assert registry.get_sample_value("recsvc_answers_total", labels) == n_answers
    labels = {"method": "Recommend", "code": "OK"}
    assert registry.get_sample_value("recsvc_requests_total", labels) == 1


def test_the_page_has_all_workers_and_their_ends() -> None:
    """Counts stay, the present of one that has ended is forgotten, and ends are counted."""
    with metrics_page("127.0.0.1:0") as page:
        assert page.directory is not None
        for slot in range(2):
            told = NumbersFile(page.directory / f"gauge_livesum_{slot}.db", goes_on=False)
            told.put(mmap_key("workers", "workers", [], [], "Here."), 1, 0)
            counted = NumbersFile(page.directory / f"counter_{slot}.db", goes_on=True)
            counted.add(mmap_key("lists", "lists_total", [], [], "Made."), 1)
            told.sync()
            counted.sync()
        assert "lists_total 2.0" in _read(page.address)
        assert "workers 2.0" in _read(page.address)
        assert "recsvc_worker_exits_total 0.0" in _read(page.address)
        page.count_exit()
        page.forget(1)
        assert "lists_total 2.0" in _read(page.address)
        assert "workers 1.0" in _read(page.address)
        assert "recsvc_worker_exits_total 1.0" in _read(page.address)
    assert not page.directory.exists()


def test_without_room_for_a_folder_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else fails: there are lists all the same."""
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    with metrics_page("127.0.0.1:0") as page:
        assert page.directory is None
        page.forget(0)
        assert "recsvc_metrics_not_shared 1.0" in _read(page.address)


def test_a_worker_that_could_write_nothing_is_told_of() -> None:
    """Beside one that says of itself that all is well, and until it has written or ended."""
    name = "recsvc_metrics_not_shared"
    present = mmap_key(name, name, [], [], "Help.")
    with metrics_page("127.0.0.1:0") as page:
        assert page.directory is not None
        files = [page.directory / f"gauge_livemax_{slot}.db" for slot in range(3)]
        numbers = [NumbersFile(path, goes_on=False) for path in files]
        for each in numbers:
            each.put(present, 0, 0)
        for slot in range(3):
            page.expect(slot)
        numbers[0].sync()
        files[1].touch()  # there was room for its name alone
        series = f"\n{name} "
        said = _read(page.address)
        assert f"{series}1.0\n" in said
        assert said.count(series) == 1
        numbers[1].sync()
        assert f"{series}1.0\n" in _read(page.address)
        page.forget(2)
        assert f"{series}0.0\n" in _read(page.address)


def test_the_page_can_be_off_and_its_port_in_use() -> None:
    """Off, workers still have their folder; a port in use is one line."""
    with metrics_page("") as page:
        assert page.address == ""
        assert page.directory is not None
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
