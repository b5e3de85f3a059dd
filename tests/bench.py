"""The use cases over a small model, with levers for the tests."""

import math
import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from recsvc.artifacts.registry import Registry
from recsvc.errors import StoreUnavailableError
from recsvc.service.answer_cache import AnswerCache
from recsvc.service.answers import Answers
from recsvc.service.cache_port import CacheKey, Claim, Claimed, Lookup, Put
from recsvc.service.deliveries import Computed, Deliveries, Needed, Served
from recsvc.service.experiments import Experiments
from recsvc.service.inquiries import Circumstances, Inquiries
from recsvc.service.live_catalogue import LiveCatalogue
from recsvc.service.making import ListMaker
from recsvc.service.models import ModelSlot
from recsvc.service.process_cache import ProcessCache
from recsvc.service.questions import Answer, KeptList, Question
from recsvc.service.recommendations import Recommendations
from recsvc.service.refreshes import Refreshed
from recsvc.service.related import Related
from recsvc.service.selling import StockRecord
from recsvc.service.served_log import ServedLog
from recsvc.service.shopping import Outcome, Shopper
from recsvc.service.stock import FRESH_SECONDS, Stock
from recsvc.service.wording import Wording
from recsvc.store.catalogue_store import TableCatalogueStore
from recsvc.store.memory import (
    InMemoryEventLog,
    InMemoryPeople,
    InMemoryProfiles,
)
from recsvc.store.memory_responses import InMemoryResponseCache
from tests.counting import DATA_END, DAY
from tests.serving import Log, new_metrics, new_rules, new_standing
from tests.shoppers import ANNA, KEY, event
from tests.stores import FailingTables

FOREVER = math.inf
JUST_AFTER = DATA_END + DAY


class Codec:
    """Writes an answer as its product ids, and remembers the answers.

    Attributes:
        before: done before each is written.
    """

    schema = "test"

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.before: Callable[[], object] = lambda: None

    def encode(self, answer: Answer) -> bytes:
        self.before()
        self.answers.append(answer)
        return " ".join(item.product_id for item in answer.items).encode()

    def kept(self, payload: bytes) -> KeptList | None:
        product_ids = payload.decode().split()
        return None if payload == b"garbage" else KeptList(len(product_ids), lambda: product_ids)


class Cache:
    """A cache in memory that can be down, and that remembers its keys."""

    def __init__(self, clock: Callable[[], float], profiles: InMemoryProfiles) -> None:
        self.inner = InMemoryResponseCache(clock, profiles)
        self.is_down = False
        self.keys: list[CacheKey] = []
        self.trips: list[int] = []
        self.puts: list[CacheKey] = []
        self.put_trips: list[int] = []
        self.claims: list[Claimed] = []
        self.before_put: Callable[[], object] = lambda: None

    @property
    def available(self) -> bool:
        return not self.is_down

    def get(self, key: CacheKey) -> Lookup:
        self.keys.append(key)
        self.check()
        return self.inner.get(key)

    def get_all(self, keys: Sequence[CacheKey]) -> list[Lookup]:
        self.trips.append(len(keys))
        return [self.get(key) for key in keys]

    def put(
        self,
        key: CacheKey,
        payload: bytes,
        ttl_seconds: float,
        revision: int = 0,
        *,
        fresh_seconds: float | None = None,
        cost_seconds: float = 0.0,
        claim: Claim | None = None,
    ) -> None:
        self.before_put()
        self.check()
        self.puts.append(key)
        self.inner.put(
            key,
            payload,
            ttl_seconds,
            revision,
            fresh_seconds=fresh_seconds,
            cost_seconds=cost_seconds,
            claim=claim,
        )

    def put_all(self, puts: Sequence[Put]) -> None:
        self.check()
        self.puts += [put.key for put in puts]
        self.put_trips.append(len(puts))
        self.inner.put_all(puts)

    def claim(self, claim: Claim, mark: bytes, seconds: float) -> Claimed:
        self.check()
        self.claims.append(self.inner.claim(claim, mark, seconds))
        return self.claims[-1]

    def release(self, claim: Claim) -> None:
        self.check()
        self.inner.release(claim)

    def check(self) -> None:
        if self.is_down:
            raise StoreUnavailableError("down")


class HeldRefreshes:
    """Work that waits until a test does it."""

    def __init__(self) -> None:
        self.waiting: dict[Hashable, Callable[[], Refreshed]] = {}

    def offer(self, name: Hashable, work: Callable[[], Refreshed]) -> None:
        self.waiting.setdefault(name, work)

    def run(self) -> list[Refreshed]:
        """Do all of it."""
        waiting, self.waiting = self.waiting, {}
        return [work() for work in waiting.values()]


