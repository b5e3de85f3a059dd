"""Models changed under load: no call fails, and none mixes two."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recsvc.client import Client
from recsvc.v1 import recommendation_service_pb2 as api
from tests.serving import running_service, small_registry, wait_until

pytestmark = pytest.mark.usefixtures("unmeasured")

N_SWAPS = 20
CUSTOMERS = ("anna", "ben", "clara", "nobody")


class Load:
    """Calls on and on from threads of its own."""

    def __init__(self, target: str) -> None:
        self.responses: list[tuple[str, api.RecommendResponse]] = []
        self.errors: list[Exception] = []
        self._target = target
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        with Client(self._target, deadline_seconds=20) as client:
            while not self._stop.is_set():
                for customer in CUSTOMERS:
                    try:
                        self.responses.append((customer, client.recommend(customer)))
                    except Exception as error:  # noqa: BLE001  # the test's subject: there is none
                        self.errors.append(error)


def items(response: api.RecommendResponse) -> list[tuple[str, float]]:
    return [(item.product_id, item.score) for item in response.recommendations]


def test_twenty_swaps_under_load(tmp_path: Path) -> None:
    """Each response is exactly one version's list, over two processes; then one step back."""
    registry = small_registry(tmp_path / "models", 2)
    with (
        running_service(registry.root, tmp_path / "run", "--workers", "2") as service,
        Client(service.target, deadline_seconds=20) as client,
    ):
        expected = {}
        for version_id in ("v1", "v2"):
            client.activate_model(version_id)
            for customer in CUSTOMERS:
                expected[version_id, customer] = items(client.recommend(customer))
        products = [
            {product for customer in CUSTOMERS for product, _ in expected[version_id, customer]}
            for version_id in ("v1", "v2")
        ]
        assert not products[0] & products[1]

        load = Load(service.target)
        load.start()
        for swap in range(N_SWAPS):
            version_id = ("v1", "v2")[swap % 2]
            n_before = len(load.responses)
            if swap % 4 < 2:
                registry.promote(version_id, datetime.now(UTC))  # as recsvc-train promote does
            else:
                client.activate_model(version_id)
            generation = swap + 3  # one to begin with, and one for v2's expected lists
            wait_until(lambda g=generation: f"recsvc_model_generation {g}.0" in service.metrics())  # type: ignore[misc]  # a lambda's default
            wait_until(lambda n=n_before: len(load.responses) > n + 8)  # type: ignore[misc]  # a lambda's default
        load.stop()

        assert not load.errors
        seen = set()
        for customer, response in load.responses:
            version_id = response.serving.model.version_id
            seen.add(version_id)
            assert items(response) == expected[version_id, customer]
        assert seen == {"v1", "v2"}
        assert not service.lines("model_load_failed")

        change = client.rollback_model()
        assert (change.model.version_id, change.previous_version_id) == ("v1", "v2")
        assert items(client.recommend("anna")) == expected["v1", "anna"]
