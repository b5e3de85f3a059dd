"""What is wrong with a field of a file that people write, in their words and not a library's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

_TIME: Final = "is no time; write it as 2026-07-01T09:00:00Z"
_LIST: Final = "must be a list, in [ ]"
_GROUP: Final = "must be a group of fields, in { }"
_WHOLE: Final = "must be a whole number"
_NUMBER: Final = "must be a number"
_YES_OR_NO: Final = "must be true or false"
_CHOICE: Final = "must be %(expected)s"

_SAID: Final = {
    "missing": "is required",
    "json_invalid": "is no JSON: %(error)s",
    "too_short": "has %(actual_length)s; give at least %(min_length)s",
    "too_long": "has too many; give at most %(max_length)s",
    "string_too_short": "is empty; write something",
    "string_too_long": "is too long; write at most %(max_length)s characters",
    "greater_than": "must be above %(gt)g",
    "greater_than_equal": "must be at least %(ge)g",
    "less_than": "must be below %(lt)g",
    "less_than_equal": "must be at most %(le)g",
    "literal_error": _CHOICE,
    "enum": _CHOICE,
    "string_type": "must be text, in quotes",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _YES_OR_NO,
    "bool_parsing": _YES_OR_NO,
    "tuple_type": _LIST,
    "dict_type": _GROUP,
    "model_type": _GROUP,
    "timezone_aware": "has no time zone; write it as 2026-07-01T09:00:00Z",
    "datetime_type": _TIME,
    "datetime_parsing": _TIME,
    "datetime_from_date_parsing": _TIME,
}
"""By the kind of a fault, as pydantic names it."""


def told(faults: Sequence[ErrorDetails]) -> Iterator[ErrorDetails]:
    """Those that are worth telling: a list is not too short for what is wrong within it.

    The library counts only what is right.
    """
    # A set, since a file of a hundred thousand faults is soon written.
    above = {fault["loc"][:n] for fault in faults for n in range(len(fault["loc"]))}
    for fault in faults:
        if fault["type"] != "too_short" or fault["loc"] not in above:
            yield fault


def in_words(fault: ErrorDetails, model: type[BaseModel], patterns: Mapping[str, str]) -> str:
    """Say what is wrong with a field, without its name and without what was given.

    Args:
        fault: as the library has it.
        model: what the file was read as.
        patterns: what must be written where a text does not match, by regular expression.
    """
    details = fault.get("ctx", {})
    kind = fault["type"]
    if kind == "extra_forbidden":
        known = ", ".join(_beside(model, fault["loc"]))
        return f"is no field that is known here; write one of {known}, or leave it out"
    if kind == "string_pattern_mismatch":
        return patterns[details["pattern"]]
    if kind in _SAID:
        return _SAID[kind] % details
    return fault["msg"].removeprefix("Value error, ")


def _beside(model: type[BaseModel], where: Sequence[int | str]) -> Mapping[str, object]:
    """The fields that may stand in the place of one, by the names that a file has for them."""
    *above, _ = where
    fields = _fields(model)
    for step in above:
        if isinstance(step, str):  # a number is the place in a list
            fields = _fields(_models(fields[step])[0])
    return fields


def _fields(model: type[BaseModel]) -> dict[str, object]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _models(annotation: object) -> list[type[BaseModel]]:
    """The groups of fields that an annotation names, as in ``tuple[Group, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models(part)]
