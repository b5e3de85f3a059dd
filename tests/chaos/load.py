"""``python -m tests.chaos.load``: shoppers who come when they like, whatever the service is at.

Arrivals are open-loop: by a Poisson process that does not wait for answers. Runs until stdin ends,
then until everything that was begun is done, and says on stdout, as JSON, what it saw.
"""

import heapq
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.clients import Clients
from tests.chaos.deeds import Deed, Deeds, Sent
from tests.chaos.patience import Patience
from tests.chaos.record import Fact, Record
from tests.chaos.tallies import Tallies

RATES: Mapping[str, float] = {
    "recommend": 40.0,
    "batch": 2.0,
    "ingest": 5.0,
    "recall": 0.5,
    "consent": 1.0,
    "erase": 1.0,
}
"""How many of each come in a second, on average."""

AGAIN_SECONDS = 0.5
"""After so long a write is sent again that was not acknowledged."""

BEGUN = "begun"
"""The line on stdout before the JSON, once shoppers come."""

N_THREADS = 128
RENEW_SECONDS = 4.0
LATE_SECONDS = 0.25
FINISH_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a load is told.

    Attributes:
        target: ``HOST:PORT``.
        ca: roots of its certificate.
        key: file of the shop's API key.
        seed: of the lot.
        share: of :data:`RATES`.
        patience: how soon everything must be.
        products: of all models.
        events: file where acknowledged events are written, a JSON object a line.
    """

    target: str
    ca: Path
    key: Path
    seed: int
    share: float
    patience: Patience
    products: tuple[str, ...]
    events: Path


class Arrivals:
    """Who comes next, and when: drawn by kind, and what is to be done again.

    Args:
        draw: by kind makes a deed.
        rates: by kind how many come in a second.
        random: the lot.
        now: monotonic seconds at the start.
    """

    def __init__(
        self,
        draw: Mapping[str, Callable[[], Deed]],
        rates: Mapping[str, float],
        random: Random,
        now: float,
    ) -> None:
        self._draw = draw
        self._rates = rates
        self._random = random
        self._numbers = count()  # of two that are due at once the first comes first
        self._lock = threading.Lock()
        self._due: list[tuple[float, int, str, Deed | None]] = []
        self.n_unfinished = 0
        self.is_open = True
        for kind in draw:
            self._plan(kind, now)

    def _plan(self, kind: str, now: float) -> None:
        at = now + self._random.expovariate(self._rates[kind])
        heapq.heappush(self._due, (at, next(self._numbers), kind, None))

    def next(self, now: float) -> tuple[float, Deed] | None:
        """A deed that is due, and since when; None if there is none."""
        with self._lock:
            if not self._due or self._due[0][0] > now:
                return None
            at, _, kind, deed = heapq.heappop(self._due)
            if deed is None:
                if not self.is_open:
                    return None
                self._plan(kind, at)
                deed = self._draw[kind]()
                self.n_unfinished += 1
            return at, deed

    def run(self, deed: Deed) -> None:
        """Do a deed; what did not come to its end comes again."""
        is_done = False
        try:
            is_done = deed()
        finally:
            with self._lock:
                if is_done:
                    self.n_unfinished -= 1
                else:
                    at = time.monotonic() + AGAIN_SECONDS * self._random.uniform(0.5, 1.5)
                    heapq.heappush(self._due, (at, next(self._numbers), "", deed))


def run(plan: Plan, stopping: threading.Event) -> dict[str, Any]:
    """Load a service until told to stop, and say what was seen."""
    record, tallies = Record(frozenset(plan.products), plan.patience.sight), Tallies()
    clients = Clients(plan.target, plan.ca, plan.key, plan.patience.answer)
    random = Random(plan.seed)
    errors: list[str] = []
    with plan.events.open("w") as file, ThreadPoolExecutor(N_THREADS) as pool:
        writing = threading.Lock()

        def sent(event: Sent) -> None:
            with writing:
                file.write(json.dumps([event.event_id, event.began, event.ended]) + "\n")

        deeds = Deeds(clients, record, tallies, plan.products, random=random, sent=sent)
        draw = {kind: getattr(deeds, kind) for kind in RATES}
        rates = {kind: plan.share * rate for kind, rate in RATES.items()}
        arrivals = Arrivals(draw, rates, Random(plan.seed + 1), time.monotonic())

        def do(at: float, deed: Deed) -> None:
            if time.monotonic() - at > LATE_SECONDS:
                tallies.start_late()
            try:
                arrivals.run(deed)
            except Exception as error:  # noqa: BLE001  # whatever it is, the run has failed
                errors.append(repr(error))

        sys.stdout.write(f"{BEGUN}\n")
        sys.stdout.flush()
        renewed, finish = time.monotonic(), float("inf")
        while arrivals.is_open or arrivals.n_unfinished:
            now = time.monotonic()
            if arrivals.is_open and stopping.is_set():
                arrivals.is_open, finish = False, now + FINISH_SECONDS
            if now > finish:
                break
            if now - renewed > RENEW_SECONDS:
                clients.renew()
                renewed = now
            while (due := arrivals.next(now)) is not None:
                pool.submit(do, *due)
            time.sleep(0.002)  # finer than arrivals are apart
    clients.close()
    return tallies.to_json() | {
        "n_unfinished": arrivals.n_unfinished,
        "errors": errors,
        "erased": record.having(Fact.ERASED),
    }


def main() -> None:
    """Load a service as the JSON on the command line says."""
    told = json.loads(sys.argv[1])
    plan = Plan(
        target=told["target"],
        ca=Path(told["ca"]),
        key=Path(told["key"]),
        seed=told["seed"],
        share=told["share"],
        patience=Patience(**told["patience"]),
        products=tuple(told["products"]),
        events=Path(told["events"]),
    )
    stopping = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        stopping.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    json.dump(run(plan, stopping), sys.stdout)


if __name__ == "__main__":
    main()
