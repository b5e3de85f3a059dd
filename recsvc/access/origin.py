"""Where a call comes from, as far as those who share it are one."""

from functools import lru_cache
from ipaddress import AddressValueError, IPv6Address
from urllib.parse import unquote

_IPV6 = "ipv6:"
_NETWORK_BYTES = 8
"""Of an IPv6 address: whoever has one is given all of its /64, and may call from any of them."""


def origin_of(peer: str) -> str:
    """Where a call comes from, without the port, which is another one for each connection.

    Args:
        peer: ``ipv4:HOST:PORT``, ``ipv6:%5BHOST%5D:PORT`` or ``unix:PATH``, as gRPC writes it.
    """
    origin = peer.rpartition(":")[0]
    return _network(origin) if origin.startswith(_IPV6) else origin


def origin_of_host(host: str) -> str:
    """Where a call comes from that a host makes, as :func:`origin_of` writes it."""
    return _network(_IPV6 + host) if ":" in host else f"ipv4:{host}"


@lru_cache(maxsize=4096)
def _network(origin: str) -> str:
    try:
        address = IPv6Address(unquote(origin.removeprefix(_IPV6)).strip("[]"))
    except AddressValueError:  # no address that is known here: it is counted as it stands
        return origin
    if address.ipv4_mapped is not None:  # which all have one /64
        return f"ipv4:{address.ipv4_mapped}"
    network = IPv6Address(address.packed[:_NETWORK_BYTES].ljust(16, b"\0"))
    return f"{_IPV6}{network}/64"
