import pytest

from recsvc.errors import SettingsError
from recsvc.service.ports import CacheKey
from recsvc.store.keys import N_PARTITIONS, KeySchema, partition_of


def test_response_key_is_spelled_as_documented() -> None:
    """The layout is an agreement between processes of different versions: it does not drift."""
    key = KeySchema("shop-1").response(CacheKey(12, "8f2e", "c41a"))
    assert key == "shop-1:v1:{p:38}:list:12:8f2e:c41a"


def test_partition_depends_on_the_customer_alone() -> None:
    """Every key of a customer carries the same hash tag, so they share a cluster slot."""
    first = KeySchema().response(CacheKey(1, "abc", "01"))
    second = KeySchema().response(CacheKey(2, "abc", "02"))
    tag = f"{{p:{partition_of('abc'):02}}}"
    assert tag in first
    assert tag in second


def test_partitions_are_all_used() -> None:
    """Hashes spread over every partition and none lies outside."""
    assert {partition_of(f"{n:x}") for n in range(5000)} == set(range(N_PARTITIONS))


@pytest.mark.parametrize("namespace", ["", "a:b", "a{b}", "a b", "a\n", "x" * 65, "magasin-é"])
def test_namespace_that_would_blur_keys_is_refused(namespace: str) -> None:
    """A namespace with a colon, a brace or a space is a one-line settings error."""
    with pytest.raises(SettingsError, match="RECSVC_NAMESPACE") as caught:
        KeySchema(namespace)
    assert "\n" not in str(caught.value)
