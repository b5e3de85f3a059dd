"""Reasons in words: every claim, in every language, and nothing that is not to be said."""

from dataclasses import replace
from gettext import NullTranslations
from typing import Any

import numpy as np
import pytest

from recsvc.core.assortment import Assortment
from recsvc.core.catalogue import Product
from recsvc.core.claims import Claim, Explanation
from recsvc.core.places import Level
from recsvc.errors import SettingsError
from recsvc.service.wording import Voice, Wording, translations
from tests.counting import DATA_END_TIME
from tests.samples import tiny_model

WORDING = Wording.load()
ENGLISH, GERMAN = WORDING.voice("en"), WORDING.voice("de")
SOLD = Assortment.learnt(tiny_model().catalogue)
ESPRESSO, BAG = 0, 9
DAY = 86_400
LAST = int(DATA_END_TIME.timestamp())  # 31 March 2026
ON_ESPRESSO: dict[str, Any] = {"evidence": (ESPRESSO,)}
LATELY = {"window_days": 28, "window_start": LAST - 28 * DAY, "window_end": LAST + 1}


def say(voice: Voice, claim: Claim, **facts: object) -> str:
    """Say what is claimed of the sample's products."""
    return voice.say(Explanation(claim=claim, **facts), SOLD)  # type: ignore[arg-type]  # its fields


@pytest.mark.parametrize(
    ("claim", "facts", "english", "german"),
    [
        (
            Claim.BOUGHT_ON,
            {"n_purchases": 3, "last_time": LAST},
            "You have bought this 3 times, last on 31 March 2026.",
            "Sie haben das schon 3-mal gekauft, zuletzt am 31. März 2026.",
        ),
        (
            Claim.BOUGHT_ON,
            {"n_purchases": 1, "last_time": LAST},
            "You bought this on 31 March 2026.",
            "Sie haben das am 31. März 2026 gekauft.",
        ),
        (
            Claim.DUE_AGAIN,
            {"n_purchases": 1_200, "last_time": LAST, "interval_seconds": 11.6 * DAY},
            "You buy this every 12 days on average, last on 31 March 2026.",
            "Sie kaufen das im Durchschnitt alle 12 Tage, zuletzt am 31. März 2026.",
        ),
        (
            Claim.DUE_AGAIN,
            {"n_purchases": 30, "last_time": LAST, "interval_seconds": 1.2 * DAY},
            "You buy this every day on average, last on 31 March 2026.",
            "Sie kaufen das im Durchschnitt jeden Tag, zuletzt am 31. März 2026.",
        ),
        (
            Claim.LIFT,
            {**ON_ESPRESSO, "n_purchases": 9, "lift": 3.24},
            "Bought together with Espresso beans 3.2 times as often as chance.",
            "Wird zusammen mit „Espresso beans“ 3,2-mal so oft gekauft, wie es der Zufall ergäbe.",
        ),
        (
            Claim.TOGETHER,
            {**ON_ESPRESSO, "n_purchases": 1},
            "Bought together with Espresso beans once.",
            "Wurde schon einmal zusammen mit „Espresso beans“ gekauft.",
        ),
        (
            Claim.SOLD,
            {"n_purchases": 12_345, "level": Level.EVERYWHERE, **LATELY},
            "Bought 12,345 times by all customers together in the 28 days to 31 March 2026.",
            "Von allen zusammen in den 28 Tagen bis zum 31. März 2026 12.345-mal gekauft.",
        ),
        (
            Claim.SOLD,
            {"n_purchases": 1, "level": Level.STORE, "place": "Leeds Station"},
            "Bought once at Leeds Station.",
            "In der Filiale Leeds Station einmal gekauft.",
        ),
        (
            Claim.SOLD,
            {"n_purchases": 2, "level": Level.STORE, "store_id": "porto-1", **LATELY},
            "Bought 2 times at store porto-1 in the 28 days to 31 March 2026.",
            "In der Filiale porto-1 in den 28 Tagen bis zum 31. März 2026 2-mal gekauft.",
        ),
        (
            Claim.SOLD,
            {"n_purchases": 2, "level": Level.POSTAL_CODE, "place": "LS14DY"},
            "Bought 2 times in postal code LS14DY.",
            "Im Postleitzahlgebiet LS14DY 2-mal gekauft.",
        ),
    ],
)
def test_a_claim_is_one_sentence_in_each_language(
    claim: Claim, facts: dict[str, object], english: str, german: str
) -> None:
    """Numbers and dates are written as its readers write them."""
    assert say(ENGLISH, claim, **facts) == english
    assert say(GERMAN, claim, **facts) == german


@pytest.mark.parametrize("language", WORDING.languages)
@pytest.mark.parametrize("number", [1, 2, 5, 21, 1_000])
def test_everything_can_be_said(language: str, number: int) -> None:
    """Every claim, at every level, of late and of all time, is one whole sentence."""
    voice = WORDING.voice(language)
    facts = Explanation(
        claim=Claim.NEW,
        **ON_ESPRESSO,
        n_purchases=number,
        last_time=LAST,
        interval_seconds=number * DAY,
        lift=2.5,
        window_end=LAST + 1,
        place="Leeds",
    )
    told = [replace(facts, claim=claim) for claim in Claim if claim is not Claim.SOLD]
    for level in Level:
        sold = replace(facts, claim=Claim.SOLD, level=level)
        told += [sold, replace(sold, window_days=28, window_start=LAST - 28 * DAY)]
    for why in told:
        text = voice.say(why, SOLD)
        assert text.endswith(".")
        assert text[0].isupper()
        assert not set("{}\n") & set(text)