class Bench:
    """The use case with everything that it needs, and levers for the tests."""

    def __init__(
        self,
        registry: Registry,
        now: float = JUST_AFTER,
        ttl_seconds: float = 60,
        *,
        stale_seconds: float = 0,
        consents_by_default: bool = True,
        served: ServedLog | None = None,
        process_bytes: int = 0,
    ) -> None:
        self.registry = registry
        self.now = now
        self.monotonic = 1000.0
        self.drawn = 0.0
        self.refreshes = HeldRefreshes()
        self.meanwhile: list[Callable[[], object]] = []
        self.codec = Codec()
        metrics, self.numbers = new_metrics()
        self.process = ProcessCache(process_bytes, metrics, lambda: self.monotonic)
        self.process.heard(math.inf)
        profiles = InMemoryProfiles(changed=self.process.drop)
        self.cache = Cache(lambda: self.now, profiles)
        self.log = InMemoryEventLog(lambda: self.now, profiles)
        self.people = InMemoryPeople(profiles)
        self.standing = new_standing(registry, consents_by_default=consents_by_default)
        self.tables = FailingTables()
        catalogue = TableCatalogueStore(self.tables)
        self.rules = new_rules(registry)
        self.live = LiveCatalogue(catalogue, catalogue, Log().logger, self.rules.sell)
        self.stock = Stock(
            catalogue, catalogue, timeout_seconds=0.05, monotonic=lambda: self.monotonic
        )
        self.n_said = 0
        self.written = Log()
        self.slot = ModelSlot(registry, logger=Log().logger, metrics=metrics)
        self.slot.refresh()
        self.experiments = Experiments(
            registry.documents("experiments"),
            self.slot,
            self.rules,
            logger=self.written.logger,
            metrics=metrics,
            before_serving=self.live.keep,
            monotonic=lambda: self.monotonic,
        )
        answer_cache = AnswerCache(
            self.cache,
            self.codec,
            metrics,
            ttl_seconds=ttl_seconds,
            timeout_seconds=0.05,
            stale_seconds=stale_seconds,
            now=lambda: self.now,
            monotonic=lambda: self.monotonic,
            draw=lambda: self.drawn,
            pause=self.pause,
        )
        self.inquiries = inquiries = Inquiries(
            self.slot,
            Circumstances(self.standing, self.live, self.stock, self.experiments, self.rules),
            hash_key=KEY,
            now=lambda: self.now,
            monotonic=lambda: self.monotonic,
        )
        answers = Answers(Wording.load())
        deliveries = Deliveries(
            self.slot, metrics, served, now=lambda: self.now, monotonic=lambda: self.monotonic
        )
        self.recommendations = Recommendations(
            inquiries,
            ListMaker(inquiries, answers, self.codec, monotonic=lambda: self.monotonic),
            answer_cache,
            deliveries,
            self.refreshes,
            self.process,
            now=lambda: self.now,
            monotonic=lambda: self.monotonic,
        )
        self.related = Related(inquiries, answers, answer_cache, deliveries)

    def pause(self, _: threading.Event, seconds: float) -> None:
        """Let time go by, in which the next of what happens meanwhile does."""
        self.now += seconds
        self.monotonic += seconds
        if self.meanwhile:
            self.meanwhile.pop(0)()

    def lists_take(self, seconds: float) -> None:
        """Let so much time go by in the making of each list, from now on."""

        def go_on() -> None:
            self.monotonic += seconds

        self.codec.before = go_on

    def ask(self, question: Question, seconds: float = FOREVER) -> Served:
        return self.recommendations.recommend(question, self.monotonic + seconds)

    def similar(self, product_id: str, question: Question, seconds: float = FOREVER) -> Computed:
        return self.related.similar(product_id, question, self.monotonic + seconds)

    def together(
        self, product_ids: list[str], question: Question, seconds: float = FOREVER
    ) -> Computed:
        return self.related.together(product_ids, question, self.monotonic + seconds)

    def again(self, question: Question, seconds: float = FOREVER) -> Needed:
        return self.related.again(question, self.monotonic + seconds)

    def did(self, event_id: str, shopper: Shopper = ANNA, **fields: Any) -> None:
        """Store something that a shopper did just now."""
        one = event(event_id, shopper, **{"time": self.now, **fields})
        assert self.log.append([one], durable=False, heeds=0) == [Outcome.ACCEPTED]

    def say(self, store_id: str, *product_ids: str, **fields: Any) -> int:
        """Set the stock of products; it counts from then on, as after a quarter of a second."""
        self.n_said += 1
        given = {"is_in_stock": True, "effective": self.n_said, **fields}
        records = [StockRecord(product_id=product_id, **given) for product_id in product_ids]
        self.monotonic += FRESH_SECONDS
        return self.stock.put(store_id, records)[1]

    def answer(self, question: Question) -> Answer:
        """The answer as the codec saw it."""
        self.ask(question)
        return self.codec.answers[-1]

    def ids(self, question: Question) -> list[str]:
        return [item.product_id for item in self.answer(question).items]

    def count(self, name: str, **labels: str) -> float | None:
        return self.numbers.get_sample_value(name, labels)
