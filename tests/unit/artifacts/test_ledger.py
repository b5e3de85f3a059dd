"""The ledger of a registry: what is written, what is read back, what crashes leave."""

import json
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from recsvc.artifacts.ledger import Decision, Ledger, LedgerEntry, UncertainError
from recsvc.artifacts.registry import Registry
from tests.unit.artifacts.faulty_disk import Fault, FaultyDisk
from tests.unit.artifacts.samples import NOW

ROOT = Path(__file__).parents[3]
ENTRY = LedgerEntry(NOW, Decision.WITHDRAWN, ("bread", "Käse\n{}"))
LATER = LedgerEntry(NOW + timedelta(microseconds=1), Decision.ERASED, ("8f2e", "c41a"))

# Appends one entry after another, once it is told to.
WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from recsvc.artifacts.ledger import Decision, Ledger, LedgerEntry
ledger = Ledger(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    subjects = (f"{sys.argv[2]}-{number}", "x" * 10_000)
    ledger.append([LedgerEntry(datetime.now(UTC), Decision.ERASED, subjects)])
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


@pytest.fixture
def ledger(path: Path) -> Ledger:
    return Ledger(path)


def test_entries_read_back_in_order(ledger: Ledger, path: Path) -> None:
    """What was appended is read, the oldest first, one line each."""
    ledger.append([ENTRY, LATER])
    ledger.append([ENTRY])

    assert ledger.read(0)[0] == [ENTRY, LATER, ENTRY]
    first, second, _ = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["subjects"] == ["bread", "Käse\n{}"]
    assert json.loads(second)["decision"] == "erased"


@pytest.mark.parametrize("decision", Decision)
def test_every_decision_reads_back(ledger: Ledger, decision: Decision) -> None:
    """Each is written as a word that reads as itself."""
    ledger.append([replace(ENTRY, decision=decision)])

    assert ledger.read(0)[0] == [replace(ENTRY, decision=decision)]


def test_times_are_told_in_utc(ledger: Ledger) -> None:
    """The moment is the same wherever it was written."""
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    ledger.append([replace(ENTRY, time=there)])

    ((entry,), _) = ledger.read(0)
    assert entry.time == NOW
    assert entry.time.utcoffset() == timedelta(0)


def test_a_missing_ledger_is_empty(ledger: Ledger) -> None:
    """Nobody has decided anything yet, wherever a reader was before."""
    assert ledger.end() == 0
    assert ledger.read(0) == ([], 0)
    assert ledger.read(77) == ([], 0)


def test_nothing_to_append_changes_nothing(ledger: Ledger) -> None:
    """Without entries the position is where it was."""
    assert ledger.append([]) == 0
    position = ledger.append([ENTRY])
    assert ledger.append([]) == position
    assert ledger.read(0) == ([ENTRY], position)


def test_reading_goes_on_where_it_was(ledger: Ledger) -> None:
    """A position stands for everything before it: who read so far reads only what is new."""
    first = ledger.append([ENTRY])
    assert ledger.end() == first
    assert ledger.read(0) == ([ENTRY], first)
    assert ledger.read(first) == ([], first)

    second = ledger.append([LATER, ENTRY])
    assert second > first
    assert ledger.end() == second
    assert ledger.read(first) == ([LATER, ENTRY], second)


@pytest.mark.parametrize(
    "torn", ['{"time": "2026-11-2', ENTRY.to_json(), "\0\0\0", "[]", "{}", "x\r", "é"]
)
def test_a_torn_line_costs_only_itself(ledger: Ledger, path: Path, torn: str) -> None:
    """After a crash within a line the next entry begins a line of its own."""
    ledger.append([ENTRY])
    whole = ledger.end()
    with path.open("ab") as file:
        file.write(torn.encode())

    assert ledger.read(0) == ([ENTRY], whole)
    position = ledger.append([LATER])
    assert ledger.read(whole) == ([LATER], position)
    assert ledger.read(0) == ([ENTRY, LATER], position)


def test_a_line_that_is_being_written_is_read_when_it_is_whole(ledger: Ledger, path: Path) -> None:
    """A reader that comes in between sees nothing of it, and all of it later."""
    line = ENTRY.to_json().encode() + b"\n"
    position = ledger.append([LATER])
    with path.open("ab", buffering=0) as file:
        for start in range(0, len(line), 7):
            assert ledger.read(position) == ([], position)
            file.write(line[start : start + 7])

    assert ledger.read(position) == ([ENTRY], position + len(line))


@pytest.mark.parametrize(
    "change", [{"decision": "eaten"}, {"subjects": "bread"}, {"time": "2026-11-22T05:30:00"}]
)
def test_a_line_of_another_kind_is_left_out(
    ledger: Ledger, path: Path, change: dict[str, object]
) -> None:
    """Fields of wrong kinds or unknown words make no entry, and are passed by."""
    path.write_text(json.dumps(json.loads(ENTRY.to_json()) | change) + "\n", encoding="utf-8")
    position = ledger.append([LATER])

    assert ledger.read(0) == ([LATER], position)


def test_a_time_without_a_zone_is_refused(ledger: Ledger, path: Path) -> None:
    """Nothing is written of an entry that nobody could place in time, nor of those beside it."""
    naive = datetime(2026, 11, 22)  # noqa: DTZ001  # what is refused

    with pytest.raises(ValueError, match="has no zone"):
        ledger.append([LATER, replace(ENTRY, time=naive)])
    assert not path.exists()


def test_a_place_that_cannot_be_written_is_an_error(path: Path) -> None:
    """Nobody is told that it is done: no directory, or something else in the file's place."""
    with pytest.raises(OSError, match="No such file"):
        Ledger(path.parent / "missing" / "ledger.jsonl").append([ENTRY])
    path.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        Ledger(path).append([ENTRY])
    with pytest.raises(OSError, match="Is a directory"):
        Ledger(path).read(0)


def test_threads_that_append_at_once_lose_nothing(path: Path) -> None:
    """Each entry is on a line of its own, and each position is after what it stands for."""
    wrong: list[str] = []

    def work(name: str) -> None:
        ledger = Ledger(path)
        position = 0
        for number in range(50):
            entry = replace(ENTRY, subjects=(f"{name}-{number}", "x" * 10_000))
            written = ledger.append([entry])
            entries, read_to = ledger.read(position)
            if entry not in entries or read_to < written:
                wrong.append(entry.subjects[0])
            position = written

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert_has_all_of(path, "abcd")


def test_processes_that_append_at_once_lose_nothing(path: Path) -> None:
    """So do processes."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in "ab"
    ]
    for writer in writers:
        assert writer.stdout is not None
        writer.stdout.readline()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write(b"go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    assert_has_all_of(path, "ab")


def assert_has_all_of(path: Path, names: str) -> None:
    """Check that 50 entries of every writer are there, each writer's in order."""
    subjects = [entry.subjects[0] for entry in Ledger(path).read(0)[0]]
    assert len(path.read_bytes().splitlines()) == 50 * len(names)
    for name in names:
        mine = [subject for subject in subjects if subject.startswith(name)]
        assert mine == [f"{name}-{number}" for number in range(50)]


def test_a_registry_has_a_ledger(tmp_path: Path) -> None:
    """It lies beside the versions, and every object of the registry finds the same one."""
    tmp_path.joinpath("versions").mkdir()
    Registry(tmp_path).ledger.append([ENTRY])

    assert Registry(tmp_path).ledger.read(0)[0] == [ENTRY]
    assert (tmp_path / "ledger.jsonl").exists()


def test_a_link_has_two_ends(ledger: Ledger) -> None:
    """One that has another number is torn, and left out."""
    link = LedgerEntry(NOW, Decision.LINKED, ("8f2e", "c41a"))
    ledger.append([link, replace(link, subjects=("8f2e",)), replace(link, subjects=()), LATER])
    assert ledger.read(0)[0] == [link, LATER]


def test_an_entry_that_depends_on_others_is_added_only_after_all_of_them(
    ledger: Ledger, path: Path
) -> None:
    """What somebody has added since is to be read first; what a crash has torn is nothing."""
    first = ledger.append_after(0, [ENTRY])
    assert first == ledger.end()
    second = ledger.append([LATER])
    assert ledger.append_after(first, [ENTRY]) is None
    with path.open("ab") as file:
        file.write(b'{"time": ')
    assert ledger.append_after(second, [ENTRY]) == ledger.end()
    assert ledger.append_after(ledger.end() + 1, [ENTRY]) is None  # a shorter one is another one
    assert ledger.read(0)[0] == [ENTRY, LATER, ENTRY]


FLUSH = 4
"""The step of an append: the file is opened, locked, written and flushed."""


@pytest.mark.parametrize("before", [[], [LATER]])
@pytest.mark.parametrize("fault", [Fault.UNFLUSHED, Fault.FULL])
def test_what_was_not_flushed_may_hold(
    ledger: Ledger, path: Path, before: list[LedgerEntry], fault: Fault
) -> None:
    """Others may have read it: for all of them it stays, and who wrote it is told."""
    ledger.append(before)
    with (
        FaultyDisk(path.parent, fault, FLUSH, path.parent / "left") as disk,
        pytest.raises(UncertainError),
    ):
        ledger.append([ENTRY])
    assert disk.steps[FLUSH - 1] == "fsync"
    ledger.append([LATER])
    assert ledger.read(0)[0] == [*before, ENTRY, LATER]


def test_the_name_of_a_new_ledger_may_be_what_is_not_flushed(ledger: Ledger, path: Path) -> None:
    """Then all of it may be gone after a power cut."""
    with (
        FaultyDisk(path.parent, Fault.UNFLUSHED, FLUSH + 1, path.parent / "left"),
        pytest.raises(UncertainError),
    ):
        ledger.append([ENTRY])


@pytest.mark.parametrize("left", ["", ENTRY.to_json() + "\n", '{"time": "2026-11-2'])
def test_who_made_a_ledger_may_have_died_before_its_name_was_flushed(
    tmp_path: Path, left: str
) -> None:
    """Whoever adds to it next flushes it: what they are told is done outlives a power cut."""
    path = tmp_path / "registry" / "ledger.jsonl"
    path.parent.mkdir()
    survivors = tmp_path / "left"
    with FaultyDisk(path.parent, Fault.KILLED, 0, survivors) as disk:
        with path.open("ab") as file:
            file.write(left.encode())
        Ledger(path).append([LATER])
        disk.lose_power()
    assert Ledger(survivors / path.name).read(0)[0][-1] == LATER


@pytest.mark.parametrize("n_flushes", [0, 1])
def test_a_name_that_was_not_flushed_is_flushed_with_the_next_entry(
    tmp_path: Path, n_flushes: int
) -> None:
    """By the same process too, whichever of the two flushes has failed."""
    root, survivors = tmp_path / "registry", tmp_path / "left"
    root.mkdir()
    ledger = Ledger(root / "ledger.jsonl")
    with FaultyDisk(root, Fault.UNFLUSHED, FLUSH + n_flushes, survivors) as disk:
        with pytest.raises(UncertainError):
            ledger.append([ENTRY])
        ledger.append([LATER])
        disk.lose_power()
    assert Ledger(survivors / "ledger.jsonl").read(0)[0] == [ENTRY, LATER]


def test_the_name_of_a_ledger_is_flushed_once_and_anew_where_it_was_removed(
    ledger: Ledger, path: Path
) -> None:
    """Not for each entry."""
    with FaultyDisk(path.parent, Fault.KILLED, 0, path.parent / "left") as disk:
        for n_flushes in (2, 3, 4):
            ledger.append([ENTRY])
            assert disk.steps.count("fsync") == n_flushes
        path.unlink()
        ledger.append([ENTRY])
        assert disk.steps.count("fsync") == n_flushes + 2


@pytest.mark.parametrize("before", [[], [LATER]])
def test_what_a_disk_has_no_room_for_does_not_come_later(
    ledger: Ledger, path: Path, before: list[LedgerEntry]
) -> None:
    """Not when the file is closed either; half a line is none."""
    ledger.append(before)
    disk = FaultyDisk(path.parent, Fault.FULL, FLUSH - 1, path.parent / "left")
    with disk, pytest.raises(OSError, match="No space") as caught:
        ledger.append([ENTRY])
    assert not isinstance(caught.value, UncertainError)
    assert ledger.read(0)[0] == before
    ledger.append([ENTRY])
    assert ledger.read(0)[0] == [*before, ENTRY]


def test_of_several_entries_those_that_are_whole_may_hold(ledger: Ledger, path: Path) -> None:
    """The disk had room for the first alone."""
    disk = FaultyDisk(path.parent, Fault.FULL, FLUSH - 1, path.parent / "left")
    with disk, pytest.raises(UncertainError, match="No space"):
        ledger.append([ENTRY, LATER, LATER, LATER])
    found = ledger.read(0)[0]
    assert found == [ENTRY, LATER][: len(found)] != []
