"""Clients as a shop has them: some are always new, so that they come to all processes."""

import threading
from pathlib import Path

from recsvc.client import Client, tls_credentials
from recsvc.v1 import recommendation_service_pb2 as api

N_CLIENTS = 4
CHANNELS = 2


class Clients:
    """Clients that are used in turn, and renewed one after another.

    A connection stays with one process: without new ones a worker that comes back would idle.

    Args:
        target: ``HOST:PORT``.
        ca: roots that the server's certificate is checked with.
        key: file of the shop's API key.
        answer_seconds: how long a question may take.
    """

    def __init__(self, target: str, ca: Path, key: Path, answer_seconds: float) -> None:
        self._target = target
        self._answer_seconds = answer_seconds
        self._credentials = tls_credentials(ca)
        self._key = key.read_text()
        self._lock = threading.Lock()
        self._clients = [self._new() for _ in range(N_CLIENTS)]
        self._leaving: list[Client] = []
        self._turn = 0

    def _new(self) -> Client:
        return Client(
            self._target, channels=CHANNELS, credentials=self._credentials, token=self._key
        )

    def take(self) -> Client:
        """The next one."""
        with self._lock:
            self._turn += 1
            return self._clients[self._turn % N_CLIENTS]

    def ask(self, request: api.RecommendRequest) -> api.RecommendResponse:
        """Ask a question.

        Raises:
            RecsvcError: there is no answer in time.
        """
        return self.take().within(self._answer_seconds).recommend.send(request)

    def ask_batch(self, request: api.BatchRecommendRequest) -> api.BatchRecommendResponse:
        """Ask several questions at once.

        Raises:
            RecsvcError: there is no answer in time.
        """
        return self.take().within(self._answer_seconds).batch_recommend.send(request)

    def renew(self) -> None:
        """Replace one; the one before it, which nobody takes any more, is closed next time.

        To be called less often than a call takes at most.
        """
        fresh = self._new()
        with self._lock:
            self._turn += 1
            index = self._turn % N_CLIENTS
            left, self._leaving = self._leaving, [*self._leaving[-N_CLIENTS:], self._clients[index]]
            self._clients[index] = fresh
        for client in left[:-N_CLIENTS]:
            client.close()

    def close(self) -> None:
        """Close all."""
        for client in (*self._clients, *self._leaving):
            client.close()
