"""A server of the small model, and a client of it."""

from collections.abc import Iterator

import pytest

from recsvc.client import Client
from tests.serving import LocalServer, local_server, small_registry


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    registry = small_registry(tmp_path_factory.mktemp("client"))
    with local_server(registry.root) as running:
        yield running


@pytest.fixture
def client(server: LocalServer) -> Iterator[Client]:
    with Client(server.target, deadline_seconds=20) as connected:
        yield connected