def test_languages_differ() -> None:
    """No sentence is left in English."""
    facts = {"n_purchases": 2, "last_time": LAST, "interval_seconds": DAY, **ON_ESPRESSO}
    for claim in Claim:
        told = {say(voice, claim, **facts, level=Level.CELL) for voice in (ENGLISH, GERMAN)}
        assert len(told) == 2


@pytest.mark.parametrize(
    ("asked", "spoken"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de-AT"),
        ("de_ch", "de-CH"),
        ("de-Latn-AT-1996", "de"),
        ("de-XX", "de"),
        ("en-US", "en-US"),
        ("fr", "en"),
        ("fr-CA", "en"),
        ("tlh", "en"),
        ("", "en"),
        ("de--", "en"),
        ("../de", "en"),
    ],
)
def test_a_language_backs_off_to_the_wider_one(asked: str, spoken: str) -> None:
    """Then to the shop's own; the answer says which it is."""
    assert WORDING.voice(asked).language_code == spoken


def test_a_country_writes_its_own_dates_and_numbers() -> None:
    """In the words of its language."""
    facts = {"n_purchases": 1_234, "last_time": LAST}
    american, swiss = WORDING.voice("en-US"), WORDING.voice("de-CH")
    assert say(american, Claim.BOUGHT_ON, **facts) == (
        "You have bought this 1,234 times, last on March 31, 2026."
    )
    assert "schon 1\N{RIGHT SINGLE QUOTATION MARK}234-mal gekauft" in say(
        swiss, Claim.BOUGHT_ON, **facts
    )


def test_the_shop_has_a_language_of_its_own() -> None:
    """It is spoken to whoever's own is not."""
    german = Wording.load("de-AT")
    assert german.voice("fr").language_code == "de-AT"
    assert german.voice("en").language_code == "en"


@pytest.mark.parametrize("language", ["fr", "", "german", "x" * 500])
def test_a_shop_cannot_choose_what_is_not_spoken(language: str) -> None:
    """One line names what it can."""
    with pytest.raises(SettingsError) as caught:
        Wording.load(language)
    assert str(caught.value).startswith("RECSVC_LANGUAGE: ")
    assert str(caught.value).endswith("is not spoken here; take one of de, en")
    assert len(str(caught.value)) < 200


def test_a_language_may_be_that_of_one_country() -> None:
    """Its catalogue is named so, and is not taken for another country's."""
    catalogues = {"en": NullTranslations(), "pt-br": NullTranslations()}
    wording = Wording(catalogues, "en")
    assert wording.voice("pt-BR").language_code == "pt-BR"
    assert wording.voice("pt-PT").language_code == "en"


def named(title: str = "", **titles: str) -> Assortment:
    """Return an assortment where the sample's espresso is called otherwise."""
    product = Product(product_id="espresso", title=title, titles=titles)
    return SOLD.with_products([product])


def test_products_are_called_by_the_title_of_the_language() -> None:
    """Else by the title, else by the id; what was said since counts."""
    why = Explanation(claim=Claim.ALSO_BOUGHT, **ON_ESPRESSO)
    shop = named("Roast", **{"de": "Röstkaffee", "de-AT": "Espressobohnen", "fr": "Grains"})
    assert GERMAN.say(why, shop) == "Wer „Röstkaffee“ kauft, kauft auch das."
    assert WORDING.voice("de-AT").say(why, shop) == "Wer „Espressobohnen“ kauft, kauft auch das."
    assert ENGLISH.say(why, shop) == "Customers who buy Roast also buy this."
    assert ENGLISH.say(why, named()) == "Customers who buy espresso also buy this."
    assert (
        say(ENGLISH, Claim.ALSO_BOUGHT, evidence=(BAG,)) == "Customers who buy bag also buy this."
    )


def test_a_title_stays_within_its_sentence() -> None:
    """It has one line, no control characters, no end without end, and is no pattern."""
    why = Explanation(claim=Claim.ALSO_BOUGHT, **ON_ESPRESSO)
    title = "Two\nlines\x1b[31m \u2028 and {count}" + "!" * 1_000
    text = ENGLISH.say(why, named(title))
    assert text.startswith("Customers who buy Two lines [31m and {count}!!!")
    assert len(text) < 250
    assert ENGLISH.say(why, named("\x00\n")) == "Customers who buy espresso also buy this."


def test_a_rule_may_have_a_sentence_of_its_own() -> None:
    """In its language; who asks in another one is told that it was picked."""
    picked = Explanation(claim=Claim.PICKED, rule_id="spring", sentences={"de": "Frisch vom Feld."})
    assert GERMAN.say(picked, SOLD) == "Frisch vom Feld."
    assert WORDING.voice("de-AT").say(picked, SOLD) == "Frisch vom Feld."
    assert ENGLISH.say(picked, SOLD) == "Picked by the shop."


def test_a_language_has_as_many_forms_as_it_needs() -> None:
    """Polish has three; which one is for 22 is the catalogue's to say."""
    content = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Language: pl\\n"
"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20)"
" ? 1 : 2);\\n"

msgid "You bought this."
msgid_plural "You have bought this {count} times."
msgstr[0] "raz"
msgstr[1] "{count} razy, mało"
msgstr[2] "{count} razy"
"""
    wording = Wording({"pl": translations(content.encode())}, "pl")
    voice = wording.voice("pl")
    told = [say(voice, Claim.BOUGHT, n_purchases=n) for n in (1, 22, 25)]
    assert told == ["raz", "22 razy, mało", "25 razy"]


def test_the_sample_has_these_products() -> None:
    """The indices above are those of the sample."""
    ids = tiny_model().catalogue.items.ids
    assert ids.take([ESPRESSO, BAG]) == ["espresso", "bag"]
    assert np.isnan(SOLD.catalogue.price[6])
