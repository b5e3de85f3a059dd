"""Writes for callers who leave: not begun late, and done to their end once they have begun."""

import math
from uuid import UUID

import pytest

from recsvc.errors import StoreUnavailableError
from recsvc.server.admission import ExpiredError
from recsvc.server.replays import Replays
from recsvc.store.memory import InMemoryAnswerStore
from recsvc.v1 import catalog_service_pb2 as api
from tests.shoppers import KEY
from tests.stores import SetClock

REQUEST_IDS = ["", str(UUID(int=7, version=4))]
DEADLINE = 10.0


class SlowAnswers(InMemoryAnswerStore):
    """A store that may say nothing, and is waited for as long as it is told.

    Attributes:
        cannot_get, cannot_put: whether it says nothing.
        waited: until when it was waited for.
    """

    cannot_get = cannot_put = False

    def __init__(self, clock: SetClock) -> None:
        super().__init__()
        self._clock = clock
        self.waited: list[float] = []

    def get(self, request_id: str, deadline: float = math.inf) -> bytes | None:
        self._wait(deadline, is_silent=self.cannot_get)
        return super().get(request_id)

    def put(self, request_id: str, answer: bytes, deadline: float = math.inf) -> None:
        self._wait(deadline, is_silent=self.cannot_put)
        super().put(request_id, answer)

    def _wait(self, deadline: float, *, is_silent: bool) -> None:
        if is_silent or self._clock.now >= deadline:
            self.waited.append(deadline)
            self._clock.now = max(self._clock.now, deadline)
            raise StoreUnavailableError("nothing is said")


class Bench:
    """Writes that take a while."""

    def __init__(self) -> None:
        self.clock = SetClock(0.0)
        self.answers = SlowAnswers(self.clock)
        self.replays = Replays(self.answers, KEY, self.clock)
        self.n_written = 0

    def write(self, request_id: str, *, seconds: float = 1.0) -> api.WithdrawProductsResponse:
        def compute() -> api.WithdrawProductsResponse:
            self.n_written += 1
            self.clock.now += seconds
            return api.WithdrawProductsResponse(product_ids=["tea"])

        request = api.WithdrawProductsRequest(product_ids=["tea"], request_id=request_id)
        return self.replays.answer(request, DEADLINE, api.WithdrawProductsResponse, compute)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("request_id", REQUEST_IDS)
def test_what_is_late_is_not_begun(bench: Bench, request_id: str) -> None:
    bench.clock.now = DEADLINE
    with pytest.raises(ExpiredError) as caught:
        bench.write(request_id)
    assert caught.value.reason == "DEADLINE_EXCEEDED"
    assert bench.n_written == 0


def test_no_first_answer_is_looked_for_all_the_time(bench: Bench) -> None:
    """Half of it at most: a recall needs no Redis."""
    bench.answers.cannot_get = True
    assert bench.write(REQUEST_IDS[1]).product_ids == ["tea"]
    assert bench.answers.waited == [5.0]


def test_an_answer_is_given_in_time_though_it_cannot_be_kept(bench: Bench) -> None:
    """Half of what the write has left is waited for that."""
    bench.answers.cannot_put = True
    assert bench.write(REQUEST_IDS[1]).product_ids == ["tea"]
    assert bench.answers.waited == [5.5]


def test_what_has_begun_is_done_and_remembered(bench: Bench) -> None:
    """Its caller left meanwhile, and may ask again."""
    first = bench.write(REQUEST_IDS[1], seconds=2 * DEADLINE)
    bench.clock.now = 0.0
    assert bench.write(REQUEST_IDS[1]) == first
    assert bench.n_written == 1
