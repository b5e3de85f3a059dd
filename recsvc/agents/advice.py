"""What went wrong, in words that a model can act on: which argument, and what to give instead."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from recsvc.agents.answers import rounded
from recsvc.core.recommendation_id import Surface
from recsvc.errors import (
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    RecsvcError,
    StoreUnavailableError,
    UnavailableError,
)

MAX_NAMES = 12
"""How many names are suggested in place of one that is unknown."""

MAX_FAULTS = 12
"""How many faults of one call are told."""

FAULT = "the shop has a fault; tell the customer that it cannot be asked now"
NOT_NOW = "the shop cannot answer now; ask again in a moment"

PEOPLE = frozenset(
    {"customer", "customer_id", "shopper", "shopper_id", "user", "user_id", "visitor_id"}
)
"""Names under which models try to say whom they speak for. That the connection says, alone."""

_ARGUMENTS = {
    "filter.category_paths": "categories",
    "filter.brands": "brands",
    "filter.price_range": "budget",
    "filter.exclude_product_ids": "exclude",
    "context.location.store_id": "store_id",
    "context.basket": "basket",
    "context.language_code": "language",
    "page_size": "how_many",
}
"""Fields of the API, by the arguments that they come from."""

UNKNOWN_NAMES = {
    "UNKNOWN_CATEGORY": ("categories", "the catalogue has no such category"),
    "UNKNOWN_BRAND": ("brands", "the catalogue has no such brand"),
}
"""Warnings of names that are in no catalogue: the argument, and what is wrong with it."""

PRICE_LIMIT = "budget"
"""The argument that limits prices, unless another one did."""

UNKNOWN_STORE = "UNKNOWN_LOCATION"
"""The warning that nothing is known of the store that was named."""

_COMPLAINTS_IF_EMPTY = {
    UNKNOWN_STORE: (
        "store_id",
        "nothing is known of this store; find_stores lists those that there are",
    ),
}

_SIMPLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
"""What may be an argument's name. Whatever else is sent as one is not said again: an error is the
shop's own word, and nobody must put theirs into it."""

_SIMPLE_ID = re.compile(r"[\w.:-]{1,64}")
"""What an id looks like. Whatever else is sent as one is not said again, likewise."""

_INSTEAD_OF_A_PRODUCT = "give one that an answer has named"

_IN_WORDS = {"model_type": "should be an object"}
"""What the library says of its own classes, as a model understands it."""

_NOTES = {
    UNKNOWN_STORE: "store_id: nothing has been sold there yet; find_stores lists the stores.",
    "PRICE_CURRENCY": "Products without a price in the currency of the budget are left out.",
    "STOCK_UNKNOWN": "in_stock_only: nobody has said what is in stock at this store.",
    "ONLY_RESTING": "Nothing else fits: all of it was just bought, or is in the basket.",
    "STALE_DATA": "The purchases behind this list ended more than a week ago.",
    "STORE_UNAVAILABLE": "What the customer did of late, and what is in stock, cannot be read now.",
    "DEADLINE": "There was little time: the list is simpler than usual.",
}


UNREAD = frozenset({"STORE_UNAVAILABLE", "DEADLINE"})
"""Why a list may go without a store's prices and stock: that it is empty says nothing of what was
asked for."""

_STRANGERS = {
    "UNKNOWN_CUSTOMER": "Nothing is known of this customer yet",
    "NO_CONSENT": "The customer has not agreed to personal lists",
}
"""Warnings that the list goes by nothing that the customer did."""

_INSTEAD = {
    Surface.RECOMMEND: "the list is what sells here",
    Surface.SIMILAR: "the list is everybody's",
    Surface.TOGETHER: "the list is everybody's",
    Surface.AGAIN: "the shop cannot tell what is needed again",
}
"""What such a list is."""

CONDITIONS = (
    "budget",
    "total_budget",
    "in_stock_only",
    "categories",
    "brands",
    "exclude",
    "only_new",
)
"""Arguments that leave products out."""


def complaint(warning: str) -> InvalidRequestError | None:
    """Why a list is empty, as an error that a model can act on; None where a warning says not."""
    found = _COMPLAINTS_IF_EMPTY.get(warning)
    return None if found is None else InvalidRequestError(*found)


def out_of_budget(
    price_limit: str, currency: str, known: Iterable[tuple[float | None, str]]
) -> InvalidRequestError:
    """Why nothing is left of a list within a budget.

    Args:
        price_limit: the argument that limits prices.
        currency: of the budget.
        known: price and currency of what would be listed without it.
    """
    lowest: dict[str, float] = {}
    for price, name in known:
        if price is not None:
            lowest[name] = min(price, lowest.get(name, price))
    if not lowest:
        why = (
            "no prices are known of what would be listed here, so that nothing can be said of a "
            "budget; leave it out, and tell the customer so"
        )
    elif currency in lowest:
        least = rounded(lowest[currency])
        why = (
            "nothing that fits costs so little; of what would be listed here the cheapest costs "
            f"{least} {currency}; raise the amount"
        )
    else:
        why = f"prices here are in {', '.join([*lowest][:MAX_NAMES])}; give the amount in that"
    return InvalidRequestError(price_limit, why)


