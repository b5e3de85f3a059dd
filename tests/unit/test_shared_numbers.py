"""Numbers in files: what is read of them, who goes on from whom, and want of room."""

import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import mmap_dict

from recsvc.shared_numbers import NumbersFile, SharedNumbers, added_up, forget_present, is_known

KEYS = [mmap_dict.mmap_key("calls", "calls_total", ["n"], [str(n)], "x" * n) for n in range(60)]
"""Of every length, in the fill of a key as well; more than a page together."""

NO_ROOM = "No space left|too large"


def totals(directory: Path) -> dict[str, float]:
    """What the page says of each series that tells of counts, or of now."""
    return {
        f"{sample.name} {sample.labels.get('n', '')}".strip(): sample.value
        for metric in added_up(directory)
        for sample in metric.samples
    }


def sums(amounts: Mapping[int, float]) -> dict[str, float]:
    return {f"calls_total {n}": amount for n, amount in amounts.items()}


@contextmanager
def no_file_longer_than(n_bytes: int) -> Iterator[None]:
    """Let what is written beyond that fail, as on a disk without room."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def counts(directory: Path, slot: int = 0) -> NumbersFile:
    return NumbersFile(directory / f"counter_{slot}.db", goes_on=True)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Old numbers and new ones, added to and replaced, once they are written and not before."""
    file = counts(tmp_path)
    file.add(KEYS[0], 1)
    assert totals(tmp_path) == {}
    file.sync()
    assert totals(tmp_path) == sums({0: 1})
    for n, key in enumerate(KEYS):
        file.add(key, n)
    file.sync()
    file.add(KEYS[1], 0.5)
    file.put(KEYS[2], 9, 0)
    file.sync()
    file.sync()
    expected = {n: float(n) for n in range(len(KEYS))} | {0: 1, 1: 1.5, 2: 9}
    assert totals(tmp_path) == sums(expected)
    assert file.get(KEYS[1]) == 1.5


def test_processes_are_added_up_and_those_before_are_gone_on_from(tmp_path: Path) -> None:
    """However many come after each other, there is one file, and no count ever falls."""
    other = counts(tmp_path, 1)
    other.add(KEYS[3], 100)
    other.sync()
    for number in range(1, 5):
        file = counts(tmp_path)
        for key in KEYS[number : number + 2]:  # some that were there, some that were not
            file.add(key, 1)
        before = totals(tmp_path)
        file.sync()
        assert all(totals(tmp_path)[name] >= amount for name, amount in before.items())
    assert totals(tmp_path) == sums({1: 1, 2: 2, 3: 102, 4: 2, 5: 1})
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("n_bytes", [0, 4, 8, 50, 400, 3_000, 4_096])
def test_without_room_numbers_wait_and_what_is_there_stays_whole(
    tmp_path: Path, n_bytes: int
) -> None:
    """Wherever a write ends: nothing is raised but what says so, and nothing is lost."""
    file = counts(tmp_path)
    with no_file_longer_than(n_bytes):
        for key in KEYS:
            file.add(key, 1)
        for _ in range(2):
            with pytest.raises(OSError, match=NO_ROOM):
                file.sync()
            assert totals(tmp_path) == {}
        file.add(KEYS[0], 1)
    file.sync()
    assert totals(tmp_path) == sums(dict.fromkeys(range(len(KEYS)), 1) | {0: 2})


def test_without_room_what_has_a_place_goes_on(tmp_path: Path) -> None:
    """Only what is new waits, also in the process that comes after."""
    file = counts(tmp_path)
    file.add(KEYS[0], 1)
    file.sync()
    with no_file_longer_than((tmp_path / "counter_0.db").stat().st_size):
        for process in (file, counts(tmp_path)):
            process.add(KEYS[1], 1)
            process.add(KEYS[0], 1)
            with pytest.raises(OSError, match=NO_ROOM):
                process.sync()
        assert totals(tmp_path) == sums({0: 3})
    process.sync()
    assert totals(tmp_path) == sums({0: 3, 1: 1})


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    """And what others have left there then is added to."""
    folder = tmp_path / "numbers"
    file = counts(folder)
    file.add(KEYS[0], 1)
    with pytest.raises(OSError, match="No such file"):
        file.sync()
    folder.mkdir()
    other = counts(folder)
    for key in KEYS[:2]:
        other.add(key, 1)
    other.sync()
    file.sync()
    assert totals(folder) == sums({0: 2, 1: 1})


@pytest.mark.parametrize("content", [b"", b"\1\0\0", b"\xff\xff\0\0" + bytes(90_000 // 2)])
def test_a_file_that_is_no_such_file_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    """One that is too short for anything, and one that somebody has meddled with."""
    (tmp_path / "counter_0.db").write_bytes(content)
    file = counts(tmp_path)
    file.add(KEYS[0], 1)
    file.sync()
    assert totals(tmp_path) == sums({0: 1})


PROCESS = """
import sys
from pathlib import Path
from prometheus_client import CollectorRegistry
from recsvc.metrics import Metrics
from recsvc.shared_numbers import SharedNumbers
numbers = SharedNumbers(Path(sys.argv[1]), int(sys.argv[2]))
assert numbers.share()
metrics = Metrics(CollectorRegistry())
metrics.answers.labels("MODEL").inc(2)
metrics.latency.labels("Recommend").observe(0.002)
metrics.events_waiting.set(int(sys.argv[2]))
metrics.model_workers.labels("tiny", "v1").set(1)
assert metrics.model_workers.labels("tiny", "v1")._value.get() == 1
numbers.sync(lambda problem: print(problem))
"""


def test_metrics_of_every_kind_are_shared(tmp_path: Path) -> None:
    """Counters, histograms and gauges of processes, and what is left once one has ended."""
    for slot in (0, 1):
        shown = subprocess.run(
            [sys.executable, "-c", PROCESS, str(tmp_path), str(slot)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert not shown.stdout
    found = totals(tmp_path)
    assert found["recsvc_answers_total"] == 4
    assert found["recsvc_request_seconds_count"] == 2
    assert found["recsvc_request_seconds_sum"] == 0.004
    assert found["recsvc_model_workers"] == 2
    assert found["recsvc_events_waiting"] == 1  # of who has said it last
    n_bytes = sum(path.stat().st_size for path in tmp_path.iterdir())
    forget_present(tmp_path, 1)
    found = totals(tmp_path)
    assert found["recsvc_answers_total"] == 4
    assert found["recsvc_model_workers"] == 1
    assert found["recsvc_events_waiting"] == 0
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == n_bytes


def test_want_of_room_is_said_once_and_so_is_its_end(tmp_path: Path) -> None:
    """Not at each try."""
    numbers, said = SharedNumbers(tmp_path / "numbers", 0), list[OSError | None]()
    value = numbers._value("counter", "calls", "calls_total", ["n"], ["1"], "Calls.")
    for _ in range(3):
        value.inc(1)
        numbers.sync(said.append)
    assert [type(problem) for problem in said] == [FileNotFoundError]
    (tmp_path / "numbers").mkdir()
    for _ in range(3):
        numbers.sync(said.append)
    assert said[1:] == [None]
    assert totals(tmp_path / "numbers") == sums({1: 3})


def test_another_library_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its inside is not as it is known, numbers stay in the process."""
    assert is_known()
    monkeypatch.setattr(mmap_dict, "mmap_key", lambda name: name)
    assert not is_known()
    assert not SharedNumbers(tmp_path, 0).share()
    monkeypatch.delattr(mmap_dict, "mmap_key")
    assert not is_known()
