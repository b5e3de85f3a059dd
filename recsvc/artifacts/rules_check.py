"""Reading a file of rules: every fault is told, with its line and what to do."""

import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final

from pydantic import ValidationError

from recsvc.artifacts.documents import CURRENT, Documents
from recsvc.artifacts.rules_file import RulePart, RulesFile
from recsvc.core.places import Location
from recsvc.core.rules import NO_RULES, Conditions, Hours, Rulebook
from recsvc.errors import InputError

_SAID: Final = {
    "extra_forbidden": "is no field that is known here; check its spelling, or leave it out",
    "missing": "is required",
}
_RULE_ID: Final = re.compile(r"""["']?rule_id["']?\s*[:=]\s*["']([^"']*)["']""")


def read_rules(text: str, *, name: str, is_toml: bool = False) -> RulesFile:
    """Read and check a file of rules.

    Args:
        text: what it says.
        name: of the file, for errors.
        is_toml: whether it is TOML.

    Raises:
        InputError: it cannot be used; a line for each fault says where, what and what to do.
    """
    try:
        document = tomllib.loads(text) if is_toml else json.loads(text)
    except ValueError as error:
        raise InputError(f"{name}: is no {'TOML' if is_toml else 'JSON'}: {error}") from None
    try:
        rules = RulesFile.model_validate(document)
    except ValidationError as error:
        faults = [
            _fault(text, each["loc"], _SAID.get(each["type"], each["msg"]))
            for each in error.errors(include_url=False)
        ]
    else:
        faults = list(_contradictions(text, rules.rules))
    if faults:
        raise InputError(f"{name}: cannot be used\n" + "\n".join(f"  {fault}" for fault in faults))
    return rules


def rules_in_force(shelf: Documents, version_ref: str = CURRENT) -> Rulebook:
    """The rules that a shelf says are in force, or another version of them.

    Raises:
        NotFoundError: there is no such version (VERSION_NOT_FOUND).
        RegistryError: the shelf cannot be read.
        InputError: they are of a later recsvc.
    """
    if version_ref == CURRENT and shelf.pointer() is None:
        return NO_RULES
    version_id, text = shelf.read(version_ref)
    return read_rules(text, name=f"rules {version_id}").rulebook(version_id)


def _contradictions(text: str, parts: Sequence[RulePart]) -> Iterator[str]:
    """Rules of one name, and pins that want one place at one time."""
    seen: set[str] = set()
    for number, part in enumerate(parts):
        if part.rule_id in seen:
            yield _fault(
                text, ("rules", number, "rule_id"), "is the name of a rule above; rename it"
            )
        seen.add(part.rule_id)
    pins = [(number, part.rule()) for number, part in enumerate(parts) if part.position]
    for (_, one), (number, other) in combinations(pins, 2):
        if not may_coincide(one.conditions, other.conditions):
            continue
        if one.position == other.position:
            why = f"pins to place {one.position} as {one.rule_id!r} does, at times when both hold"
            yield _fault(text, ("rules", number, "position"), f"{why}; give another position")
        elif len(one.selection.product_ids) == 1 and one.selection == other.selection:
            why = f"pins the product of {one.rule_id!r} to another place; leave one out"
            yield _fault(text, ("rules", number, "position"), why)


def may_coincide(one: Conditions, other: Conditions) -> bool:
    """Whether there may be a moment and a shopper for which both hold."""
    names = ("surfaces", "channels", "placement_ids", "stages", "segments")
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    # A shopper may be in two segments, but the other lists tell apart.
    if any(a and b and a.isdisjoint(b) for a, b in pairs[:-1]):
        return False
    if (
        one.places
        and other.places
        and not any(_may_be_one(a, b) for a in one.places for b in other.places)
    ):
        return False
    if one.hours is None or other.hours is None:
        return True
    is_apart = one.hours.ends <= other.hours.starts or other.hours.ends <= one.hours.starts
    days = one.hours.days, other.hours.days
    is_on_other_days = bool(days[0]) and bool(days[1]) and days[0].isdisjoint(days[1])
    return not (is_apart or is_on_other_days or _are_apart(one.hours, other.hours))


def _may_be_one(one: Location, other: Location) -> bool:
    pairs = zip(one.keys(), other.keys(), strict=True)
    return all(not a or not b or a == b for a, b in pairs)


def _are_apart(one: Hours, other: Hours) -> bool:
    """Whether the clock alone keeps two apart: within a day, and of one zone."""
    if one.zone is not other.zone or one.opens >= one.closes or other.opens >= other.closes:
        return False
    return one.closes <= other.opens or other.closes <= one.opens


def _fault(text: str, where: Sequence[int | str], why: str) -> str:
    """One line: the line of the file where it is, the rule, the field, and what is wrong."""
    why = why.removeprefix("Value error, ")
    path = ".".join(str(step) for step in where)
    match where:
        case ("rules", int(number), *rest):
            names = list(_RULE_ID.finditer(text))
            if number >= len(names):
                return f"rules[{number}]: {'.'.join(map(str, rest))}: {why}"
            name = names[number]
            line = text.count("\n", 0, name.start()) + 1
            field = ".".join(str(step) for step in rest) or "rule"
            return f"line {line}, rule {name[1]!r}, {field}: {why}"
        case _:
            return f"{path or 'file'}: {why}"
