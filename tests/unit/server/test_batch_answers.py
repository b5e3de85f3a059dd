"""Several questions of one call: what was looked up together does not grow old in between."""

import math
from collections.abc import Callable, Iterator, Sequence

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.core.candidates import Prepared
from recsvc.core.recommender import Recommender
from recsvc.server.batch_answers import BatchAnswers, BatchCounts
from recsvc.server.response_codec import ListWriter
from recsvc.server.tokens import Tokens
from recsvc.service.deliveries import Served
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from tests.bench import Bench
from tests.serving import small_registry

ENTRIES = [
    api.RecommendRequest(shopper=common.Shopper(customer_id="anna"), page_size=size)
    for size in (1, 2, 3)
]
MORE = [
    api.RecommendRequest(shopper=common.Shopper(customer_id="ben"), page_size=size)
    for size in (1, 2, 3)
]


@pytest.fixture
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    return small_registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def bench(registry: Registry) -> Bench:
    return Bench(registry, ttl_seconds=300)


class AsItLies(ListWriter):
    """Writes the lists of the bench, which are none that are sent."""

    def response(self, served: Served) -> bytes:
        return served.payload


def asked(
    bench: Bench,
    counts: BatchCounts,
    entries: Sequence[api.RecommendRequest] = ENTRIES,
    is_wanted: Callable[[], bool] = lambda: True,
) -> Iterator[tuple[int, bytes]]:
    answers = BatchAnswers(
        bench.recommendations, AsItLies(), Tokens.of(b"key"), lambda: bench.monotonic
    )
    return answers.answer(entries, bench.slot.current(), math.inf, counts, is_wanted)


def test_what_is_known_together_is_asked_for_once(bench: Bench) -> None:
    """In one look for all of them."""
    list(asked(bench, BatchCounts()))
    n_looks = len(bench.cache.keys)
    counts = BatchCounts()
    assert sorted(at for at, _ in asked(bench, counts)) == [0, 1, 2]
    assert counts.facts() == {"n_requests": 3, "n_failed": 0, "n_degraded": 0, "n_cache": 3}
    assert len(bench.cache.keys) - n_looks == len(ENTRIES)


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many lists were prepared together, each time that some were."""
    found: list[int] = []
    share = Recommender.share

    def counting(self: Recommender, prepared: Sequence[Prepared]) -> None:
        found.append(len(prepared))
        share(self, prepared)

    monkeypatch.setattr(Recommender, "share", counting)
    return found


def test_what_is_made_together_is_ranked_with_one_pass(bench: Bench, shared: list[int]) -> None:
    """Over the factors, for all entries that nothing is known of."""
    assert [at for at, _ in asked(bench, BatchCounts())] == [0, 1, 2]
    assert shared == [3]


def test_for_who_has_left_nothing_more_is_made(bench: Bench) -> None:
    """Neither what is left of a round, nor another one."""
    left = iter([True, True, True, False, False])
    counts = BatchCounts()
    seen = [at for at, _ in asked(bench, counts, [*ENTRIES, *MORE], lambda: next(left))]
    assert seen == [0, 1]
    assert counts.facts()["n_model"] == 2


def test_for_who_reads_slowly_no_more_is_prepared_than_they_take(
    bench: Bench, shared: list[int]
) -> None:
    """It would be let go of, and be done for all that are left at each answer."""
    seen = []
    for at, _ in asked(bench, BatchCounts(), [*ENTRIES, *MORE]):
        seen.append(at)
        bench.monotonic += 1 if at == 0 else 0.3
    assert seen == [*range(6)]
    # One was taken of six, then one, and of twice as many both.
    assert shared == [6, 2, 2]


def test_who_reads_slowly_gets_what_is_true_by_then(bench: Bench) -> None:
    """What the shopper does between two answers counts in the second one."""
    list(asked(bench, BatchCounts()))
    counts = BatchCounts()
    answers = asked(bench, counts)
    first, _ = next(answers)
    bench.did("milk")
    bench.monotonic += 1
    rest = [at for at, _ in answers]
    assert [first, *rest] == [0, 1, 2]
    assert counts.facts() == {
        "n_requests": 3,
        "n_failed": 0,
        "n_degraded": 0,
        "n_cache": 1,
        "n_model": 2,
    }
