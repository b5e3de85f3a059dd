"""What surrounds a run of ``make chaos``: its faults, its clock, what it makes of its memory."""

import os
import subprocess
import sys
import time
from itertools import count, islice
from pathlib import Path
from random import Random

from tests.chaos.clock import SteppedClock
from tests.chaos.faults import ALL, Fault, WorkersRolled
from tests.chaos.memory import Sample, growth
from tests.chaos.report import broken
from tests.chaos.run import _turns
from tests.chaos.schedule import in_turn, rounds

FINE = {
    "seconds": 600.0,
    "load": {"failed": {"ingest": 3}, "n_wrong": 0, "n_unfinished": 0, "errors": []},
    "events": {"lost": [], "twice": [], "n_erased_rows": 0},
    "memory": {"worker 0": {"ratio": 1.1}, "worker 1": {"ratio": 2.0}, "valkey": {"ratio": 3.0}},
}


def test_each_fault_has_its_turn_before_any_has_another() -> None:
    drawn = list(islice(rounds(ALL, Random(1)), 2 * len(ALL)))
    assert set(drawn[: len(ALL)]) == set(drawn[len(ALL) :]) == set(ALL)
    assert drawn[: len(ALL)] != drawn[len(ALL) :]


def test_faults_come_until_the_time_is_up() -> None:
    """Each once all the same; where there are none, none come."""
    clock = count(1.0).__next__  # a second at each look
    assert sorted(in_turn("abc", 0.0, Random(1), clock)) == ["a", "b", "c"]
    clock = count(1.0).__next__
    drawn = list(in_turn("abc", 2.5, Random(1), clock))
    assert (len(drawn), set(drawn)) == (5, set("abc"))
    assert list(in_turn("", 2.5, Random(1), clock)) == []


def test_the_survivor_dies_last() -> None:
    """Its memory has been watched by then."""
    faults: list[Fault] = [object.__new__(kind) for kind in ALL]  # nothing is done by them
    watched: list[int] = []
    came: list[str] = []
    for fault in _turns(faults, 0.0, 0.0, Random(1), lambda: watched.append(len(came))):
        came.append(fault.name)  # noqa: PERF401  # how far it has come is looked at on the way
    assert sorted(came) == sorted(kind.name for kind in ALL)
    assert came[watched[0] :] == [WorkersRolled.name]


def test_a_process_has_the_time_that_it_is_given(tmp_path: Path) -> None:
    """The clock on the wall is another one, at once, and monotonic time goes on."""
    clock = SteppedClock(tmp_path / "clock")
    code = """
import sys, time
from datetime import UTC, datetime
from grpc import _server
for _ in sys.stdin:
    now = datetime.now(UTC)
    assert isinstance(now, datetime)
    print(time.time(), now.timestamp(), _server.time.time(), time.monotonic(), flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | clock.environment(),
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for step in (0.0, 7_200.0, -7_200.0):
            clock.step(step)
            began, began_monotonic = time.time(), time.monotonic()
            process.stdin.write("now\n")
            process.stdin.flush()
            wall, date, of_grpc, monotonic = map(float, process.stdout.readline().split())
            lasted = time.time() - began
            assert 0 <= wall - step - began <= lasted
            assert 0 <= date - step - began <= lasted + 1e-3
            assert 0 <= of_grpc - began <= lasted
            assert began_monotonic <= monotonic <= time.monotonic()
        process.stdin.close()


def test_memory_is_compared_with_that_of_minute_two() -> None:
    """By medians; a process that was gone then has no ratio."""
    samples = [Sample(at, {"worker 0": 100.0 + at / 10}) for at in range(2, 600, 2)]
    samples.append(Sample(600.0, {"worker 0": 900.0, "late": 5.0}))
    found = growth(samples)
    assert found["worker 0"] == {"minute_two_mib": 112.0, "end_mib": 159.0, "ratio": 1.42}
    assert found["late"]["ratio"] == 0.0
    assert growth([]) == {}


def test_what_is_not_as_promised_is_said() -> None:
    """Writes that failed at first are none of it; what a fault kills says nothing of memory."""
    assert broken(FINE) == []
    assert broken(FINE | {"events": FINE["events"] | {"lost": ["a", "b"]}}) == [  # type: ignore[operator]  # a dict of a dict
        "2 acknowledged events are lost"
    ]
    grown = FINE | {"memory": {"worker 0": {"ratio": 1.11}}}
    assert broken(grown) == ["worker 0 takes 1.11 times the memory of minute two"]
    assert broken(grown | {"seconds": 60.0}) == []
