"""Experiments as people write them."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recsvc.artifacts.documents import Documents
from recsvc.artifacts.experiment_shelf import activate, find, known, read_running, running, stop
from recsvc.artifacts.experiments import Channel, read_experiment
from recsvc.artifacts.journal import Note
from recsvc.artifacts.registry import Registry
from recsvc.core.places import Location
from recsvc.core.recommendation_id import experiment_number
from recsvc.errors import FaultyFileError, InputError, NotFoundError, PreconditionError
from tests.experiments import CONTROL, OTHER, experiment
from tests.unit.artifacts.samples import NOW

ANNA = Note(by="anna")
DAY = timedelta(days=1)


@pytest.fixture
def shelf(tmp_path: Path) -> Documents:
    return Registry(tmp_path).documents("experiments")


def test_what_is_left_out_is_as_for_everybody() -> None:
    read = read_experiment(
        json.dumps({"experiment_id": "summer", "variants": [CONTROL, OTHER]}), "summer.json"
    )
    assert read == experiment()
    assert read.variants[0].model == read.variants[0].rules == "current"
    assert read.weights == (0.5, 0.5)
    assert read.lot == "summer"
    assert read.participants.include("", "", Location())


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"variants": [CONTROL]}, "variants: has 1; give at least 2"),
        ({"variants": [CONTROL, CONTROL]}, "two variants are called 'control'"),
        ({"variants": [CONTROL, OTHER | {"weight": 0.4}]}, "add up to 0.9; make it 1"),
        (
            {"variants": [CONTROL, OTHER | {"modell": "v2"}]},
            "variants[1].modell: is no field that is known here; write one of variant_id, weight, ",
        ),
        ({"variants": [CONTROL, OTHER | {"weight": 0}]}, "variants[1].weight: must be above 0"),
        (
            {"variants": [CONTROL, OTHER | {"diversity": "much"}]},
            "variants[1].diversity: must be 'none'",
        ),
        ({"experiment_id": "../x"}, "experiment_id: must be 1 to 64 letters, digits"),
        ({"participants": {"share": 1.5}}, "participants.share: must be at most 1"),
        ({"participants": {"channels": ["FAX"]}}, "participants.channels[0]: must be 'WEB'"),
        ({"participants": {"places": [{}]}}, "participants.places[0]: names no place"),
        ({"start_time": "2026-05-01T00:00:00"}, "start_time: has no time zone"),
        (
            {"start_time": "2026-05-01T00:00:00Z", "end_time": "2026-05-01T00:00:00Z"},
            "end_time is not after start_time",
        ),
        ({"metric": "luck"}, "metric: must be 'click_through'"),
    ],
)
def test_what_makes_no_sense_is_said_field_by_field(fields: dict[str, Any], complaint: str) -> None:
    document = {"experiment_id": "summer", "variants": [CONTROL, OTHER], **fields}
    with pytest.raises(FaultyFileError) as error:
        read_experiment(json.dumps(document), "summer.json")
    assert error.value.headline == "summer.json: cannot be used"
    (fault,) = error.value.faults
    assert complaint in fault


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(InputError, match=r"^summer.json: .* is no JSON"):
        read_experiment("{", "summer.json")


def test_every_condition_must_be_met() -> None:
    who = experiment(
        participants={
            "channels": ["WEB", "APP"],
            "placements": ["home-top"],
            "places": [{"country_code": "gb"}, {"store_id": "york-1"}],
        }
    ).participants
    leeds = Location(store_id="leeds-1", country_code="GB")
    assert who.include("WEB", "home-top", leeds)
    assert who.include(Channel.APP, "home-top", Location(store_id="york-1"))
    assert not who.include("EMAIL", "home-top", leeds)
    assert not who.include("WEB", "cart", leeds)
    assert not who.include("WEB", "home-top", Location(country_code="FR"))
    assert not who.include("WEB", "home-top", Location())


def test_a_place_must_meet_each_field_that_is_given() -> None:
    place = {"country_code": "DE", "postal_code": "10115"}
    who = experiment(participants={"places": [place]}).participants
    assert who.include("", "", Location(country_code="de", postal_code="101 15"))
    assert not who.include("", "", Location(country_code="FR", postal_code="10115"))
    assert not who.include("", "", Location(country_code="DE"))


def test_it_is_on_from_its_start_to_before_its_end() -> None:
    one = experiment(start_time=NOW, end_time=NOW + DAY)
    times = [NOW - timedelta(seconds=1), NOW, NOW + DAY - timedelta(seconds=1), NOW + DAY]
    assert [one.is_on(time.timestamp()) for time in times] == [False, True, True, False]
    assert experiment().is_on(0)


@pytest.mark.parametrize(
    ("one", "two", "may"),
    [
        ({}, {}, True),
        ({"participants": {"channels": ["WEB"]}}, {"participants": {"channels": ["APP"]}}, False),
        ({"participants": {"channels": ["WEB"]}}, {}, True),
        ({"participants": {"placements": ["a"]}}, {"participants": {"placements": ["b"]}}, False),
        ({"end_time": NOW}, {"start_time": NOW}, False),
        ({"start_time": NOW}, {"end_time": NOW}, False),
        ({"start_time": NOW}, {"end_time": NOW + DAY}, True),
    ],
)
def test_two_that_may_mean_one_request_are_told(
    one: dict[str, Any], two: dict[str, Any], *, may: bool
) -> None:
    assert experiment("a", **one).may_meet(experiment("b", **two)) is may


def test_nothing_runs_before_something_is_activated(shelf: Documents) -> None:
    assert running(shelf) == ()


def test_those_that_run_are_in_the_order_of_their_ids(shelf: Documents) -> None:
    for name in ("winter", "autumn"):
        activate(shelf, experiment(name), NOW, ANNA)
    assert running(shelf) == (experiment("autumn"), experiment("winter"))
    assert [entry.note.by for entry in shelf.history()] == ["anna", "anna"]


def test_what_is_stopped_runs_no_more_and_is_still_known(shelf: Documents) -> None:
    for name in ("autumn", "winter"):
        activate(shelf, experiment(name), NOW, ANNA)
    stop(shelf, "autumn", NOW, ANNA)
    assert running(shelf) == (experiment("winter"),)
    assert find(shelf, "autumn") == experiment("autumn")
    assert set(known(shelf)) == {"autumn", "winter"}


def test_what_was_stopped_may_run_again(shelf: Documents) -> None:
    activate(shelf, experiment(), NOW, ANNA)
    stop(shelf, "summer", NOW, ANNA)
    activate(shelf, experiment(), NOW, ANNA)
    assert running(shelf) == (experiment(),)


def test_what_runs_is_not_activated_twice(shelf: Documents) -> None:
    activate(shelf, experiment(), NOW, ANNA)
    with pytest.raises(PreconditionError, match="runs already"):
        activate(shelf, experiment(), NOW, ANNA)
    assert len(shelf.history()) == 1


def test_a_name_is_used_for_one_definition_alone(shelf: Documents) -> None:
    activate(shelf, experiment(), NOW, ANNA)
    stop(shelf, "summer", NOW, ANNA)
    with pytest.raises(PreconditionError, match="ran before with another definition"):
        activate(shelf, experiment(salt="pepper"), NOW, ANNA)


def test_two_names_with_one_number_do_not_both_run(
    shelf: Documents, monkeypatch: pytest.MonkeyPatch
) -> None:
    activate(shelf, experiment("autumn"), NOW, ANNA)
    number = experiment_number("autumn")
    monkeypatch.setattr("recsvc.artifacts.experiments.experiment_number", lambda _: number)
    with pytest.raises(PreconditionError, match="the same short number"):
        activate(shelf, experiment("winter"), NOW, ANNA)


def test_what_does_not_run_cannot_be_stopped(shelf: Documents) -> None:
    for _ in range(2):
        with pytest.raises(NotFoundError, match=r"'autumn' does not run; .* list --registry \S+$"):
            stop(shelf, "autumn", NOW, ANNA)
        if not shelf.versions():
            activate(shelf, experiment(), NOW, ANNA)
    assert running(shelf) == (experiment(),)


def test_what_never_ran_is_not_found(shelf: Documents) -> None:
    with pytest.raises(NotFoundError, match=r"never ran here; .* list --registry \S+$"):
        find(shelf, "spring")


def test_a_document_of_another_release_is_refused() -> None:
    with pytest.raises(InputError, match=r"^experiments: experiments\[0\]"):
        read_running('{"experiments": [{"experiment_id": "summer", "arms": 3}]}')


def test_times_keep_their_zone(shelf: Documents) -> None:
    activate(shelf, experiment(start_time=datetime(2026, 5, 1, tzinfo=UTC)), NOW, ANNA)
    assert running(shelf)[0].start_time == datetime(2026, 5, 1, tzinfo=UTC)
