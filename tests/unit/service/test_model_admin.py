"""Listing, activating and rolling back."""

import math
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.errors import (
    ArtifactError,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from recsvc.logs import collected_facts
from recsvc.service.model_admin import ModelAdmin, ModelState
from recsvc.service.models import ModelSlot
from tests.samples import tiny_model
from tests.serving import NOW, Log, corrupt, new_metrics

FOREVER = math.inf

MakeRegistry = Callable[..., Registry]


@pytest.fixture
def slot(registry: Registry) -> ModelSlot:
    slot = ModelSlot(registry, logger=Log().logger, metrics=new_metrics()[0])
    slot.refresh()
    return slot


@pytest.fixture
def admin(slot: ModelSlot) -> ModelAdmin:
    return ModelAdmin(slot, now=lambda: NOW)


def served(slot: ModelSlot) -> str:
    return slot.current().reference.version_id


def test_versions_are_listed_newest_first_in_pages(admin: ModelAdmin) -> None:
    """A page ends where the next begins, and the last one says that it is the last."""
    first = admin.versions(2)
    assert [model.version_id for model in first.models] == ["v3", "v2"]
    rest = admin.versions(2, first.last_version_id)
    assert [model.version_id for model in rest.models] == ["v1"]
    assert rest.last_version_id == ""
    assert rest.models[0].state is ModelState.CURRENT
    assert rest.models[0].generation == 1


def test_a_negative_page_is_refused(admin: ModelAdmin) -> None:
    """As everywhere in the API."""
    with pytest.raises(InvalidRequestError, match="page_size: -1 is negative"):
        admin.versions(-1)


def test_the_state_says_what_a_version_is_good_for(registry: Registry, admin: ModelAdmin) -> None:
    """Available, chosen but not loaded here yet, and beyond reading."""
    manifest = registry.root / "versions" / "v3" / "manifest.json"
    manifest.unlink()
    manifest.write_text("{}")
    registry.promote("v2", NOW)  # the slot has not looked since
    states = {model.version_id: model.state for model in admin.versions(0).models}
    assert states == {
        "v3": ModelState.UNUSABLE,
        "v2": ModelState.LOADING,
        "v1": ModelState.AVAILABLE,
    }


def test_a_version_is_described_from_its_manifest(tmp_path: Path) -> None:
    """Metrics are flat, counts and times are there, and what is no number is left out."""
    registry = Registry(tmp_path)
    model = tiny_model()
    task = {"customers": 12, "ndcg@10": 0.5}
    registry.publish(
        model.to_arrays(),
        model_id="tiny",
        train_time=NOW,
        parameters=model.to_parameters(),
        metrics={"test": {"rankers": {"recsvc": {"all": task, "new": "none"}}}},
        data={"n_customers": 6, "n_products": "ten", "start_time": "2026-01-01T00:00:00+00:00"},
        code_version="0.1.0",
        version_id="v1",
    )
    slot = ModelSlot(registry, logger=Log().logger, metrics=new_metrics()[0])
    described = ModelAdmin(slot, now=lambda: NOW).version("v1")
    assert described.metrics == {"ndcg@10/all": 0.5}
    assert described.counts == {"n_customers": 6}
    assert described.data_start == datetime(2026, 1, 1, tzinfo=UTC)
    assert described.data_end is None
    assert described.state is ModelState.AVAILABLE
    assert described.train_time == NOW


def test_an_empty_name_is_refused(admin: ModelAdmin) -> None:
    """It would begin every version."""
    with pytest.raises(InvalidRequestError, match="version_id: is empty"):
        admin.version("")


def test_activation_answers_when_the_model_serves(admin: ModelAdmin, slot: ModelSlot) -> None:
    """No look in between is needed, and activating it again changes nothing."""
    change = admin.activate("v2", FOREVER)
    assert (change.model.version_id, change.previous_version_id) == ("v2", "v1")
    assert change.model.state is ModelState.CURRENT
    assert served(slot) == "v2"
    again = admin.activate("v2", FOREVER)
    assert again.model.generation == change.model.generation


def test_the_first_model_can_be_activated(make_registry: MakeRegistry) -> None:
    """A service that waits for its first model gets it this way too."""
    registry = make_registry(promote=False)
    slot = ModelSlot(registry, logger=Log().logger, metrics=new_metrics()[0])
    change = ModelAdmin(slot, now=lambda: NOW).activate("v1", FOREVER)
    assert change.previous_version_id == ""
    assert served(slot) == "v1"


@pytest.mark.parametrize(("version_id", "error"), [("v2", ArtifactError), ("v7", NotFoundError)])
def test_what_cannot_be_activated_changes_nothing(
    registry: Registry,
    admin: ModelAdmin,
    slot: ModelSlot,
    version_id: str,
    error: type[Exception],
) -> None:
    """A corrupt and an unknown version leave pointer and model alone."""
    corrupt(registry, "v2")
    before = registry.pointer()
    with pytest.raises(error):
        admin.activate(version_id, FOREVER)
    assert registry.pointer() == before
    assert served(slot) == "v1"
    assert not slot.is_behind


def test_callers_are_told_no_path(registry: Registry, admin: ModelAdmin) -> None:
    """What is wrong and which RPC helps; the path and the details are for the log."""
    admin.activate("v2", FOREVER)
    corrupt(registry, "v1")
    (registry.root / "versions" / "v4").mkdir()
    asked: list[tuple[str, Callable[[], object]]] = [
        ("v7", lambda: admin.version("v7")),
        ("v7", lambda: admin.activate("v7", FOREVER)),
        ("v4", lambda: admin.version("v4")),
        ("v1", lambda: admin.activate("v1", FOREVER)),
        ("v1", lambda: admin.roll_back(FOREVER)),
    ]
    for version_id, ask in asked:
        with collected_facts() as facts, pytest.raises((NotFoundError, ArtifactError)) as caught:
            ask()
        message = str(caught.value)
        assert message.startswith(f"model {version_id!r} is ")
        assert message.endswith("with ListModels")
        assert str(registry.root) not in message
        if version_id != "v7":
            assert str(registry.root) in facts["cause"]
    with collected_facts() as facts, pytest.raises(NotFoundError) as missing:
        admin.version("v7")
    assert not facts  # what a caller made up is not for the log
    assert str(missing.value) == (
        "model 'v7' is not in the registry; list what there is with ListModels"
    )
    assert (missing.value.reason, missing.value.metadata) == (
        "MODEL_NOT_FOUND",
        {"version_ref": "v7"},
    )


def test_a_caller_who_stopped_waiting_changes_nothing(
    registry: Registry, admin: ModelAdmin
) -> None:
    """It was told that the call failed, so it must have."""
    with pytest.raises(UnavailableError, match="longer than the call's deadline") as caught:
        admin.activate("v2", 0.0)
    assert caught.value.reason == "DEADLINE_EXCEEDED"  # and not WARMING_UP: a model serves
    pointer = registry.pointer()
    assert pointer is not None
    assert pointer.version_id == "v1"


def test_rollback_goes_one_step_back(admin: ModelAdmin, slot: ModelSlot) -> None:
    """Once per call, until there is nothing before."""
    admin.activate("v2", FOREVER)
    change = admin.roll_back(FOREVER)
    assert (change.model.version_id, change.previous_version_id) == ("v1", "v2")
    assert served(slot) == "v1"
    with pytest.raises(PreconditionError) as caught:
        admin.roll_back(FOREVER)
    assert caught.value.reason == "NO_PREVIOUS_MODEL"


def test_two_rollbacks_at_once_are_told_apart(registry: Registry, slot: ModelSlot) -> None:
    """The one that finds nothing left says so in the words of the API."""

    def another_rolls_back() -> float:
        registry.rollback(NOW)
        return 0.0

    registry.promote("v2", NOW)
    admin = ModelAdmin(slot, now=lambda: NOW, monotonic=another_rolls_back)
    with pytest.raises(PreconditionError) as caught:
        admin.roll_back(FOREVER)
    assert caught.value.reason == "NO_PREVIOUS_MODEL"
    assert str(registry.root) not in str(caught.value)


def test_rollback_to_a_model_that_was_removed_changes_nothing(
    registry: Registry, admin: ModelAdmin, slot: ModelSlot
) -> None:
    """There is none any more, which is said as if there had never been one."""
    admin.activate("v2", FOREVER)
    shutil.rmtree(registry.root / "versions" / "v1")
    with pytest.raises(PreconditionError) as caught:
        admin.roll_back(FOREVER)
    assert caught.value.reason == "NO_PREVIOUS_MODEL"
    assert served(slot) == "v2"


def test_rollback_to_a_corrupt_model_changes_nothing(
    registry: Registry, admin: ModelAdmin, slot: ModelSlot
) -> None:
    """The current one goes on serving."""
    admin.activate("v2", FOREVER)
    corrupt(registry, "v1")
    with pytest.raises(ArtifactError):
        admin.roll_back(FOREVER)
    assert served(slot) == "v2"
