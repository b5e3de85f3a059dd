"""The model slot: what it serves while the registry changes, breaks and comes back."""

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from recsvc import __version__
from recsvc.artifacts.manifest import SCHEMA_VERSION
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.retention import prune
from recsvc.errors import ArtifactError, UnavailableError
from recsvc.service.models import ModelSlot, load_model
from tests.clocks import SetClock
from tests.samples import tiny_artifact, tiny_model
from tests.serving import NOW, Log, corrupt, new_metrics, wait_until

MakeRegistry = Callable[..., Registry]


@pytest.fixture
def log() -> Log:
    return Log()


def make_slot(registry: Registry, log: Log, clock: SetClock | None = None) -> ModelSlot:
    metrics, _ = new_metrics()
    return ModelSlot(registry, logger=log.logger, metrics=metrics, clock=clock or SetClock())


def is_behind(slot: ModelSlot) -> bool:
    return slot.is_behind


def version(slot: ModelSlot) -> str:
    return slot.current().reference.version_id


def test_nothing_promoted_is_warming_up(make_registry: MakeRegistry, log: Log) -> None:
    """Without a current model there is no answer, and the log says what to do, once."""
    slot = make_slot(make_registry(promote=False), log)
    slot.refresh()
    slot.refresh()
    with pytest.raises(UnavailableError) as caught:
        slot.current()
    assert caught.value.reason == "WARMING_UP"
    assert slot.loaded is None
    (line,) = log.lines("no_current_model")
    assert "recsvc-train promote" in line["hint"]


def test_the_current_model_is_followed(registry: Registry, log: Log) -> None:
    """A promotion is picked up at the next look, with its generation; a rollback too."""
    slot = make_slot(registry, log)
    slot.refresh()
    before = slot.current()
    registry.promote("v2", NOW)
    slot.refresh()
    assert (version(slot), slot.current().generation) == ("v2", 2)
    assert before.reference.version_id == "v1"  # who took it keeps it
    registry.rollback(NOW)
    slot.refresh()
    assert (version(slot), slot.current().generation) == ("v1", 3)


def test_a_model_that_was_removed_goes_on_serving(registry: Registry, log: Log) -> None:
    """A server that cannot load what is current may hold a version that the trainer has removed."""
    slot = make_slot(registry, log)
    slot.refresh()
    for version_id in ("v2", "v3"):
        registry.promote(version_id, NOW)
    corrupt(registry, "v3")
    removed = prune(registry, 1)
    assert [each.version_id for each in removed] == ["v1"]
    slot.refresh()
    assert version(slot) == "v1"
    slot.current().warm()
    assert len(log.lines("model_load_failed")) == 1


def test_who_waits_for_a_first_model_is_told_once(registry: Registry, log: Log) -> None:
    """Health turns SERVING with the first model and hears nothing of later ones."""
    told: list[str] = []
    metrics, numbers = new_metrics()
    slot = ModelSlot(
        registry, logger=log.logger, metrics=metrics, on_first_model=lambda: told.append("yes")
    )
    slot.refresh()
    registry.promote("v2", NOW)
    slot.refresh()
    assert told == ["yes"]
    labels = {"model_id": "tiny", "version_id": "v1"}
    assert numbers.get_sample_value("recsvc_model_workers", labels) == 0
    assert numbers.get_sample_value("recsvc_model_workers", labels | {"version_id": "v2"}) == 1
    assert numbers.get_sample_value("recsvc_model_generation") == 2


def test_a_corrupt_model_leaves_the_old_one_serving(registry: Registry, log: Log) -> None:
    """What was damaged after its promotion is reported, counted and tried again later."""
    clock = SetClock()
    slot = make_slot(registry, log, clock)
    slot.refresh()
    registry.promote("v2", NOW)
    corrupt(registry, "v2")
    slot.refresh()
    slot.refresh()
    assert version(slot) == "v1"
    assert is_behind(slot)
    (line,) = log.lines("model_load_failed")
    assert "corrupt" in line["error"]
    assert line["serving"] == "v1"
    corrupt(registry, "v2")  # the same byte changed again: whole
    slot.refresh()
    assert is_behind(slot)  # not asked again yet
    clock.now += 10
    slot.refresh()
    assert not is_behind(slot)
    assert version(slot) == "v2"


