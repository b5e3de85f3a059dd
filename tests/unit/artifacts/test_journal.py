"""The journal of a registry: what is written, what is read back, what crashes leave."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from recsvc.artifacts import journal
from recsvc.artifacts.journal import Action, Entry, Gate, Note, effective
from recsvc.artifacts.registry import Registry
from recsvc.errors import ArtifactError, RegistryError
from tests.unit.artifacts.samples import NOW, publish_sample

LATER = NOW + timedelta(hours=1)
NOTE = Note(by="anna@trainer-1", gate=Gate.OVERRULED, reasons=("all purchases: fell", "Käse"))
ENTRY = Entry(NOW, Action.PROMOTED, "v2", "v1", 2, NOTE)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "promotions.jsonl"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Two versions, neither current."""
    registry = Registry(tmp_path / "registry")
    for version_id in ("v1", "v2"):
        publish_sample(registry, version_id=version_id)
    return registry


def test_entries_read_back_in_order(path: Path) -> None:
    """What was appended is read, the oldest first, one line each."""
    other = replace(ENTRY, action=Action.ROLLED_BACK, generation=3, note=Note())

    journal.append(path, ENTRY)
    journal.append(path, other)

    assert journal.read(path) == [ENTRY, other]
    first, second = path.read_text(encoding="utf-8").splitlines()
    assert json.loads(first)["reasons"] == ["all purchases: fell", "Käse"]
    assert json.loads(second)["gate"] == "not asked"


def test_a_missing_journal_is_empty(path: Path) -> None:
    """A registry that was made before there were journals has none."""
    assert journal.read(path) == []


@pytest.mark.parametrize("torn", ['{"time": "2026-11-2', "\0\0\0", "[]", "{}", ""])
def test_a_torn_line_costs_only_itself(path: Path, torn: str) -> None:
    """After a crash within a line the next entry begins a line of its own."""
    journal.append(path, ENTRY)
    with path.open("a", encoding="utf-8") as file:
        file.write(torn)

    journal.append(path, replace(ENTRY, generation=3))

    assert [entry.generation for entry in journal.read(path)] == [2, 3]


@pytest.mark.parametrize("change", [{"action": "eaten"}, {"gate": ""}, {"generation": "2"}])
def test_a_line_of_another_kind_is_left_out(path: Path, change: dict[str, object]) -> None:
    """Fields of wrong kinds or unknown words make no entry."""
    path.write_text(json.dumps(json.loads(ENTRY.to_json()) | change) + "\n", encoding="utf-8")

    assert journal.read(path) == []


def test_a_time_without_a_zone_is_refused(path: Path) -> None:
    """Nothing is written of an entry that nobody could place in time."""
    naive = datetime(2026, 11, 22)  # noqa: DTZ001  # what is refused

    with pytest.raises(ValueError, match="has no zone"):
        journal.append(path, replace(ENTRY, time=naive))
    assert not path.exists()


def change(generation: int, version_id: str) -> Entry:
    return replace(ENTRY, generation=generation, version_id=version_id)


REFUSAL = replace(ENTRY, action=Action.REFUSED, generation=1)


@pytest.mark.parametrize(
    ("entries", "generation", "kept"),
    [
        ([], 0, []),
        ([change(1, "a"), change(2, "b")], 2, ["a", "b"]),
        # Died before the pointer moved, and has not been tried again.
        ([change(1, "a"), change(2, "b")], 1, ["a"]),
        ([change(1, "a")], 0, []),
        # Died, and something else was promoted instead.
        ([change(1, "a"), change(2, "b"), REFUSAL, change(2, "c")], 2, ["a", "v2", "c"]),
        # A refusal changes nothing.
        ([change(1, "a"), REFUSAL, REFUSAL], 1, ["a", "v2", "v2"]),
        # The journal was read, then another promotion ended, then the pointer was read.
        ([change(1, "a"), change(2, "b")], 3, ["a", "b"]),
        # The pointer was removed by hand, and counts from the beginning.
        ([change(8, "a"), change(9, "b")], 0, ["a", "b"]),
        ([change(8, "a"), change(9, "b"), change(1, "c")], 1, ["a", "b", "c"]),
    ],
)
def test_changes_that_crashed_are_left_out(
    entries: list[Entry], generation: int, kept: list[str]
) -> None:
    """Only what came to pass is history."""
    assert [entry.version_id for entry in effective(entries, generation)] == kept


def test_every_change_of_a_registry_is_in_its_history(registry: Registry) -> None:
    """Promotions, refusals and rollbacks are told with who, when, from what to what and why."""
    registry.record_refusal("v0", NOW, Note(by="cron", gate=Gate.REFUSED, reasons=("worse",)))
    registry.promote("v1", NOW)
    registry.promote("v1", LATER)  # is current already: no change
    registry.promote("v2", LATER, NOTE)
    registry.record_refusal("v3", LATER, Note(gate=Gate.REFUSED))
    registry.rollback(LATER, Note(by="ben"))

    assert registry.history() == [
        Entry(NOW, Action.REFUSED, "v0", "", 0, Note("cron", Gate.REFUSED, ("worse",))),
        Entry(NOW, Action.PROMOTED, "v1", "", 1, Note()),
        Entry(LATER, Action.PROMOTED, "v2", "v1", 2, NOTE),
        Entry(LATER, Action.REFUSED, "v3", "v2", 2, Note(gate=Gate.REFUSED)),
        Entry(LATER, Action.ROLLED_BACK, "v1", "v2", 3, Note(by="ben")),
    ]


def test_what_cannot_be_promoted_is_not_in_the_history(registry: Registry) -> None:
    """A version that is corrupt is neither promoted nor written down as promoted."""
    registry.promote("v1", NOW)
    array = registry.root / "versions" / "v2" / "items.factors.npy"
    array.chmod(0o644)
    array.write_bytes(array.read_bytes()[:-1])

    with pytest.raises(ArtifactError):
        registry.promote("v2", LATER)

    assert [entry.version_id for entry in registry.history()] == ["v1"]


def test_without_a_journal_nothing_is_promoted(registry: Registry) -> None:
    """A change that cannot be written down does not happen, and a bad journal is named."""
    registry.promote("v1", NOW)
    (registry.root / "promotions.jsonl").unlink()
    (registry.root / "promotions.jsonl").mkdir()

    with pytest.raises(RegistryError, match=r"cannot be written .*promotions\.jsonl"):
        registry.promote("v2", LATER)
    with pytest.raises(RegistryError, match=r"cannot be read .*promotions\.jsonl"):
        registry.history()
    pointer = registry.pointer()
    assert pointer is not None
    assert pointer.version_id == "v1"