def unknown_name(warning: str, names: Iterable[str], asked: Iterable[str]) -> InvalidRequestError:
    """A name that is in no catalogue, and some that are.

    Args:
        warning: of ``UNKNOWN_NAMES``.
        names: of products that may do.
        asked: what was given.
    """
    words = {word for text in asked for word in _words(text)}
    # Those that share a word with what was asked come first; else in their order.
    ordered = sorted(dict.fromkeys(names), key=lambda name: words.isdisjoint(_words(name)))
    some = "; ".join(ordered[:MAX_NAMES])
    argument, why = UNKNOWN_NAMES[warning]
    instead = f"some that it has: {some}" if some else "leave it out"
    return InvalidRequestError(argument, f"{why}; {instead}")


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def notes_of(
    warnings: Sequence[str], surface: Surface, conditions: Sequence[str], *, is_empty: bool
) -> list[str]:
    """What to say of a list.

    Args:
        warnings: of the list, and the reason why it is less than it should be.
        surface: the kind of list.
        conditions: of ``CONDITIONS``, those that were given.
        is_empty: whether it holds nothing.
    """
    notes = []
    for warning in warnings:
        if warning in _STRANGERS:
            notes.append(f"{_STRANGERS[warning]}: {_INSTEAD[surface]}.")
        elif warning in _NOTES:
            notes.append(_NOTES[warning])
    is_strange = not _STRANGERS.keys().isdisjoint(warnings)
    if is_empty and not (surface is Surface.AGAIN and is_strange):  # then that is why
        is_unread = not UNREAD.isdisjoint(warnings)
        notes.append(_nothing(surface, conditions, is_unread=is_unread))
    return notes


def _nothing(surface: Surface, conditions: Sequence[str], *, is_unread: bool) -> str:
    if conditions and is_unread:
        return (
            "Nothing that could be read just now fits: ask again in a moment, and then leave out "
            f"or loosen {', '.join(conditions)}."
        )
    if conditions:
        return f"Nothing fits: leave out or loosen {', '.join(conditions)}."
    if surface is Surface.AGAIN:
        return "The shop knows of nothing that the customer needs again."
    return "The shop has nothing to list here."


def told(error: RecsvcError, arguments: type[BaseModel]) -> str:
    """What a model is told of an error.

    Args:
        error: of the shop.
        arguments: those of the tool.
    """
    match error:
        case InvalidRequestError():
            field = error.field
            argument = next(
                (name for path, name in _ARGUMENTS.items() if field.startswith(path)), field
            )
            return f"{argument}: {error.description}"
        case NotFoundError():
            # The shop's own sentence has what was sent as an id; of several none is known.
            if "product_ids" in arguments.model_fields:
                return f"product_ids: none of them is in the catalogue; {_INSTEAD_OF_A_PRODUCT}"
            named = simple_id(error.metadata.get("product_id", ""))
            which = f"product {named}" if named else "this product"
            return f"product_id: {which} is not in the catalogue; {_INSTEAD_OF_A_PRODUCT}"
        case UnavailableError() | StoreUnavailableError() | OverloadedError():
            return NOT_NOW
        case _:
            return FAULT


def rejected(error: ValidationError, arguments: type[BaseModel]) -> str:
    """What is wrong with the arguments of a tool, one line each."""
    problems = error.errors(include_url=False)
    # All that have no name to be told by are one line.
    lines = list(dict.fromkeys(_line(one, arguments) for one in problems))
    n_more = len(lines) - MAX_FAULTS
    return "\n".join([*lines[:MAX_FAULTS], *[f"and {n_more} faults more"] * (n_more > 0)])


def simple_name(text: str) -> str:
    """A name that a model made up, as it may be said again; ``""`` where it is no name."""
    return text if _SIMPLE_NAME.fullmatch(text) else ""


def simple_id(text: str) -> str:
    """An id that nobody has found, as it may be said again; ``""`` where it looks like none."""
    return text if _SIMPLE_ID.fullmatch(text) else ""


def _line(problem: Mapping[str, Any], arguments: type[BaseModel]) -> str:
    if problem["type"] == "extra_forbidden":
        return _unknown_argument([str(one) for one in problem["loc"]], arguments)
    path = ".".join(map(str, problem["loc"])) or "arguments"
    why = _IN_WORDS.get(problem["type"], str(problem["msg"])).removeprefix("Value error, ")
    example = _example(problem["loc"], arguments)
    return f"{path}: {why[0].lower()}{why[1:]}{example}"


def _unknown_argument(path: Sequence[str], arguments: type[BaseModel]) -> str:
    *above, name = path
    # All that is above it is declared.
    named = ".".join([*above, simple_name(name) or "(an odd name)"])
    if above:
        return f"{named}: is no part of it{_example(above, arguments)}"
    return f"{named}: is no argument of this tool; it has {', '.join(arguments.model_fields)}"


def _example(path: Sequence[int | str], arguments: type[BaseModel]) -> str:
    field = arguments.model_fields.get(str(path[0])) if path else None
    if field is None or not field.examples:
        return ""
    return f"; for example {path[0]}={field.examples[0]!r}"


def without_people(given: Mapping[str, Any], arguments: type[BaseModel]) -> tuple[Any, str]:
    """Arguments without those that name a person, and what to say of these.

    They change nothing, and are no error either: a model that is talked into naming somebody else
    gets the list that it would have got.

    Args:
        given: as sent.
        arguments: those of the tool.
    """
    named = sorted(PEOPLE.intersection(given) - arguments.model_fields.keys())
    kept = {name: value for name, value in given.items() if name not in named}
    if not named:
        return kept, ""
    return kept, (
        f"{', '.join(named)}: ignored. Whom the answer is for is said by the connection, and by no "
        "argument."
    )
