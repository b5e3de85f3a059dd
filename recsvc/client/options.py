"""How a client is connected: deadlines, retries, channels, credentials."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc

# gRPC would wait for a second before it connects again, longer than all of the retries below.
_RECONNECT_MS = 100

# UNAVAILABLE is the one code that may be retried without a thought: see docs/api.md.
_RETRY_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.5s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """What a client was told of its server.

    Attributes:
        target: ``HOST:PORT``, or any other name that gRPC resolves.
        channels: connections, used in turn.
        credentials: of TLS; None sends plain text.
        token: sent as ``authorization: Bearer TOKEN``; a function is asked at each call.
    """

    target: str
    channels: int = 1
    credentials: grpc.ChannelCredentials | None = None
    token: str | Callable[[], str] = ""

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ValueError(f"channels: {self.channels} are too few; give 1 or more")

    def metadata(self) -> Metadata:
        """What goes along with a call."""
        token = self.token() if callable(self.token) else self.token
        return (("authorization", f"Bearer {token}"),) if token else ()

    def options(self, retried: Sequence[tuple[str, str]]) -> list[tuple[str, str | int]]:
        """Channel options.

        Args:
            retried: service and method of what may be asked again.
        """
        names = [{"service": service, "method": method} for service, method in retried]
        config = {"methodConfig": [{"name": names, "retryPolicy": _RETRY_POLICY}]}
        return [
            ("grpc.service_config", json.dumps(config)),
            ("grpc.initial_reconnect_backoff_ms", _RECONNECT_MS),
            # Otherwise all channels of a process to one address share one connection.
            ("grpc.use_local_subchannel_pool", 1),
        ]
