from recsvc.service.cache_port import CacheKey
from recsvc.store.memory_responses import InMemoryResponseCache


def test_least_recently_used_entry_leaves_first() -> None:
    """The cache stays within its bound and keeps what was asked for lately."""
    cache = InMemoryResponseCache(lambda: 0.0, max_entries=2)
    first, second, third = (CacheKey(1, "c", digest) for digest in "abc")
    cache.put(first, b"1", 60)
    cache.put(second, b"2", 60)
    assert cache.get(first).entry is not None
    cache.put(third, b"3", 60)
    assert cache.get(second).entry is None
    assert cache.get(first).entry is not None
    assert cache.get(third).entry is not None
