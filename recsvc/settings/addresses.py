"""``HOST:PORT``, as it is set and shown. Imports next to nothing."""

import ipaddress
import re

_ADDRESS = re.compile(r"(\[[^\]]+\]|[^:\[\]]+):(\d{1,5})")
_MAX_PORT = 65535


def split_address(text: str) -> tuple[str, int]:
    """Split ``HOST:PORT``; an IPv6 host stands in brackets.

    Returns:
        The host without brackets, and the port, 0 to 65535.

    Raises:
        ValueError: it is no such address.
    """
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match[2]) > _MAX_PORT:
        raise ValueError("give HOST:PORT, for example 127.0.0.1:50051, or port 0 for a free one")
    host = match[1]
    if host.startswith("["):
        host = str(ipaddress.IPv6Address(host[1:-1]))
    return host, int(match[2])


def join_address(host: str, port: int) -> str:
    """The inverse of :func:`split_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
