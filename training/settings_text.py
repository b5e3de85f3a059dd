"""Settings as a file of TOML that explains itself."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from textwrap import wrap
from typing import Any

from training.models.als import AlsSettings
from training.settings import PRESETS, TrainingSettings
from training.settings_file import as_document, own_fields, schema

WIDTH = 92
"""Of the comments' lines."""

_ATTRIBUTE = re.compile(r"^    (\w+(?:, \w+)*): (.*(?:\n {8,}.*)*)", re.MULTILINE)
_MARKUP = re.compile(r"``(.*?)``|:\w+:`(?:[\w.]*\.)?(\w+)`")


def complete(settings: TrainingSettings, preset: str) -> str:
    """All settings with what each is for, as a file for ``--config``."""
    names = ", ".join(PRESETS)
    lines = [
        *_comment("Settings of recsvc-train fit --config. What is left out is as in the preset."),
        "",
        *_comment(f"What these settings start from: {names}."),
        f"preset = {json.dumps(preset)}",
    ]
    nested = []
    about = _explanations(TrainingSettings)
    values = as_document(settings)
    for name in (field.name for field in own_fields(settings)):
        part = getattr(settings, name)
        if name == "als" or is_dataclass(part):
            nested += ["", *_comment(about[name]), *_table(name, part)]
        else:
            lines += ["", *_comment(about[name]), _line(name, values[name])]
    return "\n".join([*lines, *nested]) + "\n"


def brief(changes: Mapping[str, object], preset: str, comments: list[str]) -> str:
    """A file with some values alone.

    Args:
        changes: values by key, with a dot before a table's own.
        preset: what they are changes of.
        comments: lines at its top.
    """
    plain = [_line(key, value) for key, value in changes.items() if "." not in key]
    by_table: dict[str, list[str]] = {}
    for key, value in changes.items():
        table, dot, inner = key.partition(".")
        if dot:
            by_table.setdefault(table, []).append(_line(inner, value))
    tables = [line for table, inside in by_table.items() for line in ("", f"[{table}]", *inside)]
    top = [f"# {comment}".rstrip() for comment in comments]
    return "\n".join([*top, f"preset = {json.dumps(preset)}", *plain, *tables]) + "\n"


def _explanations(settings: type) -> dict[str, str]:
    """What each setting of a class is for, and what it may be."""
    ranges = {name: _range(each) for name, each in schema(settings)["properties"].items()}
    return {
        name: f"{text} {ranges[name]}".rstrip() for name, text in descriptions(settings).items()
    }


def _range(schema: Mapping[str, Any]) -> str:
    """What the JSON schema of a setting allows, as a person would say it."""
    if "items" in schema:
        return _range(schema["items"])
    if "enum" in schema:
        return f"({', '.join(schema['enum'])})"
    if "maximum" in schema:
        at_least = schema.get("minimum", schema.get("exclusiveMinimum"))
        above = "" if "minimum" in schema else "above "
        return f"({above}{at_least:g} to {schema['maximum']:g})"
    return ""


def descriptions(settings: type) -> dict[str, str]:
    """What the docstring of a class of settings says of each, without its markup."""
    found: dict[str, str] = {}
    for names, text in _ATTRIBUTE.findall(inspect.getdoc(settings) or ""):
        plain = _MARKUP.sub(lambda match: match[1] or match[2], " ".join(text.split()))
        found |= dict.fromkeys(names.split(", "), plain)
    return found


def _table(name: str, part: object) -> Iterator[str]:
    """A table; one that is not there is shown in comments, with what it would start from."""
    mark, shown = ("", part) if part is not None else ("# ", AlsSettings())
    about = _explanations(type(shown))
    yield f"{mark}[{name}]"
    for field in own_fields(shown):
        yield from _comment(about[field.name])
        yield f"{mark}{_line(field.name, getattr(shown, field.name))}"


def _comment(text: str) -> Iterator[str]:
    return (f"# {line}" for line in wrap(text[0].upper() + text[1:], WIDTH))


def _line(key: str, value: object) -> str:
    # JSON's texts, numbers, truths and lists are TOML's too.
    return f"{key} = {json.dumps(value)}"
