"""The sentences, in English: the ids of the messages that translators see."""

from collections.abc import Mapping
from typing import NamedTuple

from recsvc.core.claims import Claim, Explanation
from recsvc.core.places import Level


class Message(NamedTuple):
    """A sentence.

    Attributes:
        one: for one purchase, or one day, if ``many`` is given; else for any number.
        many: for several.
    """

    one: str
    many: str = ""


def sentence(text: str) -> Message:
    """Mark a sentence for translation."""
    return Message(text)


def sentences(one: str, many: str) -> Message:
    """Mark a sentence that depends on a number for translation."""
    return Message(one, many)


KEYWORDS = {"sentence": None, "sentences": (1, 2)}
"""What marks a sentence, for Babel's extractor."""

# What translators read beside the sentences starts with "Translators:".
_SENTENCES: Mapping[Claim, Message] = {
    # Translators: "this" is always the product that is recommended.
    Claim.BOUGHT: sentences("You bought this.", "You have bought this {count} times."),
    Claim.BOUGHT_ON: sentences(
        "You bought this on {date}.", "You have bought this {count} times, last on {date}."
    ),
    # Translators: which form it is depends on {days}.
    Claim.DUE_AGAIN: sentences(
        "You buy this every day on average, last on {date}.",
        "You buy this every {days} days on average, last on {date}.",
    ),
    Claim.SEEN: sentence("You showed interest in this."),
    Claim.LIKE_SEEN: sentence("Like something that you looked at."),
    Claim.FITS_BOUGHT: sentence("Fits what you buy, such as {product}."),
    Claim.FITS_SEEN: sentence("Fits what interests you now, such as {product}."),
    Claim.FITS_NOW: sentence("Fits what interests you now."),
    Claim.FITS: sentence("Fits what you buy or look at."),
    Claim.LIKE_CUSTOMERS: sentence("Bought by customers whose purchases are like yours."),
    Claim.LIKE_MINDED: sentence("Bought by customers who buy what interests you now."),
    Claim.ALSO_BOUGHT: sentence("Customers who buy {product} also buy this."),
    Claim.OWN_LIFT: sentence(
        "Bought together with {product}, which you have bought, {lift} times as often as chance."
    ),
    # Translators: {lift} is a number with one decimal, such as 3.2.
    Claim.LIFT: sentence("Bought together with {product} {lift} times as often as chance."),
    Claim.TOGETHER: sentences(
        "Bought together with {product} once.", "Bought together with {product} {count} times."
    ),
    Claim.TOGETHER_UNNAMED: sentence("Bought together with what is in the basket."),
    Claim.SIMILAR_LIFT: sentence("Bought together with {product} {lift} times as often as chance."),
    Claim.SAME_BUYERS: sentence("Bought by customers who buy {product}."),
    Claim.SAME_TASTE: sentence("Appeals to the same taste as {product}."),
    Claim.ALIKE: sentence("Like {product} in what it is."),
    Claim.GOES_WITH_LIKE: sentence("Goes with products like {product}."),
    Claim.LIKE_GOES_WITH: sentence("Like products that go with {product}."),
    Claim.SIMILAR_UNNAMED: sentence("Like what you are looking at."),
    Claim.NEW: sentence("New here."),
    Claim.NEW_LIKE: sentence("New, and like {product}."),
    Claim.NEW_LIKE_BOUGHT: sentence("New, and like {product}, which you have bought."),
    Claim.IN_RANGE: sentence("Part of the range."),
    Claim.PICKED: sentence("Picked by the shop."),
}

_SOLD_LATELY: Mapping[Level, Message] = {
    # Translators: {window} is a number of days, 2 or more; {end} is their last one.
    Level.STORE: sentences(
        "Bought once at {store} in the {window} days to {end}.",
        "Bought {count} times at {store} in the {window} days to {end}.",
    ),
    Level.POSTAL_CODE: sentences(
        "Bought once in postal code {place} in the {window} days to {end}.",
        "Bought {count} times in postal code {place} in the {window} days to {end}.",
    ),
    Level.CELL: sentences(
        "Bought once in this area in the {window} days to {end}.",
        "Bought {count} times in this area in the {window} days to {end}.",
    ),
    Level.SUBDIVISION: sentences(
        "Bought once in this region in the {window} days to {end}.",
        "Bought {count} times in this region in the {window} days to {end}.",
    ),
    Level.COUNTRY: sentences(
        "Bought once in this country in the {window} days to {end}.",
        "Bought {count} times in this country in the {window} days to {end}.",
    ),
    Level.EVERYWHERE: sentences(
        "Bought once by all customers together in the {window} days to {end}.",
        "Bought {count} times by all customers together in the {window} days to {end}.",
    ),
}

_SOLD: Mapping[Level, Message] = {
    Level.STORE: sentences("Bought once at {store}.", "Bought {count} times at {store}."),
    Level.POSTAL_CODE: sentences(
        "Bought once in postal code {place}.", "Bought {count} times in postal code {place}."
    ),
    Level.CELL: sentences("Bought once in this area.", "Bought {count} times in this area."),
    Level.SUBDIVISION: sentences(
        "Bought once in this region.", "Bought {count} times in this region."
    ),
    Level.COUNTRY: sentences(
        "Bought once in this country.", "Bought {count} times in this country."
    ),
    Level.EVERYWHERE: sentences(
        "Bought once by all customers together.", "Bought {count} times by all customers together."
    ),
}

# Translators: what {store} is in the other sentences where a store has no name.
UNNAMED_STORE = sentence("store {store_id}")
"""What ``{store}`` is where a store has no name: no sentence, but a part of some."""


def message_of(why: Explanation) -> Message:
    """The sentence for what is claimed."""
    if why.claim is not Claim.SOLD:
        return _SENTENCES[why.claim]
    level = Level.EVERYWHERE if why.level is None else why.level
    return (_SOLD_LATELY if why.window_days else _SOLD)[level]
