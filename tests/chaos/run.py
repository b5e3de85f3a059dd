"""One run: a shop under load, faults one after another, and what came of it."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from recsvc.service.models import load_model
from tests.chaos.collecting import collect
from tests.chaos.deeds import Sent
from tests.chaos.faults import DiskFilled, Fault
from tests.chaos.history import Span, check, read
from tests.chaos.load import BEGUN
from tests.chaos.memory import MemoryWatch, growth
from tests.chaos.patience import PROMISED, Patience
from tests.chaos.scene import Scene, scene
from tests.chaos.schedule import Pace, drawn, in_turn

FINISH_SECONDS = 180.0
SPARING_SHARE = 0.9
"""Of the time is for faults that spare the worker whose memory is watched, until they are over."""


@dataclass(frozen=True, slots=True)
class Event:
    """One fault of a run; seconds since its start.

    Attributes:
        fault: its name.
        began, ended: when.
    """

    fault: str
    began: float
    ended: float


class Load:
    """The process that shoppers come from.

    Args:
        plan: as ``tests.chaos.load`` is told.
    """

    def __init__(self, plan: dict[str, Any]) -> None:
        command = [sys.executable, "-m", "tests.chaos.load", json.dumps(plan)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def wait_until_begun(self) -> None:
        """Wait until shoppers come."""
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == f"{BEGUN}\n".encode(), "the load does not start"

    @property
    def is_running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    def finish(self) -> dict[str, Any]:
        """Let nobody come any more, and return what was seen once all are done."""
        out, _ = self._process.communicate(timeout=FINISH_SECONDS)
        found: dict[str, Any] = json.loads(out)
        return found

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()


def run(
    folder: Path,
    kinds: Sequence[type[Fault]],
    *,
    seconds: float,
    seed: int,
    pace: Pace,
    patience: Patience = PROMISED,
    tell: Callable[[str], object] = lambda _: None,
) -> dict[str, Any]:
    """Put a shop to the test.

    Args:
        folder: for everything; empty.
        kinds: of faults.
        seconds: how long.
        seed: of load and faults.
        pace: of faults; those that were not had when the time is up are had all the same.
        patience: how soon everything must be.
        tell: told what happens.
    """
    with scene(folder, patience.environment(), wants_own_disk=DiskFilled in kinds) as shop:
        left_out = [] if shop.is_own_disk else [k.name for k in kinds if k is DiskFilled]
        faults = [kind(shop) for kind in kinds if kind.name not in left_out]
        load = Load(
            {
                "target": shop.service.target,
                "ca": str(folder / "ca.crt"),
                "key": str(folder / "key"),
                "seed": seed,
                "share": pace.share,
                "patience": asdict(patience),
                "products": _products(shop),
                "events": str(folder / "events.jsonl"),
            }
        )
        memory = MemoryWatch(shop.processes)
        try:
            load.wait_until_begun()
            memory.start()
            started = time.monotonic()
            random = Random(seed)
            turns = _turns(faults, started, seconds, random, memory.stop)
            happened, wipes = _disturb(load, turns, random, pace, tell)
            time.sleep(pace.after)
            seen = load.finish()
            _name_moments(seen, started, happened)
            lasted = time.monotonic() - started
        finally:
            load.kill()
            memory.stop()
        found = _history(shop, folder, wipes, seen.pop("erased"))
        return {
            "seed": seed,
            "seconds": round(lasted, 1),
            "faults": dict(Counter(each.fault for each in happened)),
            "left_out": left_out,
            "happened": [asdict(each) for each in happened],
            "recommend": _availability(seen),
            "load": seen,
            "events": found,
            "memory": growth(memory.samples),
        }


def _products(shop: Scene) -> list[str]:
    """Ids that any of the models has."""
    return sorted(
        {
            product
            for version in shop.versions
            for product in load_model(shop.registry, version).model.catalogue.items.ids
        }
    )


def _turns(
    faults: Sequence[Fault],
    started: float,
    seconds: float,
    random: Random,
    before_others: Callable[[], object],
) -> Iterator[Fault]:
    """Which fault comes next: those that do not spare the survivor come after all others.

    Args:
        faults: all.
        started: when the run began, monotonic seconds.
        seconds: how long it lasts.
        random: the lot.
        before_others: called once those are over that spare it.
    """
    sparing = [fault for fault in faults if fault.spares_survivor]
    others = [fault for fault in faults if not fault.spares_survivor]
    share = SPARING_SHARE if others else 1.0
    yield from in_turn(sparing, started + share * seconds, random)
    before_others()
    yield from in_turn(others, started + seconds, random)


def _disturb(
    load: Load,
    turns: Iterable[Fault],
    random: Random,
    pace: Pace,
    tell: Callable[[str], object],
) -> tuple[list[Event], list[Span]]:
    """Let one fault after another happen; returns them, and when Redis forgot what it had."""
    started = time.monotonic()
    happened: list[Event] = []
    wipes: list[Span] = []
    time.sleep(pace.quiet)
    for fault in turns:
        assert load.is_running, "the load has ended by itself"
        began = time.monotonic()
        tell(f"{began - started:6.1f} s  {fault.name}")
        fault.begin()
        time.sleep(drawn(pace.lasting, random))
        fault.end()
        ended = time.monotonic()
        happened.append(Event(fault.name, round(began - started, 1), round(ended - started, 1)))
        if fault.forgets:
            wipes.append(Span(began, ended))
        time.sleep(drawn(pace.between, random))
    return happened, wipes


def _history(
    shop: Scene, folder: Path, wipes: Sequence[Span], erased: Sequence[str]
) -> dict[str, Any]:
    """Collect what is left, and look for what was acknowledged."""
    shop.collector.kill()
    time.sleep(1.2)  # what has just come in is left for the next run
    collect(shop.redis_url, shop.disk / "history", shop.registry.root, folder / "runs")
    sent = [Sent(*line) for line in _lines(folder / "events.jsonl")]
    runs = [Span(*line[:2]) for line in _lines(folder / "runs")]
    found = check(sent, read(shop.disk / "history"), wipes, runs, erased)
    return asdict(found) | {"n_wipes": len(wipes), "n_erased": len(erased)}


def _name_moments(seen: dict[str, Any], started: float, happened: Sequence[Event]) -> None:
    """Say of what went wrong during which fault, or after which one, it did."""

    def moment(at: float) -> str:
        since = at - started
        last = next((each for each in reversed(happened) if each.began <= since), None)
        if last is None:
            return f"{since:.1f} s, before any fault"
        when = "during" if since <= last.ended else "after"
        return f"{since:.1f} s, {when} {last.fault}"

    for name in ("failures", "wrong"):
        seen[name] = [[moment(at), what] for at, what in seen[name]]
    when = (moment(at).partition(", ")[2] for at in seen.pop("failed_at"))
    seen["failed_when"] = dict(Counter(when))


def _lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _availability(seen: dict[str, Any]) -> dict[str, Any]:
    answered, failed = (seen[key].get("recommend", 0) for key in ("answered", "failed"))
    n_asked = answered + failed
    return {
        "asked": n_asked,
        "answered_in_time": answered,
        "availability_percent": round(100 * answered / n_asked, 4) if n_asked else 0.0,
    }
