"""A bare synchronous grpcio server that always answers with the same bytes: what gRPC itself costs.

``python -m tests.benchmarks.speed.echo PORT REPLY [URL KEY]``; with the last two each call also
gets ``KEY`` from the Redis of that URL, with redis-py.
"""

import sys
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import redis


def serve(port: int, reply: bytes, client: "redis.Redis | None", key: str) -> None:
    """Answer every call of ``/echo.Echo/Get`` until the process is stopped."""

    def answer(_request: bytes, _context: grpc.ServicerContext) -> Any:  # noqa: ANN401  # bytes, or what Redis holds
        return reply if client is None else client.get(key)

    handler: grpc.RpcMethodHandler[bytes, Any] = grpc.unary_unary_rpc_method_handler(
        answer, None, None
    )
    server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("echo.Echo", {"Get": handler}),)
    )
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    server.wait_for_termination()


if __name__ == "__main__":
    _, given_port, reply_file, *store = sys.argv
    client = redis.Redis.from_url(store[0]) if store else None
    serve(int(given_port), Path(reply_file).read_bytes(), client, store[1] if store else "")
