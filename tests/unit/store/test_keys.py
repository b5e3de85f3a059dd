import re

import pytest

from recsvc.errors import SettingsError
from recsvc.identity import N_PARTITIONS, partition_of
from recsvc.service.cache_port import CacheKey
from recsvc.store.keys import KeySchema


def test_response_key_is_spelled_as_documented() -> None:
    """The layout is an agreement between processes of different versions: it does not drift."""
    key = KeySchema("shop-1").response(CacheKey(12, "8f2e", "c41a"))
    assert key == "shop-1:v1:{p:38}:list:12:8f2e:c41a"
    keys = KeySchema("shop-1")
    names = keys.of_list(CacheKey(12, "8f2e", "c41a"))
    assert names == (key, keys.live("8f2e"), keys.person("8f2e"))
    claim = KeySchema("shop-1").claim(CacheKey(12, "8f2e", "c41a"), 5)
    assert claim == "shop-1:v1:{p:38}:claim:12:8f2e:c41a:5"


def test_other_keys_are_spelled_as_documented() -> None:
    """So are those of profiles, events and whatever else belongs to a person."""
    keys = KeySchema("shop-1")
    assert keys.live("8f2e") == "shop-1:v1:{p:38}:live:8f2e"
    assert keys.moving("8f2e") == "shop-1:v1:{p:38}:moving:8f2e"
    assert keys.moved("8f2e", "c41a") == "shop-1:v1:{p:38}:moved:c41a"
    assert keys.person("8f2e") == "shop-1:v1:{p:38}:person:8f2e"
    assert keys.events(7) == "shop-1:v1:{p:07}:events"
    assert keys.seen("8f2e", "e1") == "shop-1:v1:{p:38}:seen:Z8WIfyZCPa7X1P7Q"
    assert keys.answer("0b5f8c1e") == "shop-1:v1:{p:57}:answer:0b5f8c1e"


def test_events_are_remembered_of_each_shopper_apart() -> None:
    """Of two shoppers of one partition who number their events alike, neither hides the other's."""
    keys, (first, second) = KeySchema(), _neighbours()
    assert keys.seen(first, "e1") != keys.seen(second, "e1")
    assert keys.seen(first, "e1") != keys.seen(first, "e2")
    assert len(keys.seen(first, "e" * 10_000)) == len(keys.seen(first, ""))


def _neighbours() -> tuple[str, str]:
    """Return two shoppers of one partition."""
    first, second, *_ = (name for n in range(1_000) if partition_of(name := f"{n:x}") == 1)
    return first, second


def test_keys_of_tables_are_spelled_as_documented() -> None:
    """Rows and changes of one table share a slot, since one script writes both."""
    keys = KeySchema("shop-1")
    assert keys.rows("products") == "shop-1:v1:{t:products}:rows"
    assert keys.changes("products") == "shop-1:v1:{t:products}:changes"
    assert keys.rows("stock:leeds-1") == "shop-1:v1:{t:stock:r04DrNfqkXN_I1FJ}:rows"
    assert keys.changes("stock:leeds-1") == "shop-1:v1:{t:stock:r04DrNfqkXN_I1FJ}:changes"
    # The central stock, of no store.
    assert keys.rows("stock:") == "shop-1:v1:{t:stock}:rows"


def test_any_store_has_a_table_of_its_own() -> None:
    """Whatever its id holds, it blurs neither the slot nor another store's key."""
    ids = ["", "}", "{p:07}", "a:b", "a", " a", "é", "\n", "x" * 256, "x" * 255]
    found = [KeySchema().rows(f"stock:{store_id}") for store_id in ids]
    assert len(set(found)) == len(ids)
    for key in found:
        assert re.fullmatch(r"recsvc:v1:\{t:stock(:[A-Za-z0-9_-]{16})?\}:rows", key)


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
