"""No room where the workers' numbers lie: there are lists all the same, and no count is lost."""

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from recsvc.client import Client
from tests.disks import fill, small_disk
from tests.serving import START_SECONDS, Service, running_service, small_registry, wait_until


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with small_disk(folder, 1) as is_own:
        if not is_own:
            pytest.skip("only root may mount a disk that can be filled")
        yield folder


def number(service: Service, series: str) -> float:
    """The sum of a series over all labels."""
    return sum(
        sample.value
        for family in text_string_to_metric_families(service.metrics())
        for sample in family.samples
        if sample.name == series
    )


def asked(service: Service, n_times: int) -> int:
    """Ask for lists, each of another shopper and over connections of its own, and for other things.

    Returns:
        How many calls were made, at least: clients ask again where the machine is busy.
    """
    for each in range(n_times):
        with Client(service.target) as shop:
            assert shop.recommend(f"shopper {each}").recommendations
            shop.list_models()
    return 2 * n_times


def test_a_full_disk_costs_no_list_no_worker_and_no_count(disk: Path, tmp_path: Path) -> None:
    """Neither what is counted for the first time nor a worker that is started then needs room."""
    registry = small_registry(tmp_path / "models").root
    n_asked = "recsvc_requests_total"
    with running_service(registry, tmp_path / "run", "--workers", "2", TMPDIR=str(disk)) as service:
        fill(disk / "ballast")
        n_calls = asked(service, 20)
        wait_until(lambda: bool(service.lines("metrics_not_shared")))
        wait_until(lambda: number(service, "recsvc_metrics_not_shared") > 0)
        assert not service.lines("worker_exited")
        os.kill(service.lines("worker_ready")[0]["pid"], signal.SIGKILL)
        wait_until(lambda: len(service.lines("worker_ready")) == 3, START_SECONDS)
        n_lost = n_calls  # at most: what the one that was killed could not write
        n_calls += asked(service, 20)
        assert number(service, "recsvc_model_workers") == 2
        (disk / "ballast").unlink()
        wait_until(lambda: number(service, "recsvc_metrics_not_shared") == 0)
        wait_until(lambda: number(service, n_asked) >= n_calls - n_lost)
        before = number(service, n_asked)
        n_new = asked(service, 5)
        wait_until(lambda: number(service, n_asked) >= before + n_new)
        assert [line["code"] for line in service.lines("worker_exited")] == [-signal.SIGKILL]
        assert number(service, "recsvc_worker_exits_total") == 1


def test_a_service_that_starts_with_hardly_any_room_gives_lists(disk: Path, tmp_path: Path) -> None:
    """And its numbers come once there is some."""
    registry = small_registry(tmp_path / "models").root
    fill(disk / "ballast")
    # Without a page Python would look for a folder elsewhere; the numbers need one for each file.
    os.truncate(disk / "ballast", (disk / "ballast").stat().st_size - resource.getpagesize())
    with running_service(registry, tmp_path / "run", TMPDIR=str(disk)) as service:
        n_calls = asked(service, 3)
        wait_until(lambda: bool(service.lines("metrics_not_shared")))
        (disk / "ballast").unlink()
        wait_until(lambda: number(service, "recsvc_requests_total") >= n_calls)
        wait_until(lambda: bool(service.lines("metrics_shared")))
        assert len(service.lines("metrics_not_shared")) == 1


def test_files_do_not_pile_up_and_counts_do_not_fall(tmp_path: Path) -> None:
    """Whether workers are killed or rolled: who comes next goes on in the same files."""
    registry = small_registry(tmp_path / "models").root
    folder = tmp_path / "numbers"
    folder.mkdir()
    with running_service(
        registry, tmp_path / "run", "--workers", "2", TMPDIR=str(folder)
    ) as service:
        n_calls = asked(service, 10)
        wait_until(lambda: number(service, "recsvc_requests_total") >= n_calls)
        n_ready, slots = 2, set[str]()
        for n_rolls in (1, 2):
            os.kill(service.lines("worker_ready")[-1]["pid"], signal.SIGKILL)
            wait_until(lambda n=n_ready + 1: len(service.lines("worker_ready")) == n, START_SECONDS)  # type: ignore[misc]  # a lambda's default
            service.process.send_signal(signal.SIGHUP)
            wait_until(lambda n=n_rolls: len(service.lines("roll_ended")) == n, START_SECONDS)  # type: ignore[misc]  # likewise
            n_ready += 3
            assert number(service, "recsvc_requests_total") >= n_calls
            assert number(service, "recsvc_model_workers") == 2
            slots |= {path.stem.rpartition("_")[2] for path in folder.glob("recsvc-metrics-*/*")}
        assert slots == {"0", "1", "2"}
