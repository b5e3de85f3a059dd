"""Batches: each entry for itself, and all of them in time."""

from collections import Counter
from typing import Any

import pytest
from google.rpc.code_pb2 import DEADLINE_EXCEEDED, INVALID_ARGUMENT
from google.rpc.error_details_pb2 import ErrorInfo

from recsvc.server.recommendation_servicer import MAX_CHEAP, RecommendationServicer, is_small
from recsvc.server.response_codec import ResponseCodec
from recsvc.server.tokens import Tokens
from recsvc.service.answer_cache import AnswerCache
from recsvc.service.answers import Answers
from recsvc.service.deliveries import Deliveries
from recsvc.service.inquiries import Inquiries
from recsvc.service.making import ListMaker
from recsvc.service.models import ModelSlot
from recsvc.service.recommendations import Recommendations
from recsvc.service.related import Related
from recsvc.service.wording import Wording
from recsvc.store.memory_responses import InMemoryResponseCache
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from tests.bench import HeldRefreshes
from tests.serving import Log, new_circumstances, new_metrics, new_standing, small_registry

RED = {"colour": common.AttributeValues(values=["red"])}


class SlowClock:
    """Every look at it takes time, and so does whatever looks at it: a list some milliseconds."""

    def __init__(self, look_seconds: float) -> None:
        self.now = 1000.0
        self._look_seconds = look_seconds

    def __call__(self) -> float:
        self.now += self._look_seconds
        return self.now


