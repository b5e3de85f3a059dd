"""What the service has acknowledged, and whether each of its answers keeps to it."""

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import StrEnum

from recsvc.v1 import recommendation_service_pb2 as api

REASONS = frozenset({"STORE_UNAVAILABLE", "DEADLINE"})
"""Why an answer may say that it is degraded."""


class Fact(StrEnum):
    """What may be true of a product or a customer, once it was acknowledged."""

    RECALLED = "recalled"
    SOLD = "sold"
    WITHDRAWN = "consent withdrawn"
    GRANTED = "consent granted"
    ERASED = "erased"


@dataclass(frozen=True, slots=True, eq=False)
class Said:
    """One decision that was acknowledged; two are the same where they are one object.

    Attributes:
        fact: what holds.
        at: when the answer came, monotonic seconds.
        token: with which a read sees it.
    """

    fact: Fact
    at: float
    token: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and what must hold in its answer unless it is changed meanwhile.

    Attributes:
        began: monotonic seconds.
        customer_id: whom it is for, ``""`` for nobody who is known.
        page_size: how many products at most.
        excluded: products that it forbids.
        recalled: products that must not be there, each as it was said.
        person: what was said of the customer; None where nothing is to hold yet.
    """

    began: float
    customer_id: str
    page_size: int
    excluded: Collection[str]
    recalled: dict[str, Said]
    person: Said | None


@dataclass
class Record:
    """What was acknowledged; safe to share between threads.

    Attributes:
        products: every product that any model has.
        sight_seconds: within so long every process sees a decision; with its token at once.
        clock: monotonic seconds.
    """

    products: frozenset[str]
    sight_seconds: float
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _of_products: dict[str, Said] = field(default_factory=dict)
    _of_people: dict[str, Said] = field(default_factory=dict)

    def begin(self, product_id: str = "", customer_id: str = "") -> None:
        """Know nothing more of a product or a customer: somebody is about to change it.

        So it stays until a change is acknowledged: of one that failed nobody knows what came of it.
        """
        with self._lock:
            self._of_products.pop(product_id, None)
            self._of_people.pop(customer_id, None)

    def acknowledge(
        self, fact: Fact, token: str, *, product_id: str = "", customer_id: str = ""
    ) -> None:
        """Know what holds from now on."""
        said = Said(fact, self.clock(), token)
        with self._lock:
            if product_id:
                self._of_products[product_id] = said
            if customer_id:
                self._of_people[customer_id] = said

    def having(self, fact: Fact) -> list[str]:
        """Products or customers of whom this holds."""
        with self._lock:
            both = (*self._of_products.items(), *self._of_people.items())
            return [subject for subject, said in both if said.fact is fact]

    def last_token(self) -> str:
        """Of what was acknowledged last, ``""`` before anything was."""
        with self._lock:
            both = (*self._of_products.values(), *self._of_people.values())
            return max(both, key=lambda said: said.at).token if both else ""

    def ask(
        self, customer_id: str, page_size: int, excluded: Collection[str], token: str = ""
    ) -> Asked:
        """Begin a question.

        Args:
            customer_id: whom it is for.
            page_size: how many products at most.
            excluded: products that it forbids.
            token: that it carries: what was acknowledged with it must be seen at once.
        """
        now = self.clock()

        def must_be_seen(said: Said) -> bool:
            return said.at <= now - self.sight_seconds or (bool(token) and said.token == token)

        with self._lock:
            recalled = {
                product: said
                for product, said in self._of_products.items()
                if said.fact is Fact.RECALLED and must_be_seen(said)
            }
            person = self._of_people.get(customer_id)
        if person is not None and not must_be_seen(person):
            person = None
        return Asked(now, customer_id, page_size, excluded, recalled, person)

    def judge(self, asked: Asked, response: api.RecommendResponse) -> list[str]:
        """What an answer does wrong, in words; nothing where it is as promised."""
        listed = [one.product_id for one in response.recommendations]
        warnings, serving = set(response.serving.warnings), response.serving
        wrong = []
        if not listed:
            wrong.append("the list is empty")
        if len(set(listed)) < len(listed):
            wrong.append("a product is listed twice")
        if len(listed) > asked.page_size:
            wrong.append(f"{len(listed)} products, of {asked.page_size} at most")
        if strange := set(listed) - self.products:
            wrong.append(f"no model has {sorted(strange)}")
        if forbidden := set(listed) & set(asked.excluded):
            wrong.append(f"excluded by the question: {sorted(forbidden)}")
        if serving.degraded != bool(serving.degraded_reason) or (
            serving.degraded and serving.degraded_reason not in REASONS
        ):
            wrong.append(f"degraded {serving.degraded} for {serving.degraded_reason!r}")
        if "CONSISTENCY_UNMET" not in warnings:
            wrong += self._judge_decisions(asked, set(listed), warnings)
        return wrong

    def _judge_decisions(self, asked: Asked, listed: set[str], warnings: set[str]) -> list[str]:
        wrong = []
        with self._lock:  # what was changed since the question began may be seen or not
            recalled = {p for p, said in asked.recalled.items() if self._of_products.get(p) is said}
            said = self._of_people.get(asked.customer_id)
        person = asked.person if said is asked.person else None
        if shown := listed & recalled:
            wrong.append(f"recalled: {sorted(shown)}")
        if person is not None:
            if person.fact is Fact.WITHDRAWN and "NO_CONSENT" not in warnings:
                wrong.append("a list of who has withdrawn consent")
            if person.fact is Fact.GRANTED and "NO_CONSENT" in warnings:
                wrong.append("no list of who has consented")
            if person.fact is Fact.ERASED and "UNKNOWN_CUSTOMER" not in warnings:
                wrong.append("something is known of who was erased")
        return wrong
