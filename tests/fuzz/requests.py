"""Generated requests against a whole service: what is sent, what is kept, and what is wrong."""

import os
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from recsvc.access.api_keys import new_key, write_api_keys
from recsvc.access.scopes import Scope
from recsvc.artifacts.registry import Registry
from recsvc.core.vocabulary import Vocabulary
from tests.fuzz import seeds
from tests.fuzz.branches import FOLDER, steps_told
from tests.fuzz.calls import Calls, Sent, is_readable
from tests.fuzz.credentials import Credentials, bearer
from tests.fuzz.kept import joined, keep, kept, parted
from tests.fuzz.messages import Messages
from tests.fuzz.methods import Method, methods
from tests.fuzz.texts import PERSON, Texts
from tests.fuzz.verdicts import UNHEARD, Verdict
from tests.fuzz.watch import LogWatch, Memory
from tests.fuzz.wire import mutated
from tests.samples import PRODUCTS, STORES, tiny_artifact
from tests.serving import NOW, Service, renamed_model, running_service

_ROOT: Final = Path(__file__).parents[2]
_TRACED: Final = Path(__file__).parent / "traced"
_N_KEPT: Final = 400
_N_FAULTS: Final = 50
_SHARE_MUTATED: Final = 0.35
_SHARE_WARM: Final = 0.2
_SHARE_HUGE: Final = 0.00002
_LOOK_EVERY: Final = 1_000
_N_STREAMED: Final = (0, 1, 2, 5, 20, 100)
_N_LONG: Final = 20
_REQUESTS_A_SECOND: Final = 1_000_000.0
"""That may be made: they are counted, and none is turned away."""
_UNWELL: Final = ("worker_killed", "worker_exited", "calls_left_behind", "calls_not_ended")
"""Lines that a service which ends as it should does not write."""

_CUSTOMERS: Final = ("anna", "ben", "clara", "dora", "emil", "filipa")


