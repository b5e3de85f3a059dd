"""Documents of a registry: versions that never change, and a pointer to one of them."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from recsvc.artifacts.documents import Documents
from recsvc.artifacts.journal import Action, Note
from recsvc.artifacts.registry import Registry
from recsvc.errors import NotFoundError, PreconditionError, RegistryError
from tests.unit.artifacts.samples import NOW

ANNA = Note(by="anna")


@pytest.fixture
def shelf(tmp_path: Path) -> Documents:
    return Registry(tmp_path).documents("rules")


def test_a_version_is_read_as_it_was_published(shelf: Documents) -> None:
    version_id = shelf.publish('{"pin": "Käse"}', NOW)
    assert shelf.read(version_id) == (version_id, '{"pin": "Käse"}')
    assert shelf.read(version_id[:-2])[0] == version_id


def test_a_version_is_read_only(shelf: Documents) -> None:
    version_id = shelf.publish("{}", NOW)
    assert not (shelf.root / "versions" / f"{version_id}.json").stat().st_mode & 0o222


def test_versions_are_listed_newest_first(shelf: Documents) -> None:
    assert shelf.versions() == []
    ids = [shelf.publish("{}", NOW + timedelta(minutes=minute)) for minute in range(3)]
    assert shelf.versions() == ids[::-1]


def test_nothing_is_current_until_a_version_is_activated(shelf: Documents) -> None:
    shelf.publish("{}", NOW)
    assert shelf.pointer() is None
    assert shelf.pointer_stamp() is None
    with pytest.raises(NotFoundError, match="no version is activated yet"):
        shelf.read()


def test_activating_moves_the_pointer_and_the_journal_says_who_and_why(shelf: Documents) -> None:
    one, two = (shelf.publish(text, NOW) for text in ("1", "2"))
    shelf.activate(one, NOW, ANNA)
    stamp = shelf.pointer_stamp()
    pointer = shelf.activate(two, NOW, Note("ben", reasons=("spring",)))
    assert shelf.pointer() == pointer
    assert (pointer.version_id, pointer.generation, pointer.previous) == (two, 2, (one,))
    assert shelf.pointer_stamp() != stamp
    assert shelf.read()[1] == "2"
    said = [(entry.version_id, entry.action, entry.note.by) for entry in shelf.history()]
    assert said == [(one, Action.PROMOTED, "anna"), (two, Action.PROMOTED, "ben")]


def test_activating_what_is_current_changes_nothing(shelf: Documents) -> None:
    version_id = shelf.publish("{}", NOW)
    assert shelf.activate(version_id, NOW) == shelf.activate(version_id, NOW + timedelta(days=1))
    assert len(shelf.history()) == 1


def test_rollback_returns_to_the_version_before(shelf: Documents) -> None:
    one, two = (shelf.publish(text, NOW) for text in ("1", "2"))
    for version_id in (one, two):
        shelf.activate(version_id, NOW)
    pointer = shelf.rollback(NOW, ANNA)
    assert (pointer.version_id, pointer.generation) == (one, 3)
    assert shelf.history()[-1].action is Action.ROLLED_BACK


def test_without_a_version_before_there_is_no_rollback(shelf: Documents) -> None:
    with pytest.raises(PreconditionError, match="no previous version"):
        shelf.rollback(NOW)
    shelf.activate(shelf.publish("{}", NOW), NOW)
    with pytest.raises(PreconditionError, match="no previous version"):
        shelf.rollback(NOW)


def test_an_edit_publishes_and_activates_what_it_makes_of_the_current_version(
    shelf: Documents,
) -> None:
    shelf.edit(lambda text: f"{text}+", NOW, ANNA)
    pointer = shelf.edit(lambda text: f"{text}+", NOW, ANNA)
    assert shelf.read() == (pointer.version_id, "None++")
    assert pointer.generation == 2


def test_an_edit_that_fails_changes_nothing(shelf: Documents) -> None:
    shelf.edit(lambda _: "old", NOW, ANNA)

    def fail(_: str | None) -> str:
        raise PreconditionError("not now")

    with pytest.raises(PreconditionError, match="not now"):
        shelf.edit(fail, NOW, ANNA)
    assert shelf.read()[1] == "old"
    assert len(shelf.versions()) == 1


@pytest.mark.parametrize("version_ref", ["", "none", "../current"])
def test_what_is_no_version_is_not_found(shelf: Documents, version_ref: str) -> None:
    shelf.publish("{}", NOW)
    with pytest.raises(NotFoundError, match="no such version"):
        shelf.read(version_ref)


def test_a_beginning_of_several_versions_is_not_enough(shelf: Documents) -> None:
    for _ in range(2):
        shelf.publish("{}", NOW)
    with pytest.raises(NotFoundError, match="it begins 2 version ids"):
        shelf.activate("20", NOW)


def test_shelves_do_not_see_each_other(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.documents("rules").publish("{}", NOW)
    assert registry.documents("experiments").versions() == []


def test_a_shelf_has_a_plain_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no name of a shelf"):
        Documents(tmp_path, "../rules")


def test_without_a_registry_nothing_is_published(tmp_path: Path) -> None:
    shelf = Documents(tmp_path / "nowhere", "rules")
    with pytest.raises(RegistryError, match="there is no registry here"):
        shelf.publish("{}", NOW)
    assert not shelf.root.exists()


@pytest.mark.parametrize("ask", [Documents.pointer, Documents.history, Documents.read])
def test_a_damaged_pointer_says_what_to_do(
    shelf: Documents, ask: Callable[[Documents], object]
) -> None:
    shelf.activate(shelf.publish("{}", NOW), NOW)
    (shelf.root / "current.json").write_text("{")
    with pytest.raises(RegistryError, match="remove it, then activate a version again"):
        ask(shelf)


def test_a_damaged_document_says_what_to_do(shelf: Documents) -> None:
    path = shelf.root / "versions" / f"{shelf.publish('{}', NOW)}.json"
    path.chmod(0o644)
    path.write_bytes(b"\xff")
    with pytest.raises(RegistryError, match="publish the document again"):
        shelf.read(path.stem)


def test_what_cannot_be_written_says_why(shelf: Documents) -> None:
    shelf.root.write_text("a file where the shelf should be")
    with pytest.raises(RegistryError, match="cannot be written"):
        shelf.publish("{}", NOW)
