"""SIGHUP to ``recsvc serve``: other workers without a refused call, or the ones before."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from recsvc.access.api_keys import write_api_keys
from recsvc.artifacts.registry import Registry
from recsvc.client import Client
from recsvc.errors import RecsvcError, UnavailableError
from tests.serving import (
    START_SECONDS,
    Service,
    corrupt,
    running_service,
    small_registry,
    wait_until,
)

AGAIN_SECONDS = 1.0
MOST_ASKED_AGAIN = 2
"""Where nobody listened for a while, three callers without a break would ask again all the time."""


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return small_registry(tmp_path / "registry").root


class Load:
    """Callers who ask without a break, each time over a new connection or over one that stays."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._call, args=(keeps,)) for keeps in (True, True, False)
        ]
        self.n_answered = 0
        self.n_asked_again = 0
        self.failures: list[RecsvcError | AssertionError] = []

    def _call(self, keeps: bool) -> None:  # noqa: FBT001  # threads hand arguments over by place
        while not self._stop.is_set():
            with Client(self._target, deadline_seconds=20) as client:
                self._ask(client)
                while keeps and not self._stop.is_set():
                    self._ask(client)

    def _ask(self, client: Client) -> None:
        try:
            assert self._recommended(client)
            self.n_answered += 1
        except (RecsvcError, AssertionError) as error:
            self.failures.append(error)

    def _recommended(self, client: Client) -> int:
        """How many products are; asks once more where nobody listened, as callers are told to."""
        try:
            return len(client.recommend("anna").recommendations)
        except UnavailableError as error:
            if error.reason != "UNREACHABLE":  # what a worker says is no want of one
                raise
        # The client's own retries take .35 s. A connection that was reset is made anew within that,
        # unless the machine is busy with other things.
        self.n_asked_again += 1
        time.sleep(AGAIN_SECONDS)
        return len(client.recommend("anna").recommendations)

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Ask inside, and before and after what happens there."""
        for thread in self._threads:
            thread.start()
        try:
            wait_until(lambda: self.n_answered > 10, START_SECONDS)
            yield
            n_before = self.n_answered
            wait_until(lambda: self.n_answered > n_before + 10, START_SECONDS)
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()


def rolled(service: Service, event: str = "roll_ended") -> None:
    """Ask for other workers, and wait for what comes of it."""
    service.process.send_signal(signal.SIGHUP)
    wait_until(lambda: bool(service.lines(event)), START_SECONDS)


def pids(service: Service, event: str) -> set[int]:
    return {int(line["pid"]) for line in service.lines(event)}


def test_other_workers_without_a_refused_call(registry: Path, tmp_path: Path) -> None:
    """Each call is answered, to who asks again as usual, and the old processes are gone."""
    with running_service(registry, tmp_path, "--workers", "2") as service:
        old = pids(service, "worker_ready")
        load = Load(service.target)
        with load.under_way():
            rolled(service)
        assert not load.failures
        assert load.n_asked_again <= MOST_ASKED_AGAIN
        assert pids(service, "worker_replaced") == old
        assert len(pids(service, "worker_ready") - old) == 2
        assert not service.lines("worker_exited")
        assert not service.lines("worker_killed")
        assert 'version_id="v1"} 2.0' in service.metrics()


def test_a_single_worker_is_replaced_as_well(registry: Path, tmp_path: Path) -> None:
    """It has a supervisor too."""
    with running_service(registry, tmp_path) as service:
        load = Load(service.target)
        with load.under_way():
            rolled(service)
        assert not load.failures
        assert load.n_asked_again <= MOST_ASKED_AGAIN
        assert len(pids(service, "worker_ready")) == 2


def test_a_file_that_cannot_be_used_replaces_nobody(registry: Path, tmp_path: Path) -> None:
    """The workers go on as they were, the log says what to do, and once it is mended so it goes."""
    keys = tmp_path / "keys.json"
    keys.write_bytes(write_api_keys(()))
    keys.chmod(0o600)
    env = {
        "RECSVC_API_KEYS_FILE": str(keys),
        "RECSVC_ALLOW_ANONYMOUS": "anyone-who-reaches-the-port",
    }
    with running_service(registry, tmp_path / "service", "--workers", "2", **env) as service:
        old = pids(service, "worker_ready")
        content = keys.read_bytes()
        keys.write_bytes(b"{")
        rolled(service, "roll_stopped")
        assert "error: RECSVC_API_KEYS_FILE" in service.log
        assert "send SIGHUP again" in service.lines("roll_stopped")[0]["hint"]
        assert pids(service, "worker_ready") == old
        for pid in old:
            os.kill(pid, 0)
        keys.write_bytes(content)
        rolled(service)
        assert pids(service, "worker_replaced") == old


def test_a_damaged_model_replaces_nobody(registry: Path, tmp_path: Path) -> None:
    """The workers that have loaded it go on; one without would turn everybody away."""
    with running_service(registry, tmp_path, "--workers", "2") as service:
        load = Load(service.target)
        with load.under_way():
            corrupt(Registry(registry), "v1")
            rolled(service, "roll_stopped")
        assert not load.failures
        assert load.n_asked_again <= MOST_ASKED_AGAIN
        assert "promote one that is whole" in service.log
        assert len(pids(service, "worker_ready")) == 2


def test_sigterm_during_a_roll_ends_all(registry: Path, tmp_path: Path) -> None:
    """Those that start and those that drain, too; what runs is answered."""
    with running_service(registry, tmp_path, "--workers", "2") as service:
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(service.lines("worker_started")) == 3, START_SECONDS)
        assert service.stop() == 0
        for pid in pids(service, "worker_started"):
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
        assert not service.lines("worker_killed")  # as the end of the grace would have


def test_a_roll_that_is_asked_for_while_the_service_starts(registry: Path, tmp_path: Path) -> None:
    """SIGHUP waits until somebody waits for it; without a terminal it ends nobody."""
    pointer, aside, log = registry / "current.json", tmp_path / "aside", tmp_path / "log"
    pointer.rename(aside)
    os.mkfifo(pointer)  # whoever reads it waits for who writes
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "recsvc.cli", "serve", "--registry", str(registry)],
            stderr=stderr,
            env={
                **os.environ,
                "RECSVC_DATA_DIR": str(tmp_path / "valkey"),
                "RECSVC_LISTEN": "127.0.0.1:0",
            },
            start_new_session=True,
        )
    try:
        starting = _writer(pointer)
        process.send_signal(signal.SIGHUP)
        content = aside.read_bytes()
        aside.replace(pointer)
        os.write(starting, content)
        os.close(starting)
        wait_until(lambda: "roll_ended" in log.read_text(), START_SECONDS)
        process.terminate()
        assert process.wait(START_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
    assert "roll_waits" in log.read_text()


def _writer(pipe: Path) -> int:
    """The writing end of a named pipe, once somebody reads it."""
    found: list[int] = []

    def is_open() -> bool:
        with suppress(OSError):  # nobody does yet
            found.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        return bool(found)

    wait_until(is_open, START_SECONDS)
    return found[0]


def test_a_worker_takes_no_notice_of_a_signal_meant_for_its_supervisor(
    registry: Path, tmp_path: Path
) -> None:
    """It would else be killed by it."""
    with running_service(registry, tmp_path) as service, Client(service.target) as client:
        (pid,) = pids(service, "worker_ready")
        os.kill(pid, signal.SIGHUP)
        for _ in range(20):
            assert client.within(20).recommend("anna").recommendations
        assert not service.lines("worker_exited")
