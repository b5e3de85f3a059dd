"""What every ``ResponseCache`` promises, over each adapter; Redis is a real embedded Valkey."""

import threading

import pytest

from recsvc.core.places import Location
from recsvc.service.cache_port import ANONYMOUS, CacheKey, Claim, Claimed, Put, ResponseCache
from recsvc.service.ports import Person
from recsvc.service.shopping import NO_DEEDS
from tests.shoppers import ANNA, T0
from tests.stores import SetClock, Stores

KEY = CacheKey(generation=7, customer="8f2e", digest="c41a")
MINE, YOURS = Claim(KEY, 0, "mine"), Claim(KEY, 0, "yours")


@pytest.fixture
def cache(stores: Stores) -> ResponseCache:
    return stores.cache


def test_unknown_key_is_a_miss(cache: ResponseCache) -> None:
    """A key that was never put is None, not an error, and its shopper did nothing of late."""
    found = cache.get(KEY)
    assert found.entry is None
    assert found.live() == NO_DEEDS


def test_several_keys_are_answered_in_their_order(cache: ResponseCache, stores: Stores) -> None:
    """Each as it would be alone: found, unknown, of nobody, and of who has moved since."""
    nobody, other = CacheKey(7, ANONYMOUS, "c41a"), CacheKey(7, ANNA.key, "c41a")
    cache.put(KEY, b"mine", ttl_seconds=60)
    cache.put(nobody, b"nobody's", ttl_seconds=60)
    cache.put(other, b"outlived", ttl_seconds=60)
    stores.people.put(ANNA.key, Person(home=Location(store_id="leeds-1")), heeds=0)
    keys = [nobody, CacheKey(7, "8f2e", "c41b"), other, KEY, nobody]
    found = cache.get_all(keys)
    payloads = [each.entry and each.entry.payload for each in found]
    assert payloads == [b"nobody's", None, None, b"mine", b"nobody's"]
    assert [each.live() for each in found] == [cache.get(key).live() for key in keys]
    assert found[2].live().home == Location(store_id="leeds-1")
    assert cache.get_all([]) == []


@pytest.mark.parametrize("payload", [b"", b"\x00\xff\r\n$-1\r\n", b"x" * 200_000])
def test_payload_returns_byte_for_byte(cache: ResponseCache, payload: bytes) -> None:
    """Any bytes come back as they were put, with the time at which they were."""
    cache.put(KEY, payload, ttl_seconds=60)
    entry = cache.get(KEY).entry
    assert entry is not None
    assert entry.payload == payload
    assert abs(entry.stored_at - T0) < 1e-5


def test_several_are_put_in_one_trip(cache: ResponseCache) -> None:
    """Each as it would be alone: what it is, until when, of which revision, and what it took."""
    keys = [CacheKey(7, "8f2e", digest) for digest in ("a", "b", "c")]
    cache.put(keys[1], b"old", ttl_seconds=60)
    cache.put_all(
        [
            Put(keys[0], b"first", 60, 0, 45.5, 0.25),
            Put(keys[1], b"second", 0.001, 0, 0.001, 0.0),
            Put(keys[2], b"of who has moved since", 60, 3, 60.0, 0.0),
        ]
    )
    cache.put_all([])
    entry = cache.get(keys[0]).entry
    assert entry is not None
    assert entry.payload == b"first"
    assert abs(entry.stored_at - T0) < 1e-5
    assert (entry.kept_seconds, entry.fresh_seconds, entry.cost_seconds) == (60, 45.5, 0.25)
    assert cache.get(keys[2]).entry is None
    assert cache.get(keys[2]).mark


def test_second_put_replaces_the_first(cache: ResponseCache, clock: SetClock) -> None:
    """The latest payload wins and carries its own time."""
    cache.put(KEY, b"first", ttl_seconds=60)
    clock.now += 5
    cache.put(KEY, b"second", ttl_seconds=60)
    entry = cache.get(KEY).entry
    assert entry is not None
    assert entry.payload == b"second"
    assert abs(entry.stored_at - (T0 + 5)) < 1e-5


@pytest.mark.parametrize(
    "other",
    [
        CacheKey(8, "8f2e", "c41a"),
        CacheKey(7, "8f2f", "c41a"),
        CacheKey(7, ANONYMOUS, "c41a"),
        CacheKey(7, "8f2e", "c41b"),
    ],
)
def test_every_part_of_the_key_counts(cache: ResponseCache, other: CacheKey) -> None:
    """Another generation, customer or request never finds this entry."""
    cache.put(KEY, b"mine", ttl_seconds=60)
    assert cache.get(other).entry is None


def test_entry_expires(cache: ResponseCache, clock: SetClock) -> None:
    """After its lifetime an entry is a miss."""
    cache.put(KEY, b"short", ttl_seconds=0.001)
    clock.now += 0.001
    expired = threading.Event()
    # Redis runs on the real clock: wait for it, in steps of a millisecond, up to two seconds.
    assert any(cache.get(KEY).entry is None or expired.wait(0.001) for _ in range(2000))


