"""Served lists made again, one by one: what is said where they cannot be."""

from dataclasses import replace
from pathlib import Path

import pytest

from recsvc import __version__
from recsvc.artifacts.registry import Registry
from recsvc.core.rules import NO_RULES
from recsvc.errors import NotFoundError
from recsvc.service.answers import Answers
from recsvc.service.models import load_model
from recsvc.service.questions import Question
from recsvc.service.replay import Scene, replay
from recsvc.service.served import ServedList
from recsvc.service.served_log import ServedLog
from recsvc.service.wording import Wording
from recsvc.store.memory import InMemoryServedLists
from tests.bench import Bench
from tests.serving import Log, new_metrics, new_standing, small_registry

ANSWERS = Answers(Wording.load())


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return small_registry(tmp_path / "models")


@pytest.fixture
def served(registry: Registry) -> ServedList:
    """What is like milk, for anna."""
    lists = InMemoryServedLists()
    log = ServedLog(
        lists, new_standing(registry), 1.0, metrics=new_metrics()[0], logger=Log().logger
    )
    Bench(registry, served=log).similar("milk", Question(customer_id="anna"))
    log.start()
    log.stop()
    (found,) = lists.every()
    return found


@pytest.fixture
def scene(registry: Registry) -> Scene:
    return Scene.of(load_model(registry, "v1"), NO_RULES)


def test_nothing_is_doubted_where_all_is_as_it_was(served: ServedList, scene: Scene) -> None:
    """Every product has its reason, though nobody had asked for one."""
    found = replay(served, scene, ANSWERS, code_version=__version__)
    assert found.is_identical
    assert found.doubts == ()
    assert all(item.reason for item in found.answer.items)


def test_what_may_be_why_lists_differ_is_said(served: ServedList, scene: Scene) -> None:
    """Another catalogue, and another release."""
    changed = replace(served, revision="7.1", product_ids=served.product_ids[1:])
    found = replay(changed, scene, ANSWERS, code_version="9")
    assert not found.is_identical
    catalogue, release = found.doubts
    assert "the catalogue has changed" in catalogue
    assert release == f"it was made by recsvc {__version__}, and this is 9"


def test_a_product_that_is_gone_has_no_list_any_more(served: ServedList, scene: Scene) -> None:
    """One that came after the training may be known to the catalogue in Redis alone."""
    with pytest.raises(NotFoundError, match="'newcomer', which the list was about"):
        replay(replace(served, about=("newcomer",)), scene, ANSWERS)


def test_what_has_come_since_is_not_on_the_list(served: ServedList, scene: Scene) -> None:
    """The record knows fewer products than the catalogue has by now."""
    shorter = replace(served, n_items=0, held_back=b"")
    assert replay(shorter, scene, ANSWERS).product_ids == ()
