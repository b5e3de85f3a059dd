"""Who shares a place that calls come from."""

import pytest

from recsvc.access.origin import origin_of, origin_of_host


@pytest.mark.parametrize(
    ("host", "peer"),
    [
        ("192.0.2.7", "ipv4:192.0.2.7:4711"),
        ("2001:db8::1", "ipv6:%5B2001:db8::1%5D:4711"),
        ("2001:db8::2", "ipv6:%5B2001:db8::1%5D:4712"),  # of one /64
        ("::ffff:192.0.2.7", "ipv4:192.0.2.7:4711"),
    ],
)
def test_a_host_is_where_its_calls_come_from(host: str, peer: str) -> None:
    """Over HTTP as over gRPC."""
    assert origin_of_host(host) == origin_of(peer)


def test_what_is_no_address_stands_for_itself() -> None:
    """A proxy may say anything."""
    assert origin_of_host("a:b") != origin_of_host("a:c")