class Context:
    """A call whose caller waits for so long."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def time_remaining(self) -> float:
        """Seconds until the caller stops waiting."""
        return self._seconds

    def is_active(self) -> bool:
        """Whether they still do."""
        return True


@pytest.fixture(scope="module")
def slot(tmp_path_factory: pytest.TempPathFactory) -> ModelSlot:
    registry = small_registry(tmp_path_factory.mktemp("servicers"))
    slot = ModelSlot(registry, logger=Log().logger, metrics=new_metrics()[0])
    slot.refresh()
    return slot


def new_servicer(slot: ModelSlot, clock: SlowClock) -> RecommendationServicer:
    tokens = Tokens.of(b"key")
    codec, metrics = ResponseCodec(tokens.pages), new_metrics()[0]
    cache = AnswerCache(
        InMemoryResponseCache(clock),
        codec,
        metrics,
        ttl_seconds=0,
        timeout_seconds=0,
        monotonic=clock,
    )
    inquiries = Inquiries(
        slot,
        new_circumstances(new_standing(slot.registry), slot),
        hash_key=b"key",
        monotonic=clock,
    )
    answers = Answers(Wording.load())
    deliveries = Deliveries(slot, metrics, monotonic=clock)
    return RecommendationServicer(
        slot,
        Recommendations(
            inquiries,
            ListMaker(inquiries, answers, codec, monotonic=clock),
            cache,
            deliveries,
            HeldRefreshes(),
            monotonic=clock,
        ),
        Related(inquiries, answers, cache, deliveries),
        tokens,
        monotonic=lambda: clock.now,
    )


def answers(
    slot: ModelSlot, entries: list[api.RecommendRequest], seconds: float, look_seconds: float
) -> tuple[list[api.RecommendResult], float]:
    """Ask a batch with so much time; return its results, and how much time it took."""
    clock = SlowClock(look_seconds)
    servicer = new_servicer(slot, clock)
    started = clock.now
    response = servicer.BatchRecommend(
        api.BatchRecommendRequest(requests=entries),
        Context(seconds),  # type: ignore[arg-type]  # a fake
    )
    return list(api.BatchRecommendResponse.FromString(response).results), clock.now - started


def outcome(result: api.RecommendResult) -> str:
    """How an entry was answered; a list is never empty."""
    if result.HasField("response"):
        assert result.response.recommendations
        return str(api.ServedFrom.Name(result.response.serving.served_from))
    info = ErrorInfo()
    assert result.status.details[0].Unpack(info)
    return str(info.reason)


HUNDRED = [api.RecommendRequest(shopper=common.Shopper(customer_id=f"c{n}")) for n in range(100)]


def test_a_batch_with_time_gets_whole_lists(slot: ModelSlot) -> None:
    """A hundred entries of some milliseconds each fit into a second."""
    results, seconds = answers(slot, HUNDRED, 1.0, 0.001)
    assert {outcome(result) for result in results} == {"SERVED_FROM_MODEL"}
    assert seconds < 1.0


def test_a_batch_in_a_hurry_gets_cheaper_lists_for_the_rest(slot: ModelSlot) -> None:
    """Every entry has a list, the later ones what sells at the place, and the caller hears it."""
    results, seconds = answers(slot, HUNDRED, 0.22, 0.0005)
    outcomes = [outcome(result) for result in results]
    assert set(outcomes) == {"SERVED_FROM_MODEL", "SERVED_FROM_FALLBACK"}
    assert outcomes[0] == "SERVED_FROM_MODEL"
    assert outcomes[-1] == "SERVED_FROM_FALLBACK"
    assert results[-1].response.serving.degraded_reason == "DEADLINE"
    assert seconds < 0.22


def test_a_batch_without_time_says_so_by_entry(slot: ModelSlot) -> None:
    """Those that no longer fit have a status, and the others arrive before the caller leaves."""
    results, seconds = answers(slot, HUNDRED, 0.1, 0.0005)
    counts = Counter(outcome(result) for result in results)
    assert counts["SERVED_FROM_FALLBACK"] > 20
    assert counts["DEADLINE_EXCEEDED"] > 20
    assert counts.total() == 100
    assert results[-1].status.code == DEADLINE_EXCEEDED
    assert "wait longer" in results[-1].status.message
    assert seconds < 0.1


def test_a_small_batch_that_may_not_wait_gets_what_sells(slot: ModelSlot) -> None:
    """All its entries, though there is time for more."""
    servicer = new_servicer(slot, SlowClock(0.0))
    context: Any = Context(60.0)
    few = api.BatchRecommendRequest(requests=HUNDRED[:MAX_CHEAP])
    written = servicer.batch_recommend_cheaply(few, context)
    results = api.BatchRecommendResponse.FromString(written).results
    assert [outcome(result) for result in results] == ["SERVED_FROM_FALLBACK"] * MAX_CHEAP
    assert is_small(few)
    assert not is_small(api.BatchRecommendRequest(requests=HUNDRED[: MAX_CHEAP + 1]))


def test_a_question_that_may_not_wait_gets_what_sells(slot: ModelSlot) -> None:
    servicer = new_servicer(slot, SlowClock(0.0))
    context: Any = Context(60.0)
    written = servicer.recommend_cheaply(HUNDRED[0].SerializeToString(), context)
    serving = api.RecommendResponse.FromString(written).serving
    assert serving.served_from == api.SERVED_FROM_FALLBACK
    assert (serving.degraded, serving.degraded_reason) == (True, "DEADLINE")


def test_bad_entries_do_not_fail_the_rest(slot: ModelSlot) -> None:
    """Each has its own status, in its own place."""
    unknown = common.ProductFilter.FromString(b"\xa8\x06\x01")
    bad = [
        api.RecommendRequest(page_size=-1),
        api.RecommendRequest(shopper=common.Shopper(customer_id="x" * 100_000)),
        api.RecommendRequest(
            filter=common.ProductFilter(
                attributes_any={"colour": common.AttributeValues(values=[])}
            )
        ),
        api.RecommendRequest(filter=unknown),
        api.RecommendRequest(filter=common.ProductFilter(brands=["Nobody"], strict=True)),
        api.RecommendRequest(page_token="x"),  # noqa: S106  # no secret
        api.RecommendRequest(
            context=common.RecommendationContext(
                basket=[common.LineItem(product_id="tea", quantity=float("nan"))]
            )
        ),
    ]
    entries = [entry for wrong in bad for entry in (HUNDRED[0], wrong)] + [HUNDRED[1]]
    results, _ = answers(slot, entries, 60.0, 0.0)
    assert [result.HasField("response") for result in results] == [True, False] * len(bad) + [True]
    assert {result.status.code for result in results[1::2]} == {INVALID_ARGUMENT}
