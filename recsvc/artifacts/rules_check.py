"""Reading a file of rules: every fault is told, with its line and what to do."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final

from pydantic import ValidationError

from recsvc.artifacts.contradictions import Fault, contradictions
from recsvc.artifacts.documents import Documents
from recsvc.artifacts.plain_words import in_words, told
from recsvc.artifacts.rules_file import IN_WORDS, RulesFile
from recsvc.artifacts.toml_text import parse_toml
from recsvc.artifacts.version_ids import CURRENT
from recsvc.core.rules import NO_RULES, Rulebook
from recsvc.errors import FaultyFileError, InputError

_RULE_ID: Final = re.compile(r"""["']?rule_id["']?\s*[:=]\s*["']([^"']*)["']""")


def read_rules(text: str, *, name: str, is_toml: bool = False) -> RulesFile:
    """Read and check a file of rules.

    Args:
        text: what it says.
        name: of the file, for errors.
        is_toml: whether it is TOML.

    Raises:
        InputError: it is no TOML or JSON.
        FaultyFileError: it cannot be used; each fault says where, what and what to do.
    """
    rules = _parsed(text, name, is_toml=is_toml)
    if faults := list(contradictions(rules.rules)):
        raise _refusal(text, name, faults)
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
    # Whether its rules contradict each other was looked at before it was published.
    return _parsed(text, f"rules {version_id}").rulebook(version_id)


def _parsed(text: str, name: str, *, is_toml: bool = False) -> RulesFile:
    """Read a file whose rules make sense, each by itself."""
    try:
        document = parse_toml(text) if is_toml else json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: is no {'TOML' if is_toml else 'JSON'}: {error}") from None
    try:
        return RulesFile.model_validate(document)
    except ValidationError as error:
        faults = [
            (each["loc"], in_words(each, RulesFile, IN_WORDS))
            for each in told(error.errors(include_url=False, include_input=False))
        ]
        raise _refusal(text, name, faults) from None


def _refusal(text: str, name: str, faults: Iterable[Fault]) -> FaultyFileError:
    named = _named(text)
    return FaultyFileError(f"{name}: cannot be used", [_line(named, *fault) for fault in faults])


def _named(text: str) -> list[tuple[str, int]]:
    """The name of every rule of a file, and the line that it is on."""
    found, line, done = [], 1, 0
    for name in _RULE_ID.finditer(text):
        line += text.count("\n", done, name.start())
        done = name.start()
        found.append((name[1], line))
    return found


def _line(named: Sequence[tuple[str, int]], where: Sequence[int | str], why: str) -> str:
    """What is wrong in one line: the line of the file, the rule, the field, and why."""
    match where:
        case ("rules", int(number), *rest) if number < len(named):
            rule_id, line = named[number]
            field = ".".join(str(step) for step in rest) or "rule"
            return f"line {line}, rule {rule_id!r}, {field}: {why}"
        case ("rules", int(number), *rest):
            return f"rules[{number}], {'.'.join(map(str, rest)) or 'rule'}: {why}"
        case _:
            return f"{'.'.join(map(str, where)) or 'file'}: {why}"
