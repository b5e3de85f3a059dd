"""What the load does: questions that are judged, events, recalls, consent, erasures.

A deed returns whether it has come to its end: one that has not is done again, with the same
request, as the client's documentation asks of whoever gets no answer.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from random import Random
from typing import Protocol, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask

from recsvc.errors import OverloadedError, RecsvcError, UnavailableError
from recsvc.v1 import catalog_service_pb2 as catalogue
from recsvc.v1 import customer_service_pb2 as customers
from recsvc.v1 import event_service_pb2 as events
from recsvc.v1 import recommendation_service_pb2 as api
from tests.chaos.clients import Clients
from tests.chaos.questions import LEAVERS, UNDECIDED, Drawn, batch, purchase, question
from tests.chaos.record import Asked, Fact, Record
from tests.chaos.tallies import Tallies

MAX_RECALLED = 8
BATCH = 8

Deed = Callable[[], bool]

_Answer = TypeVar("_Answer")


class _Decision(Protocol):
    """The answer to a decision."""

    @property
    def consistency_token(self) -> str: ...


STORED = frozenset({events.EVENT_OUTCOME_ACCEPTED, events.EVENT_OUTCOME_DUPLICATE})


@dataclass(frozen=True, slots=True)
class Sent:
    """An event that was acknowledged; monotonic seconds.

    Attributes:
        event_id: which.
        began: when it was sent first.
        ended: when it was acknowledged.
    """

    event_id: str
    began: float
    ended: float


class Deeds:
    """Draws deeds of each kind; each is then run in any thread.

    Args:
        clients: what they are done with.
        record: what was acknowledged.
        tallies: counts them.
        products: that the deeds are about.
        random: the lot; drawn from in one thread.
        sent: told of each event that was acknowledged.
    """

    def __init__(
        self,
        clients: Clients,
        record: Record,
        tallies: Tallies,
        products: Sequence[str],
        *,
        random: Random,
        sent: Callable[[Sent], object],
    ) -> None:
        self._clients = clients
        self._record = record
        self._tallies = tallies
        self._products = products
        self._random = random
        self._sent = sent
        self._numbers = count()
        self._leavers = iter(LEAVERS)
        self._busy: set[str] = set()
        self._lock = threading.Lock()

    def recommend(self) -> Deed:
        """A question, whose answer is judged; it is asked once, retries are the client's."""
        drawn = self._drawn()

        def ask() -> bool:
            asked = self._begun(drawn)
            try:
                response = self._clients.ask(drawn.request)
            except RecsvcError as error:
                self._failed("recommend", f"{error.reason}: {error}")
            else:
                self._judge("recommend", asked, response)
            return True

        return ask

    def batch(self) -> Deed:
        """Questions in one call, likewise; each list is judged and counted by itself."""
        all_drawn = [self._drawn() for _ in range(self._random.randint(2, BATCH))]

        def ask() -> bool:
            all_asked = [self._begun(drawn) for drawn in all_drawn]
            request = api.BatchRecommendRequest(requests=[drawn.request for drawn in all_drawn])
            try:
                answer = self._clients.ask_batch(request)
            except RecsvcError as error:
                for _ in all_asked:
                    self._failed("batch", f"a list of a batch: {error.reason}: {error}")
                return True
            for asked, result in zip(all_asked, answer.results, strict=True):
                if result.HasField("response"):
                    self._judge("batch", asked, result.response)
                else:
                    self._failed("batch", f"a list of a batch: {result.status.message}")
            return True

        return ask

    def ingest(self) -> Deed:
        """Events, some of them twice, sent until they are acknowledged."""
        n_events = self._random.randint(1, BATCH)
        ids = [f"event-{next(self._numbers)}" for _ in range(n_events)]
        request = events.IngestEventsRequest(events=batch(self._random, self._products, ids))
        begun: list[float] = []

        def send() -> bool:
            begun.append(self._record.clock())
            answer = self._written(
                "ingest", lambda: self._clients.take().ingest_events.send(request)
            )
            if answer is None:
                return False
            now = self._record.clock()
            outcomes = {result.outcome for result in answer.results}
            if not outcomes <= STORED:
                self._tallies.blame(self._record.clock(), f"events became {outcomes}")
            for event_id in ids:
                self._sent(Sent(event_id, begun[0], now))
            return True

        return send

    def recall(self) -> Deed:
        """Withdraw a product, or restore one where many are withdrawn already."""
        recalled = self._record.having(Fact.RECALLED)
        is_full = len(recalled) >= MAX_RECALLED
        product = self._free(recalled if is_full else self._products)
        fact = Fact.SOLD if product in recalled else Fact.RECALLED
        withdrawal = catalogue.WithdrawProductsRequest(product_ids=[product])
        restoring = catalogue.RestoreProductsRequest(product_ids=[product])

        def say() -> bool:
            self._record.begin(product_id=product)
            client = self._clients.take()
            if fact is Fact.RECALLED:
                token = self._token("recall", lambda: client.withdraw_products.send(withdrawal))
            else:
                token = self._token("recall", lambda: client.restore_products.send(restoring))
            if token is not None:
                self._record.acknowledge(fact, token, product_id=product)
                self._let_go(product)
            return token is not None

        return say

    def consent(self) -> Deed:
        """Grant or withdraw somebody's consent."""
        customer_id = self._free(UNDECIDED)
        fact = self._random.choice((Fact.GRANTED, Fact.WITHDRAWN))
        is_granted = fact is Fact.GRANTED
        request = customers.UpdateCustomerRequest(
            customer=customers.Customer(
                customer_id=customer_id,
                consent=customers.CONSENT_GRANTED if is_granted else customers.CONSENT_WITHDRAWN,
            ),
            update_mask=FieldMask(paths=["consent"]),
            allow_missing=True,
        )

        def say() -> bool:
            self._record.begin(customer_id=customer_id)
            token = self._token(
                "consent", lambda: self._clients.take().update_customer.send(request)
            )
            if token is not None:
                self._record.acknowledge(fact, token, customer_id=customer_id)
                self._let_go(customer_id)
            return token is not None

        return say

    def erase(self) -> Deed:
        """Somebody buys something, and then has themselves erased."""
        number = next(self._numbers)
        customer_id = next(self._leavers, f"leaver-{number}")
        bought = events.IngestEventsRequest(
            events=[purchase(customer_id, self._random.choice(self._products), f"left-{number}")]
        )
        request = customers.EraseCustomerRequest(customer_id=customer_id)
        steps: list[bool] = []

        def leave() -> bool:
            client = self._clients.take()
            if not steps:
                if self._written("ingest", lambda: client.ingest_events.send(bought)) is None:
                    return False
                steps.append(True)
            token = self._token("erase", lambda: client.erase_customer.send(request))
            if token is not None:
                self._record.acknowledge(Fact.ERASED, token, customer_id=customer_id)
            return token is not None

        return leave

    def _drawn(self) -> Drawn:
        """A question; some wish for what was decided last."""
        drawn = question(self._random, self._products, self._record.having(Fact.ERASED))
        return replace(drawn, carries_token=self._random.random() < 0.3)

    def _begun(self, drawn: Drawn) -> Asked:
        """Remember what must hold of its answer, and have it ask for that."""
        request = drawn.request
        token = self._record.last_token() if drawn.carries_token else ""
        request.consistency_token = token
        excluded = list(request.filter.exclude_product_ids)
        return self._record.ask(drawn.customer_id, request.page_size, excluded, token)

    def _judge(self, kind: str, asked: Asked, response: api.RecommendResponse) -> None:
        serving = response.serving
        served = api.ServedFrom.Name(serving.served_from).removeprefix("SERVED_FROM_")
        if serving.degraded:
            served += f", {serving.degraded_reason}"
        self._tallies.answer(kind, self._record.clock() - asked.began, served)
        for wrong in self._record.judge(asked, response):
            self._tallies.blame(self._record.clock(), f"{asked.customer_id or 'nobody'}: {wrong}")

    def _failed(self, kind: str, what: str) -> None:
        self._tallies.fail(kind, self._record.clock(), what)

    def _written(self, kind: str, send: Callable[[], _Answer]) -> _Answer | None:
        """The answer to a write; None where there is none."""
        began = self._record.clock()
        try:
            answer = send()
        except RecsvcError as error:
            self._tallies.fail(kind, self._record.clock(), f"{error.reason}: {error}")
            if not isinstance(error, UnavailableError | OverloadedError):
                self._tallies.blame(self._record.clock(), f"{kind}: {error.reason}: {error}")
            return None
        self._tallies.answer(kind, self._record.clock() - began)
        return answer

    def _token(self, kind: str, send: Callable[[], _Decision]) -> str | None:
        answer = self._written(kind, send)
        return None if answer is None else answer.consistency_token

    def _free(self, subjects: Sequence[str]) -> str:
        """One that no other deed is about, until it is let go."""
        with self._lock:
            free = [subject for subject in subjects if subject not in self._busy]
            chosen = self._random.choice(free)
            self._busy.add(chosen)
            return chosen

    def _let_go(self, subject: str) -> None:
        with self._lock:
            self._busy.discard(subject)