def test_a_model_of_a_newer_format_leaves_the_old_one_serving(
    registry: Registry, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trainer that was updated first has promoted it: the log says what is to be done."""
    slot = make_slot(registry, log)
    slot.refresh()
    for module in ("manifest", "format"):
        monkeypatch.setattr(f"recsvc.artifacts.{module}.SCHEMA_VERSION", SCHEMA_VERSION + 1)
    tiny_artifact(registry, tiny_model(), "v9")
    registry.promote("v9", NOW)
    monkeypatch.undo()
    slot.refresh()
    assert version(slot) == "v1"
    (line,) = log.lines("model_load_failed")
    assert f"written by a newer recsvc (schema {SCHEMA_VERSION + 1}" in line["error"]
    assert line["error"].endswith("upgrade the service")
    with pytest.raises(ArtifactError, match="upgrade the service"):
        registry.promote("v9", NOW)
    registry.rollback(NOW)
    slot.refresh()
    assert (version(slot), slot.current().generation) == ("v1", 3)


def test_a_registry_that_vanishes_is_reported_once(registry: Registry, log: Log) -> None:
    """An unmounted disk is no reason to stop serving, nor to fill the log."""
    slot = make_slot(registry, log)
    slot.refresh()
    registry.root.rename(registry.root.with_name("away"))
    slot.refresh()
    slot.refresh()
    assert version(slot) == "v1"
    assert len(log.lines("model_load_failed")) == 1
    registry.root.with_name("away").rename(registry.root)
    slot.refresh()
    assert not is_behind(slot)
    assert len(log.lines("model_serving")) == 1  # nothing was loaded again


def test_a_pointer_that_is_deleted_keeps_the_model(registry: Registry, log: Log) -> None:
    """The last known model serves on, and the log says so."""
    slot = make_slot(registry, log)
    slot.refresh()
    (registry.root / "current.json").unlink()
    slot.refresh()
    assert version(slot) == "v1"
    assert log.lines("no_current_model")[0]["serving"] == "v1"


def test_a_new_generation_of_the_same_version_is_not_loaded_again(
    registry: Registry, log: Log
) -> None:
    """Away and back between two looks: the arrays stay, the generation moves."""
    slot = make_slot(registry, log)
    slot.refresh()
    recommender = slot.current().recommender
    registry.promote("v2", NOW)
    registry.rollback(NOW)
    slot.refresh()
    assert slot.current().generation == 3
    assert slot.current().recommender is recommender


def test_a_prepared_model_is_used(registry: Registry, log: Log) -> None:
    """What was loaded beforehand is not loaded twice."""
    slot = make_slot(registry, log)
    slot.refresh()
    prepared = slot.prepare("v2")
    registry.promote("v2", NOW)
    slot.refresh(prepared)
    assert slot.current().recommender is prepared.recommender


@pytest.mark.parametrize("broken", ["missing array", "wrong shape"])
def test_arrays_that_do_not_fit_are_refused(tmp_path: Path, broken: str) -> None:
    """Every checksum is right, and the model still cannot answer."""
    registry = Registry(tmp_path)
    model = tiny_model()
    arrays = model.to_arrays()
    if broken == "missing array":
        del arrays["popularity.order"]
    else:
        arrays["histories.items"] = np.full_like(arrays["histories.items"], 10_000)
    registry.publish(
        arrays,
        model_id="tiny",
        train_time=NOW,
        parameters=model.to_parameters(),
        metrics={},
        data={},
        code_version="0",
        version_id="v9",
    )
    with pytest.raises(ArtifactError, match="model v9: its arrays do not fit together") as caught:
        load_model(registry, "v9")
    assert "\n" not in str(caught.value)
    assert f"recsvc 0 has trained it, and this is {__version__}; " in str(caught.value)


def test_what_a_newer_release_has_added_to_a_model_is_left_aside(tmp_path: Path) -> None:
    """An array and a parameter that this one does not ask for change nothing."""
    registry = Registry(tmp_path)
    model = tiny_model()
    registry.publish(
        model.to_arrays() | {"scents.strength": np.ones(3)},
        model_id="tiny",
        train_time=NOW,
        parameters=model.to_parameters() | {"scents": {"half_life": 3}},
        metrics={},
        data={},
        code_version="9.0.0",
        version_id="v9",
    )
    assert load_model(registry, "v9").reference.version_id == "v9"


def test_categories_are_known_with_all_above_them(registry: Registry) -> None:
    """A filter may name any level of the tree; brands are known in any letter case."""
    loaded = load_model(registry, "v1")
    assert {"Drinks", "Drinks > Coffee"} <= loaded.assortment.index.categories.keys()
    assert "alta" in loaded.assortment.index.brands


def test_the_watcher_follows_without_being_asked(registry: Registry, log: Log) -> None:
    """A thread of the slot's own notices a promotion; after stop it is gone."""
    slot = make_slot(registry, log)
    slot.watch(0.01)
    wait_until(lambda: slot.loaded is not None)
    registry.promote("v2", NOW)
    wait_until(lambda: version(slot) == "v2")
    slot.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "model-watcher"]


def test_stopping_needs_no_watcher(registry: Registry, log: Log) -> None:
    """A slot that never watched stops all the same."""
    make_slot(registry, log).stop()