@dataclass
class Found:
    """What a run has seen.

    Attributes:
        n_requests: messages that were made for calls: one for each, or those of a stream.
        n_sent: such that gRPC was given: all but what streams that ended early left behind.
        n_unreadable: such that were no message of their method.
        n_calls: calls that they were made for.
        n_streams: calls that take a stream of messages, none to a hundred.
        n_silent: calls that gRPC may have ended alone, or that have no line in the log anyway.
        n_steps: of the service's code that were taken; 0 where it was not traced.
        codes: how calls ended.
        kinds: different ways in which they ended, by method.
        faults: what is wrong, the first of each kind.
    """

    n_requests: int = 0
    n_sent: int = 0
    n_unreadable: int = 0
    n_calls: int = 0
    n_streams: int = 0
    n_silent: int = 0
    n_steps: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    memory_mb: dict[str, tuple[float, float]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    _wrong: set[tuple[str, str, str]] = field(default_factory=set)

    def take(self, sent: Sent, verdict: Verdict, failures: Path | None = None) -> bool:
        """Take in how a call ended; tell whether none of its method has ended so before.

        Args:
            sent: what it was.
            verdict: of its end.
            failures: where what failed is written.
        """
        method = sent.method.name
        is_new = verdict.kind not in self.kinds[method]
        self.kinds[method].add(verdict.kind)
        self.codes[verdict.code] += 1
        self.n_silent += verdict.kind in UNHEARD or not sent.method.is_ours
        # Of what is wrong in one way one is told, whether others that end so were well or not.
        way = method, verdict.kind, verdict.fault.partition(":")[0]
        if verdict.fault and way not in self._wrong and len(self.faults) < _N_FAULTS:
            self._wrong.add(way)
            fault = f"{method}: {verdict.fault}"
            if failures is not None:
                fault += f" ({keep(failures, method, joined(sent.messages))})"
            self.faults.append(fault)
        return is_new

    def to_json(self) -> dict[str, Any]:
        """For a report."""
        return {
            "messages": {
                "generated": self.n_requests,
                "sent": self.n_sent,
                "no message of their method": self.n_unreadable,
            },
            "calls": {
                "all": self.n_calls,
                "of one message": self.n_calls - self.n_streams,
                "of a stream of messages": self.n_streams,
            },
            "codes": dict(self.codes.most_common()),
            "ways to end": sum(map(len, self.kinds.values())),
            "steps of the service": self.n_steps,
            "seconds": round(self.seconds, 1),
            "memory (MB, warm and at the end)": self.memory_mb,
            "log lines": self.lines,
            "faults": self.faults,
        }


class Ground(NamedTuple):
    """Where all is sent.

    Attributes:
        service: that is sent it.
        key: with which everything may be done there.
        steps: folder where it tells which steps of its code it has taken.
    """

    service: Service
    key: str
    steps: Path


@contextmanager
def hostile_ground(directory: Path) -> Iterator[Ground]:
    """A service with a small model, whose customers are told from all else by their ids."""
    registry = Registry(directory / "models")
    for version_id, prefix in (("v1", ""), ("v2", "b-")):
        model = renamed_model(prefix)
        people = [f"{PERSON}-{customer}" for customer in _CUSTOMERS]
        tiny_artifact(registry, replace(model, customers=Vocabulary.from_ids(people)), version_id)
    registry.promote("v1", NOW)
    # Patience: a busy machine is not a dead Valkey, and who is turned away there tests nothing.
    patience = {"RECSVC_REDIS_TIMEOUT_MS": "1000", "RECSVC_MAX_WAIT_MS": "10000"}
    key, secret = new_key("fuzz", Scope, NOW, _REQUESTS_A_SECOND)
    keys = directory / "keys.json"
    keys.touch(0o600)
    keys.write_bytes(write_api_keys([key]))
    access = {
        "RECSVC_API_KEYS_FILE": str(keys),
        "RECSVC_JWT_SECRET": seeds.TOKEN_SECRET,
        "RECSVC_JWT_ISSUER": seeds.TOKEN_ISSUER,
        "RECSVC_JWT_AUDIENCE": seeds.TOKEN_AUDIENCE,
    }
    steps = directory / "steps"
    steps.mkdir()
    traced = {FOLDER: str(steps), "PYTHONPATH": f"{_TRACED}{os.pathsep}{_ROOT}"}
    env = patience | access | traced
    with running_service(registry.root, directory / "service", **env) as service:
        yield Ground(service, secret, steps)


def new_texts(chance: random.Random) -> Texts:
    """Texts of the shop that :func:`hostile_ground` serves."""
    products = [item.product_id for item in PRODUCTS]
    return Texts(
        chance,
        products=[*products, *(f"b-{product}" for product in products), "unknown"],
        stores=[*(shop.store_id for shop in STORES), "unknown", ""],
        customers=[f"{PERSON}-{customer}" for customer in _CUSTOMERS],
        versions=("v1", "v2", "current", "v"),
    )


class Requests:
    """Makes what is sent: new messages, and such that went a new way, changed.

    A call went a new way if it ended in one (code, reason, field) in which none of its method has
    ended, or if the service took a step of its code that it had never taken while it was under way:
    then those that were under way beside it are kept too.

    Args:
        seed: where chance begins.
        key: with which everything may be done.
    """

    def __init__(self, seed: int, key: str) -> None:
        self._chance = random.Random(seed)
        self._credentials = Credentials(self._chance, key)
        self._texts = new_texts(self._chance)
        self._messages = Messages(self._texts)
        self._methods = list(methods())
        self._weights = [method.weight for method in self._methods]
        self._kept: dict[str, list[bytes]] = defaultdict(list)

    @property
    def chance(self) -> random.Random:
        """Where chance comes from."""
        return self._chance

    def next(self) -> Sent:
        """What to send now."""
        method = self._chance.choices(self._methods, self._weights)[0]
        credential = self._credentials.next()
        if not method.is_streamed[0]:
            return Sent(method, [self._message(method)], credential)
        messages = [self._message(method) for _ in range(self._chance.choice(_N_STREAMED))]
        if len(messages) >= _N_LONG:
            # What is no message ends the stream: the others of a long one would be for nobody.
            *others, last = messages
            messages = [*filter(partial(is_readable, method), others), last]
        return Sent(method, messages, credential)

    def learn(self, sent: Sent, *, is_new: bool, given: Mapping[str, str]) -> None:
        """Keep what went a new way, and what the service gave out."""
        for name, text in given.items():
            self._texts.remember(name, text)
        if is_new:
            kept = self._kept[sent.method.name]
            kept += sent.messages[:1]
            if len(kept) > _N_KEPT:
                del kept[self._chance.randrange(len(kept))]

    def _message(self, method: Method) -> bytes:
        kept = self._kept[method.name]
        if self._chance.random() < _SHARE_HUGE:
            return self._chance.randbytes(1_000) * 17_000
        if kept and self._chance.random() < _SHARE_MUTATED:
            others = self._kept[self._chance.choice(self._methods).name] or kept
            return mutated(self._chance.choice(kept), others, self._chance)
        data = self._messages.fill(method.request()).SerializeToString()
        kept += [data] if len(kept) < _N_KEPT // 10 else []
        return data


def run_requests(  # options of one run, by keyword
    directory: Path,
    *,
    seed: int,
    n_requests: int,
    seconds: float = float("inf"),
    failures: Path | None = None,
) -> Found:
    """Send requests until there were enough, or time is up.

    Args:
        directory: for the service.
        seed: where chance begins; what is under way at once is not the same each time.
        n_requests: how many messages at least.
        seconds: how long at most.
        failures: where what failed is written.
    """
    found = Found()

    def judge(sent: Sent, verdict: Verdict, given: Mapping[str, str]) -> None:
        is_new = found.take(sent, verdict, failures)
        found.n_steps = steps_told(steps)
        requests.learn(sent, is_new=is_new or found.n_steps > sent.n_steps, given=given)

    started = time.monotonic()
    with hostile_ground(directory) as (service, key, steps):
        requests = Requests(seed, key)
        log = LogWatch(directory / "service" / "service.log")
        memory = Memory(service.process.pid)
        with Calls(service.target, judge, requests.chance) as calls:
            while found.n_requests < n_requests and service.process.poll() is None:
                passed = time.monotonic() - started
                if passed > seconds:
                    break
                sent = replace(requests.next(), n_steps=found.n_steps)
                found.n_requests += len(sent.messages)
                found.n_calls += 1
                found.n_streams += sent.method.is_streamed[0]
                found.n_unreadable += sum(not is_readable(sent.method, m) for m in sent.messages)
                calls.send(sent)
                if not found.n_calls % _LOOK_EVERY:
                    log.read()
                    memory.look(
                        is_warm=max(found.n_requests / n_requests, passed / seconds) > _SHARE_WARM
                    )
        found.n_sent = calls.n_sent
        found.seconds = time.monotonic() - started
        code = service.process.poll()
        if code is None:
            memory.look(is_warm=True)
            found.faults += memory.growth()
            code = service.stop()
    log.read()
    is_stopped_early = found.n_requests < n_requests and found.seconds < seconds
    if code or is_stopped_early:
        found.faults.append(f"the service ended with {code} after {found.n_calls} calls")
    found.faults += log.faults[:_N_FAULTS]
    found.faults += _uncounted(found, log)
    found.faults += [f"{n} x {event}" for event in _UNWELL if (n := log.n_lines[event])]
    found.lines = dict(log.n_lines)
    found.memory_mb = {
        name: (round(before), round(memory.last_mb.get(name, 0)))
        for name, before in memory.first_mb.items()
    }
    return found


def replayed(directory: Path, corpus: Path) -> Found:
    """Send what has failed before once more."""
    found = Found()

    def judge(sent: Sent, verdict: Verdict, _given: Mapping[str, str]) -> None:
        found.n_calls += 1
        found.codes[verdict.code] += 1
        found.faults += [f"{sent.method.name}: {verdict.fault}"] if verdict.fault else []

    with (
        hostile_ground(directory) as (service, key, _),
        Calls(service.target, judge, random.Random(0)) as calls,
    ):
        for method in methods():
            for path in kept(corpus, method.name):
                messages = parted(path.read_bytes())
                calls.send(Sent(method, messages, bearer(key, is_good=True)))
    return found


def _uncounted(found: Found, log: LogWatch) -> list[str]:
    """What is wrong with how many lines there are of calls."""
    n_logged = log.n_lines["request"]
    is_whole = found.n_calls - found.n_silent <= n_logged <= found.n_calls
    if is_whole or log.n_lines["log_lines_lost"]:
        return []
    return [f"of {found.n_calls} calls, the log has {n_logged} lines"]
