"""Hostile files for every reader, in a process of its own, which may hang or die."""

import json
import multiprocessing
import os
import random
import re
import resource
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from pathlib import Path
from typing import Any, Final

from tests.fuzz.branches import Branches
from tests.fuzz.kept import keep
from tests.fuzz.targets import HARMFUL, Target, targets
from tests.fuzz.wire import mutated

PATIENCE_SECONDS: Final = 20.0
"""Of processor time, that one file may take: on a busy machine a clock says nothing."""
_ASLEEP_SECONDS: Final = 600.0
SLOW_CPU_SECONDS: Final = 5.0
MAX_MB: Final = 400.0
"""How much more memory one file may take."""
_DIED: Final = "Polars ended with"
_SLOW: Final = "s of processor time"
_SPARE_BYTES: Final = 4 << 30
_NOT_YET: Final = -1
"""In place of the number of files that were read, while the process begins."""
_N_FAULTS: Final = 50
_N_KEPT: Final = 300
_SHARE_KEPT: Final = 0.3
_MAX_KEPT_BYTES: Final = 100_000
_NOISE: Final = re.compile(r"/[^ :]*|\d+|'[^']*'|\"[^\"]*\"|\([^)]*\)")


@dataclass
class Found:
    """What a run has seen.

    Attributes:
        n_files: files that were read, by reader.
        n_refused: those that were refused, in words.
        n_died: those of them at which Polars ended the process that reads them first.
        n_branches: pairs of lines of our own code that followed each other; 0 unless traced.
        n_ways: different ways in which reading ended.
        peak_mb: the most memory that the process had.
        faults: what is wrong, the first of each kind.
    """

    n_files: Counter[str] = field(default_factory=Counter)
    n_refused: int = 0
    n_died: int = 0
    n_branches: int = 0
    n_ways: int = 0
    peak_mb: float = 0.0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """For a report."""
        return {
            "files": self.n_files.total(),
            "by reader": dict(sorted(self.n_files.items())),
            "refused in words": self.n_refused,
            "ended by Polars": self.n_died,
            "branches": self.n_branches,
            "ways to end": self.n_ways,
            "seconds": round(self.seconds, 1),
            "peak memory (MB)": round(self.peak_mb),
            "faults": self.faults,
        }

    def add(self, other: "Found") -> None:
        """Add what a process has seen."""
        self.n_files += other.n_files
        self.n_refused += other.n_refused
        self.n_died += other.n_died
        self.n_branches = max(self.n_branches, other.n_branches)
        self.n_ways = max(self.n_ways, other.n_ways)
        self.peak_mb = max(self.peak_mb, other.peak_mb)
        self.faults += other.faults


def fault_of(target: Target, path: Path) -> tuple[str, str]:
    """Read a file: what is wrong with how that ends, and what such ends have in common."""
    before, started = _peak_mb(), _cpu_seconds(os.getpid())
    fault = ""
    try:
        target.read(path)
        kind = "read"
    except target.allowed as error:
        said = str(error)
        kind = f"{type(error).__name__} {_NOISE.sub('#', said)[:120]}"
        if not said.strip() or "\n" in said:
            fault = f"{type(error).__name__} that is not one line: {said[:300]!r}"
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # what else comes is what is looked for, panics of Rust too
        last = traceback.extract_tb(error.__traceback__)[-3:]
        where = " < ".join(f"{Path(f.filename).name}:{f.lineno}" for f in reversed(last))
        kind = f"{type(error).__name__} {where}"
        fault = f"{type(error).__name__}: {str(error)[:300]} ({where})"
    seconds = _cpu_seconds(os.getpid()) - started
    if not fault and seconds > SLOW_CPU_SECONDS:
        fault = f"it took {seconds:.0f} {_SLOW}"
    if not fault and _peak_mb() - before > MAX_MB:
        fault = f"it took {_peak_mb() - before:.0f} MB"
    return fault, kind


def run_files(
    *,
    seed: int,
    n_files: int,
    seconds: float = float("inf"),
    only: Sequence[str] = (),
    failures: Path | None = None,
    patience: float = PATIENCE_SECONDS,
) -> Found:
    """Give hostile files to the readers until there were enough, or time is up.

    Args:
        seed: where chance begins.
        n_files: how many.
        seconds: how long at most.
        only: names of the readers that are meant; none, all.
        failures: where what failed is written.
        patience: seconds of processor time after which a reader is said to hang.
    """
    found, started = Found(), time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        while (done := found.n_files.total()) < n_files and time.monotonic() - started < seconds:
            left = seconds - (time.monotonic() - started)
            plan = _Plan(
                Path(directory), seed + done, n_files - done, left, tuple(only), failures, patience
            )
            found.add(_watched(plan))
            if len(found.faults) >= _N_FAULTS:
                break
    found.seconds = time.monotonic() - started
    return found


@dataclass(frozen=True)
class _Plan:
    """What a process is told."""

    directory: Path
    seed: int
    n_files: int
    seconds: float
    only: tuple[str, ...]
    failures: Path | None
    patience: float


