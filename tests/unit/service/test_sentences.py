"""The catalogues of messages: complete, of the same facts, and of nothing that is not said."""

from importlib.resources import files
from io import BytesIO
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po

from recsvc.core.claims import Claim, Explanation
from recsvc.core.places import Level
from recsvc.service import sentences
from recsvc.service.sentences import KEYWORDS, UNNAMED_STORE, message_of
from recsvc.service.wording import FACTS, Wording

SOURCE = Path(str(sentences.__file__))
CATALOGUES = [str(file) for file in files("recsvc").joinpath("locale").iterdir()]


def extracted() -> dict[str, tuple[str, ...]]:
    """Return what Babel's extractor finds: each sentence, and its plural if it has one."""
    found = extract_from_file("python", SOURCE, keywords=KEYWORDS)
    forms = [
        (str(text),) if isinstance(text, str) else tuple(map(str, text)) for _, text, *_ in found
    ]
    return {one[0]: one for one in forms}


def read(path: str) -> Catalog:
    return read_po(BytesIO(Path(path).read_bytes()), abort_invalid=True)


def facts_in(text: str) -> set[str]:
    """Return the placeholders of a sentence."""
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def forms_of(message: Message) -> tuple[str, ...]:
    """Return the translations of a message."""
    text = message.string or ""
    return (text,) if isinstance(text, str) else tuple(text)


def ids_of(message: Message) -> tuple[str, ...]:
    """Return a message in English."""
    return (message.id,) if isinstance(message.id, str) else tuple(message.id)


def test_there_is_a_catalogue_for_every_language() -> None:
    """English aside, which is in the source; and the folder holds nothing else."""
    names = {Path(path).name for path in CATALOGUES}
    assert names == {f"{name}.po" for name in Wording.load().languages if name != "en"}
    assert "de.po" in names


@pytest.mark.parametrize("path", CATALOGUES)
def test_a_catalogue_is_complete(path: str) -> None:
    """It has every sentence, with every plural form, none of them a guess."""
    catalogue = read(path)
    known = {ids_of(message)[0]: message for message in catalogue if message.id}
    assert set(known) == set(extracted())
    assert not catalogue.obsolete
    for message in known.values():
        assert ids_of(message) == extracted()[ids_of(message)[0]]
        assert not message.fuzzy
        expected = catalogue.num_plurals if message.pluralizable else 1
        assert len([form for form in forms_of(message) if form]) == expected


@pytest.mark.parametrize("path", CATALOGUES)
def test_a_translation_tells_the_same_facts(path: str) -> None:
    """Each form names what the English one names; the form for one may leave the number out."""
    for message in read(path):
        if not message.id:
            continue
        singular, plural = ids_of(message)[0], ids_of(message)[-1]
        forms = forms_of(message)
        for form in forms:
            assert facts_in(form) <= facts_in(plural), form
            assert facts_in(form) >= facts_in(singular), form
        assert facts_in(forms[-1]) == facts_in(plural)


@pytest.mark.parametrize("path", CATALOGUES)
def test_translations_are_sentences(path: str) -> None:
    """They start with a capital and end with a full stop, what stands for a store aside."""
    for message in read(path):
        if message.id and message.id != UNNAMED_STORE.one:
            for form in forms_of(message):
                assert form[0].isupper(), form
                assert form.endswith("."), form


def test_every_claim_has_a_sentence_that_is_extracted() -> None:
    """What is marked is found, and what is said is marked."""
    told = [Explanation(claim=claim) for claim in Claim if claim is not Claim.SOLD]
    told += [
        Explanation(claim=Claim.SOLD, level=level, window_days=days)
        for level in (*Level, None)
        for days in (0, 28)
    ]
    said = {message_of(why).one for why in told} | {UNNAMED_STORE.one}
    assert said == set(extracted())


def test_sentences_name_facts_that_there_are() -> None:
    """A placeholder that nothing writes would fail at the call."""
    used = {name for forms in extracted().values() for text in forms for name in facts_in(text)}
    assert used - {"store_id"} == set(FACTS)
    assert facts_in(UNNAMED_STORE.one) == {"store_id"}
