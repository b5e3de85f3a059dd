"""Reasons in words, in the languages of ``recsvc/locale``, which are read at the start.

How to add a language is in ``docs/reasons.md``.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO
from typing import Self

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal

from recsvc.core.assortment import Assortment
from recsvc.core.claims import Claim, Explanation
from recsvc.errors import SettingsError
from recsvc.service.sentences import UNNAMED_STORE, message_of

ENGLISH = "en"

_PLAIN = {ENGLISH: "en-001"}
"""Locale of a language without a country, where CLDR's own is that of one country: plain English
writes 31 March 2026, and en-US writes March 31, 2026."""

_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8})*")
_SECONDS_A_DAY = 86_400
_MAX_TITLE = 200
_MAX_REMEMBERED = 2_048
_CONTROL = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")


class Voice:
    """Says reasons in one language; safe to share between threads.

    Args:
        tag: the language, BCP 47 in lower case.
        locale: how dates and numbers are written.
        translations: its sentences.
    """

    def __init__(self, tag: str, locale: Locale, translations: NullTranslations) -> None:
        language, _, territory = tag.partition("-")
        self.language_code = f"{language}-{territory.upper()}" if territory else language
        self._tags = tuple(_ever_wider(tag))
        self._locale = locale
        self.gettext = translations.gettext
        self.ngettext = translations.ngettext
        # CLDR's patterns take 30 to 60 microseconds each; a list says the same few again.
        self._day = lru_cache(_MAX_REMEMBERED)(self._day_of)
        self.number = lru_cache(_MAX_REMEMBERED)(self._number)

    def say(self, why: Explanation, assortment: Assortment) -> str:
        """One sentence.

        Args:
            why: what is claimed.
            assortment: the products that it names.
        """
        if why.sentences and (own := self.among(why.sentences)):
            return own
        one, many = message_of(why)
        facts = _Facts(self, why, assortment)
        text = self.ngettext(one, many, facts.plural) if many else self.gettext(one)
        return text.format_map(facts)

    def among(self, texts: Mapping[str, str]) -> str:
        """Of texts by language the one that comes nearest; empty where none is in this one."""
        known = {_tag(name): text for name, text in texts.items()}
        return next((known[tag] for tag in self._tags if tag in known), "")

    def title(self, item: int, assortment: Assortment) -> str:
        """What to call a product: its title in this language, else its title, else its id."""
        product_id = assortment.catalogue.items.ids[item]
        product = assortment.described.get(product_id)
        title = product and product.titles and self.among(product.titles)
        title = title or assortment.catalogue.titles[item] or product_id
        words = title.translate(_CONTROL).split()
        return " ".join(words)[:_MAX_TITLE] or product_id

    def day(self, time: int) -> str:
        """The day of a moment, seconds since 1970, in UTC."""
        return self._day(time // _SECONDS_A_DAY)

    def _day_of(self, day: int) -> str:
        return format_date(date(1970, 1, 1) + timedelta(day), "long", locale=self._locale)

    def _number(self, number: float, pattern: str | None = None) -> str:
        return format_decimal(number, pattern, locale=self._locale)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What a sentence may name; written when it does."""

    voice: Voice
    why: Explanation
    assortment: Assortment

    @property
    def interval_days(self) -> int:
        return round(self.why.interval_seconds / _SECONDS_A_DAY)

    @property
    def plural(self) -> int:
        """The number that decides between one and many."""
        return self.interval_days if self.why.claim is Claim.DUE_AGAIN else self.why.n_purchases

    def store(self) -> str:
        unnamed = self.voice.gettext(UNNAMED_STORE.one)
        return self.why.place or unnamed.format(store_id=self.why.store_id)

    def __getitem__(self, name: str) -> str:
        return FACTS[name](self)


FACTS: Mapping[str, Callable[[_Facts], str]] = {
    "product": lambda of: of.voice.title(of.why.evidence[0], of.assortment),
    "count": lambda of: of.voice.number(of.why.n_purchases),
    "date": lambda of: of.voice.day(of.why.last_time),
    "days": lambda of: of.voice.number(of.interval_days),
    "lift": lambda of: of.voice.number(of.why.lift, "#,##0.0"),
    "window": lambda of: of.voice.number(of.why.window_days),
    "end": lambda of: of.voice.day(of.why.window_end - 1),
    "place": lambda of: of.why.place,
    "store": _Facts.store,
}
"""What sentences may name, by the placeholder."""


class Wording:
    """The languages that reasons are given in; safe to share between threads.

    Args:
        catalogues: translations by language, BCP 47 in lower case.
        language: the shop's own.

    Raises:
        SettingsError: the shop's own is not among them.
    """

    def __init__(self, catalogues: Mapping[str, NullTranslations], language: str) -> None:
        self._catalogues = catalogues
        self._voices: dict[str, Voice] = {}
        own = self._found(language)
        if own is None:
            raise SettingsError(
                f"RECSVC_LANGUAGE: {language[:80]!r} is not spoken here; "
                f"take one of {', '.join(sorted(catalogues))}"
            )
        self._own = own
        for tag in catalogues:  # so that no caller waits for CLDR's data
            self._voice(tag).day(0)
        self.voice = lru_cache(_MAX_REMEMBERED)(self._voice)

    @classmethod
    def load(cls, language: str = ENGLISH) -> Self:
        """Read the catalogues that come with the package."""
        read = {
            _tag(file.name.removesuffix(".po")): translations(file.read_bytes())
            for file in files("recsvc").joinpath("locale").iterdir()
            if file.name.endswith(".po")
        }
        return cls({ENGLISH: NullTranslations(), **read}, language)

    @property
    def languages(self) -> list[str]:
        """What is spoken, BCP 47 in lower case."""
        return sorted(self._catalogues)

    def _voice(self, language: str) -> Voice:
        """Who speaks a language: it, else the wider one, else the shop's own.

        Args:
            language: BCP 47, as callers write it.
        """
        return self._found(language) or self._own

    def _found(self, language: str) -> Voice | None:
        for tag in _ever_wider(_tag(language)):
            locale = _locale(_PLAIN.get(tag, tag))
            spoken = next((wider for wider in _ever_wider(tag) if wider in self._catalogues), None)
            if locale and spoken:
                return self._voices.setdefault(tag, Voice(tag, locale, self._catalogues[spoken]))
        return None


def translations(content: bytes) -> GNUTranslations:
    """The messages of a ``.po`` file, as gettext wants them.

    Raises:
        PoFileError: it is no such file.
    """
    catalogue = read_po(BytesIO(content), abort_invalid=True)
    binary = BytesIO()
    write_mo(binary, catalogue)
    binary.seek(0)
    return GNUTranslations(binary)


def _tag(name: str) -> str:
    """BCP 47 in lower case, of a name that may be gettext's (``pt_BR``)."""
    return name.lower().replace("_", "-")


def _ever_wider(tag: str) -> Iterator[str]:
    """``de-at``, ``de``; nothing for what is no tag."""
    wider = tag if _TAG.fullmatch(tag) else ""
    while wider:
        yield wider
        wider = wider.rpartition("-")[0]


def _locale(tag: str) -> Locale | None:
    """How a language, or that of a country, writes; ``None`` for one that CLDR does not know."""
    try:
        return Locale.parse(tag, sep="-", resolve_likely_subtags=False)
    except (UnknownLocaleError, ValueError):
        return None