def _watched(plan: _Plan) -> Found:
    """Let a process read files, and say what it was at where it hangs or dies."""
    context = multiprocessing.get_context("spawn")
    n_done: Synchronized[int] = context.Value("q", _NOT_YET)
    ours, theirs = context.Pipe(duplex=False)
    by_reader = context.Array("q", len(_chosen(plan)))
    process = context.Process(target=_work, args=(plan, n_done, by_reader, theirs), daemon=True)
    process.start()
    theirs.close()
    last, used, since = _NOT_YET, 0.0, time.monotonic()
    while not ours.poll(1.0) and process.is_alive():
        if n_done.value != last:
            last, used, since = n_done.value, _cpu_seconds(process.pid), time.monotonic()
        elif (
            last != _NOT_YET and _cpu_seconds(process.pid) - used > plan.patience
        ) or time.monotonic() - since > _ASLEEP_SECONDS:
            process.kill()
            return _lost(plan, by_reader[:], None)
    try:
        found: Found = ours.recv()
    except EOFError:
        process.join()
        return _lost(plan, by_reader[:], process.exitcode)
    process.join()
    return found


def _chosen(plan: _Plan) -> Sequence[Target]:
    if not plan.only:
        return targets()
    return [target for target in (*targets(), *HARMFUL) if target.name in plan.only]


def _lost(plan: _Plan, by_reader: Sequence[int], code: int | None) -> Found:
    """What is known of a process that has died, or hung (``code`` is None)."""
    what = "it hangs" if code is None else f"the process ended with {code}"
    now = plan.directory / "now"
    if not now.exists():
        raise RuntimeError(f"before any file was read: {what}")
    name, file = json.loads(now.read_text())
    names = [target.name for target in _chosen(plan)]
    found = Found(n_files=Counter(dict(zip(names, by_reader, strict=True))))
    found.n_files[name] += 1
    fault = f"{name}: {what}"
    if plan.failures is not None:
        fault += f" ({keep(plan.failures, name, Path(file).read_bytes())})"
    found.faults.append(fault)
    return found


def _work(
    plan: _Plan,
    n_done: "Synchronized[int]",
    by_reader: "SynchronizedArray[int]",
    out: Connection,
) -> None:
    chosen = _chosen(plan)
    numbers = {target.name: number for number, target in enumerate(chosen)}
    weights = [target.weight for target in chosen]
    chance, branches, found = random.Random(plan.seed), Branches(), Found()
    kept: dict[str, list[bytes]] = defaultdict(list)
    ways: dict[str, set[str]] = defaultdict(set)
    told: set[str] = set()
    folders = {target.name: plan.directory / target.name for target in chosen}
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    _limit_memory()
    n_done.value = 0
    ends = time.monotonic() + plan.seconds
    for _ in range(plan.n_files):
        if time.monotonic() > ends or len(told) >= _N_FAULTS:
            break
        target = chance.choices(chosen, weights)[0]
        mine = kept[target.name]
        if mine and chance.random() < _SHARE_KEPT:
            data = mutated(chance.choice(mine), mine, chance)
        else:
            data = target.make(chance)
        path = folders[target.name] / target.file
        path.write_bytes(data)
        (plan.directory / "now").write_text(json.dumps([target.name, str(path)]))
        n_branches = branches.n_seen
        with branches.collected():
            fault, kind = fault_of(target, path)
        if fault.endswith(_SLOW):  # collecting takes longer than most readers do
            fault, _ = fault_of(target, path)
        found.n_files[target.name] += 1
        found.n_refused += kind != "read"
        found.n_died += _DIED in kind
        n_done.value += 1
        by_reader[numbers[target.name]] += 1
        if (branches.n_seen > n_branches or kind not in ways[target.name]) and (
            len(data) < _MAX_KEPT_BYTES
        ):
            mine.append(data)
            if len(mine) > _N_KEPT:
                del mine[chance.randrange(len(mine))]
        ways[target.name].add(kind)
        if fault and (target.name + kind) not in told:
            told.add(target.name + kind)
            where = f" ({keep(plan.failures, target.name, data)})" if plan.failures else ""
            found.faults.append(f"{target.name}: {fault}{where}")
    found.n_branches, found.n_ways = branches.n_seen, sum(map(len, ways.values()))
    found.peak_mb = _peak_mb()
    out.send(found)


def _limit_memory() -> None:
    """Let a bomb end this process, and not the machine."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + _SPARE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _peak_mb() -> float:
    """The most memory that this process and those below it had."""
    # Not by getrusage, whose figure begins with that of the process that started this one.
    return sum(
        int(status.partition("VmHWM:")[2].split()[0]) / 1024
        for status in _of_family(os.getpid(), "status")
        if "VmHWM:" in status  # or it has ended, and nobody has looked
    )


def _cpu_seconds(pid: int | None) -> float:
    """Processor time that a process and those below it have taken."""
    fields = (stat.rpartition(")")[2].split() for stat in _of_family(pid, "stat"))
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def _of_family(pid: int | None, name: str) -> Iterator[str]:
    """A file of ``/proc`` for a process and for each that its first thread has started."""
    folder = Path(f"/proc/{pid}")
    with suppress(OSError):  # it has just ended
        yield (folder / name).read_text()
        for child in (folder / f"task/{pid}/children").read_text().split():
            yield from _of_family(int(child), name)
