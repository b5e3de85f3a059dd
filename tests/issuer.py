"""An issuer of tokens that publishes its keys, on this machine."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Issuer(ThreadingHTTPServer):
    """Publishes what it is told."""

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.body = body
        self.status = 200
        self.headers: dict[str, str] = {}
        self.asked: list[str] = []
        self.speaks = threading.Event()
        self.speaks.set()

    @property
    def n_asked(self) -> int:
        return len(self.asked)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/keys"


class _Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:  # its base class's
        self.server.asked.append(self.path)
        self.server.speaks.wait()
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def running_issuer(body: bytes) -> Iterator[Issuer]:
    """Publish something."""
    with Issuer(body) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
