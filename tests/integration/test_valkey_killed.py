"""Valkey dies under a running client: no call fails, and the service heals by itself."""

import os
import signal
import threading
import time
from pathlib import Path

from recsvc.client import Client
from recsvc.v1 import recommendation_service_pb2 as api
from tests.serving import running_service, small_registry, wait_until

BACK_TO_NORMAL_SECONDS = 5.0


class Caller(threading.Thread):
    """Asks the same thing again and again, and keeps the answers with their time."""

    def __init__(self, target: str) -> None:
        super().__init__()
        self.answers: list[tuple[float, api.ServingInfo]] = []
        self.errors: list[Exception] = []
        self.stopping = threading.Event()
        self._target = target

    def run(self) -> None:
        with Client(self._target, deadline_seconds=20) as client:
            while not self.stopping.is_set():
                try:
                    response = client.recommend("anna")
                except Exception as error:  # noqa: BLE001  # the test's subject: there is none
                    self.errors.append(error)
                else:
                    assert response.recommendations
                    self.answers.append((time.monotonic(), response.serving))

    def since(self, when: float) -> list[api.ServingInfo]:
        """Answers that came after a moment."""
        return [serving for at, serving in list(self.answers) if at > when]


def test_valkey_killed_under_a_running_client(tmp_path: Path) -> None:
    """Degraded with its reason while it is gone; cached lists again soon after its return."""
    registry = small_registry(tmp_path / "models")
    # A second of patience: a busy machine is not a dead Valkey.
    with running_service(
        registry.root, tmp_path / "run", RECSVC_REDIS_TIMEOUT_MS="1000"
    ) as service:
        caller = Caller(service.target)
        caller.start()
        wait_until(lambda: len(caller.answers) > 20)
        assert caller.answers[-1][1].served_from == api.SERVED_FROM_CACHE
        assert not caller.answers[-1][1].degraded

        killed_at = time.monotonic()
        os.kill(int(service.lines("valkey_started")[-1]["pid"]), signal.SIGKILL)
        wait_until(lambda: any(serving.degraded for serving in caller.since(killed_at)))
        wait_until(lambda: len(service.lines("valkey_started")) == 2)
        returned_at = time.monotonic()
        wait_until(
            lambda: any(
                serving.served_from == api.SERVED_FROM_CACHE
                for serving in caller.since(returned_at)
            ),
            BACK_TO_NORMAL_SECONDS,
        )
        well_at = time.monotonic()
        wait_until(lambda: len(caller.since(well_at)) > 20)
        caller.stopping.set()
        caller.join()

    assert not caller.errors
    reasons = {s.degraded_reason for s in caller.since(killed_at) if s.degraded}
    assert reasons == {"STORE_UNAVAILABLE"}
    assert not any(serving.degraded for serving in caller.since(well_at))
