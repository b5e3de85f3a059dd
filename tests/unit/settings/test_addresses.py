"""``HOST:PORT``, taken apart."""

import pytest

from recsvc.settings.addresses import join_address, split_address


@pytest.mark.parametrize("address", ["127.0.0.1:0", "localhost:65535", "[::1]:80"])
def test_addresses_come_apart_and_together(address: str) -> None:
    """Host and port are split at the right colon."""
    assert join_address(*split_address(address)) == address


@pytest.mark.parametrize("text", ["50051", "host:70000", "[nonsense]:1", "::1:80", ":80", "a:b"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """An IPv6 host without brackets too: nobody knows where it ends."""
    with pytest.raises(ValueError):  # noqa: PT011  # the library's own words for what is in brackets
        split_address(text)
