"""The pointer's arithmetic and its text."""

import json
from datetime import datetime, timedelta

import pytest

from recsvc.artifacts.pointer import N_PREVIOUS_KEPT, Pointer
from tests.unit.artifacts.samples import NOW

POINTER = Pointer("v2", generation=2, previous=("v1",), changed_time=NOW)
LATER = NOW + timedelta(hours=1)


def test_a_pointer_reads_as_it_was_written() -> None:
    """Nothing is lost between to_json and from_json."""
    assert Pointer.from_json(POINTER.to_json()) == POINTER


def test_fields_of_a_later_recsvc_are_left_unread() -> None:
    """Old code reads a pointer that new code wrote, so that services restart in any order."""
    document = json.loads(POINTER.to_json()) | {"forced": True}
    assert Pointer.from_json(json.dumps(document)) == POINTER


def test_promoting_pushes_the_current_version() -> None:
    """The version before becomes the first that a rollback returns to."""
    assert POINTER.promoted("v3", LATER) == Pointer("v3", 3, ("v2", "v1"), LATER)


def test_a_bounded_number_of_previous_versions_is_kept() -> None:
    """The pointer stays small for ever; the oldest go first."""
    pointer = POINTER
    for day in range(3, 40):
        pointer = pointer.promoted(f"v{day}", LATER)
    assert pointer.previous == tuple(f"v{day}" for day in range(38, 38 - N_PREVIOUS_KEPT, -1))
    assert pointer.generation == 39


def test_rolling_back_goes_further_back_each_time() -> None:
    """A second rollback does not return to the version that the first one left."""
    pointer = POINTER.promoted("v3", LATER).rolled_back(LATER)
    assert pointer == Pointer("v2", 4, ("v1",), LATER)
    assert pointer.rolled_back(LATER) == Pointer("v1", 5, (), LATER)


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("version_id", None, "'version_id' must be a string"),
        ("generation", "2", "'generation' must be an integer"),
        ("generation", 0, "'generation' must be at least 1"),
        ("previous", "v1", "'previous' must be a list"),
        ("previous", [1], "'previous' must be a list of strings"),
        ("changed_time", "2026-11-22T05:30:00", "'changed_time' must be an ISO 8601 time in UTC"),
    ],
)
def test_a_wrong_field_is_named(name: str, value: object, complaint: str) -> None:
    """A missing field or a field of the wrong type is refused, and the error names it."""
    document = json.loads(POINTER.to_json()) | {name: value}
    with pytest.raises(ValueError, match=complaint):
        Pointer.from_json(json.dumps(document))


def test_a_time_without_a_zone_is_not_written() -> None:
    """Nobody could tell which moment it means."""
    naive = datetime(2026, 11, 22)  # noqa: DTZ001  # what is refused
    with pytest.raises(ValueError, match="has no zone"):
        POINTER.promoted("v3", naive).to_json()