@pytest.mark.parametrize("customer", ["8f2e", ANONYMOUS])
def test_answer_of_another_revision_is_a_miss(cache: ResponseCache, customer: str) -> None:
    """What was made from a profile that is not there, now or any more, is not given."""
    key = CacheKey(7, customer, "c41a")
    cache.put(key, b"outdated", ttl_seconds=60, revision=3)
    assert cache.get(key).entry is None
    cache.put(key, b"up to date", ttl_seconds=60, revision=0)
    entry = cache.get(key).entry
    assert entry is not None
    assert entry.payload == b"up to date"


def test_how_long_it_is_fresh_and_what_it_took_return(cache: ResponseCache) -> None:
    """Beside the payload; unless told otherwise it is fresh as long as it is kept."""
    cache.put(KEY, b"x", ttl_seconds=60)
    entry = cache.get(KEY).entry
    assert entry is not None
    assert (entry.fresh_seconds, entry.kept_seconds, entry.cost_seconds) == (60, 60, 0)
    cache.put(KEY, b"x", ttl_seconds=60, fresh_seconds=45.5, cost_seconds=0.25)
    entry = cache.get(KEY).entry
    assert entry is not None
    assert (entry.fresh_seconds, entry.kept_seconds, entry.cost_seconds) == (45.5, 60, 0.25)
    cache.put(KEY, b"x", ttl_seconds=60, fresh_seconds=60, cost_seconds=1e9)
    entry = cache.get(KEY).entry
    assert entry is not None
    assert entry.cost_seconds > 4_000  # of what takes longer nobody needs to know more


def test_one_claim_is_held_at_a_time(cache: ResponseCache) -> None:
    """Until it is released by who holds it; lists of other shoppers and doings have their own."""
    assert cache.claim(MINE, b"", 60) is Claimed.TAKEN
    assert cache.claim(YOURS, b"", 60) is Claimed.HELD
    assert cache.claim(Claim(KEY, 5, "yours"), b"", 60) is Claimed.TAKEN
    other = CacheKey(7, ANONYMOUS, "c41a")
    assert cache.claim(Claim(other, 0, "yours"), b"", 60) is Claimed.TAKEN
    cache.release(YOURS)
    assert cache.claim(YOURS, b"", 60) is Claimed.HELD
    cache.release(MINE)
    assert cache.claim(YOURS, b"", 60) is Claimed.TAKEN


def test_a_claim_ends_with_the_list(cache: ResponseCache) -> None:
    """Whoever has seen nothing has to look again, and who has seen this one may make the next."""
    assert cache.claim(MINE, b"", 60) is Claimed.TAKEN
    cache.put(KEY, b"made", 60, claim=MINE)
    assert cache.claim(YOURS, b"", 60) is Claimed.CHANGED
    found = cache.get(KEY)
    assert found.entry is not None
    assert found.entry.payload == b"made"
    assert cache.claim(YOURS, found.mark, 60) is Claimed.TAKEN
    cache.put(KEY, b"late", 60, claim=MINE)  # one that is not held any more
    assert cache.claim(MINE, cache.get(KEY).mark, 60) is Claimed.HELD


def test_a_list_that_may_not_be_given_can_be_claimed(cache: ResponseCache) -> None:
    """It is told from what is put next, though nobody is shown it."""
    cache.put(KEY, b"outdated", 60, revision=3)
    found = cache.get(KEY)
    assert found.entry is None
    assert cache.claim(MINE, b"", 60) is Claimed.CHANGED
    assert cache.claim(MINE, found.mark, 60) is Claimed.TAKEN


def test_a_claim_expires(cache: ResponseCache, clock: SetClock) -> None:
    """So that nobody waits for the dead."""
    assert cache.claim(MINE, b"", 0.001) is Claimed.TAKEN
    clock.now += 0.001
    expired = threading.Event()
    # Redis runs on the real clock: wait for it, in steps of a millisecond, up to two seconds.
    assert any(
        cache.claim(YOURS, b"", 60) is Claimed.TAKEN or expired.wait(0.001) for _ in range(2000)
    )


def test_a_store_that_answers_is_available(cache: ResponseCache) -> None:
    """Health says so, and the check passes."""
    cache.check()
    assert cache.available


def test_threads_share_one_cache(cache: ResponseCache) -> None:
    """Threads that put and get at the same time each find their own entries."""
    wrong: list[int] = []

    def work(number: int) -> None:
        for step in range(50):
            key = CacheKey(1, f"{number:x}", f"{step:x}")
            cache.put(key, f"{number}/{step}".encode(), ttl_seconds=60)
            entry = cache.get(key).entry
            if entry is None or entry.payload != f"{number}/{step}".encode():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_was_set_of_a_customer_is_part_of_the_profile(stores: Stores) -> None:
    """The home with it; a list that was made before it was set or changed is a miss."""
    key = CacheKey(7, ANNA.key, "c41a")
    stores.cache.put(key, b"before", ttl_seconds=60)
    revisions = set()
    for home in (Location(store_id="leeds-1"), Location(country_code="PT"), Location()):
        stores.people.put(ANNA.key, Person(home=home), heeds=0)
        found = stores.cache.get(key)
        live = found.live()
        assert (found.entry, live.home, live.deeds) == (None, home, ())
        stores.cache.put(key, b"with it", 60, live.revision)
        assert stores.cache.get(key).entry is not None
        revisions.add(live.revision)
    assert len(revisions) == 3
    stores.log.erase(ANNA.key, 20)
    assert stores.cache.get(key).entry is None
