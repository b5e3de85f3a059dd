"""Settings of the trainer in a file: read, checked, and changed key by key."""

import json
from collections.abc import Mapping
from dataclasses import Field, asdict, fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from recsvc.artifacts.toml_text import parse_toml
from recsvc.errors import InputError, SettingsError
from training.models.als import AlsSettings
from training.settings import PRESETS, TrainingSettings

PRESET = "preset"
"""Key of a file beside those of the settings: what it starts from."""
DEFAULT_PRESET = "balanced"
_MAX_SHOWN = 200

_TABLES = {"als": AlsSettings()}
"""What a table starts from where the preset has none."""

_SETTINGS = TypeAdapter(TrainingSettings)


def read_settings(
    path: Path | None = None, preset: str | None = None, **flags: object
) -> TrainingSettings:
    """The settings of a preset, changed by a file, changed by flags.

    Args:
        path: a TOML file of settings.
        preset: what to start from; else what the file says, else :data:`DEFAULT_PRESET`.
        flags: settings that win over the file's; ``None`` leaves what is there.

    Raises:
        InputError: a preset, the file, a key or a value cannot be used.
    """
    document = {} if path is None else _parsed(path)
    base = PRESETS[preset_of(path, preset)]
    try:
        settings = changed(base, {k: v for k, v in document.items() if k != PRESET})
    except SettingsError as error:
        raise InputError(f"--config {path}: {error}") from None
    for name, value in flags.items():
        if value is not None:
            try:
                settings = changed(settings, {name: value})
            except SettingsError as error:
                raise InputError(f"--{error}".replace(" = ", " ", 1)) from None
    return settings


def preset_of(path: Path | None = None, preset: str | None = None) -> str:
    """Name of the preset that a file and a flag start from; the arguments are as above.

    Raises:
        InputError: there is no such preset, or the file cannot be used.
    """
    named: object = preset
    where = "--preset "
    if preset is None and path is not None:
        named, where = _parsed(path).get(PRESET), f"--config {path}: {PRESET} = "
    if named is None:
        return DEFAULT_PRESET
    if not isinstance(named, str) or named not in PRESETS:
        raise InputError(f"{where}{named}: there is no such preset; use {', '.join(PRESETS)}")
    return named


def changed(settings: TrainingSettings, changes: Mapping[str, Any]) -> TrainingSettings:
    """The same with some values replaced, tables key by key.

    Raises:
        SettingsError: a key is unknown, or a value of another type or out of range; its text
            begins with the key.
    """
    document = as_document(settings)
    for key, value in changes.items():
        _check_key(settings, key)
        if isinstance(value, Mapping) and (key in _TABLES or isinstance(document[key], dict)):
            table = document[key] if isinstance(document[key], dict) else asdict(_TABLES[key])
            for inner in value:
                _check_key(getattr(settings, key) or _TABLES[key], inner, f"{key}.")
            document[key] = {**table, **value}
        else:
            document[key] = value
    try:
        # By way of JSON, where a list is a tuple or a set, and nothing else becomes another type.
        text = json.dumps(document, default=str)
    except (ValueError, RecursionError) as error:
        key = ", ".join(map(str, changes))
        raise SettingsError(f"{key}: is nested too deeply, or too long a number") from error
    try:
        return _SETTINGS.validate_json(text)
    except ValidationError as error:
        raise SettingsError(_explained(error)) from None


def as_document(settings: TrainingSettings) -> dict[str, Any]:
    """The settings as the values of a file: numbers, texts, lists, tables and ``None``."""
    return asdict(settings) | {"without": sorted(settings.without)}


def differences(base: TrainingSettings, settings: TrainingSettings) -> dict[str, Any]:
    """Values of ``settings`` that are others than those of ``base``, by dotted key."""
    found: dict[str, Any] = {}
    before, after = as_document(base), as_document(settings)
    for field in own_fields(settings):
        part, old, new = getattr(settings, field.name), before[field.name], after[field.name]
        if old != new and isinstance(new, dict):
            keys = (inner.name for inner in own_fields(part))
            found |= {
                f"{field.name}.{key}": new[key] for key in keys if new[key] != (old or {}).get(key)
            }
        elif old != new:
            found[field.name] = new
    return found


def schema(settings: type) -> dict[str, Any]:
    """JSON schema of a class of settings."""
    return TypeAdapter(settings).json_schema()


def own_fields(settings: object) -> list[Field[Any]]:
    """Fields of one of the settings classes that have a value of their own.

    The others follow a setting of the run, which their metadata names.
    """
    assert is_dataclass(settings)  # noqa: S101  # or there is no field
    return [field for field in fields(settings) if "follows" not in field.metadata]


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"--config {path}: no such file") from None
    except OSError as error:
        raise InputError(f"--config {path}: cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"--config {path}: is not TOML ({error})") from None


def _check_key(settings: object, key: str, table: str = "") -> None:
    """Refuse a key that is none of ``settings``, or that follows another."""
    known = {field.name: field for field in fields(settings)}  # type: ignore[arg-type]  # a class of settings
    if key not in known:
        near = get_close_matches(key, known, n=1)
        hint = f"did you mean {table}{near[0]}?" if near else "recsvc-train settings prints all"
        raise SettingsError(f"{table}{key}: there is no such setting; {hint}")
    if leader := known[key].metadata.get("follows"):
        raise SettingsError(f"{table}{key}: follows {leader}; set that")


def _explained(error: ValidationError) -> str:
    """The first thing that is wrong: key, value and what is allowed."""
    first = error.errors()[0]
    if first["type"] == "json_invalid":  # of the text that was made here
        return "a value is nested too deeply"
    # TOML's words for what pydantic says in those of JSON.
    message = first["msg"].removeprefix("Input ").replace("an object", "a table")
    message = message.replace("valid array", "list").replace("Field required", "too few values")
    given = json.dumps(first["input"], default=str)[:_MAX_SHOWN]
    return f"{_key(first['loc'])} = {given}: {message}"


def _key(location: tuple[int | str, ...]) -> str:
    """``without`` for the third of its entries, ``als.alpha`` for a key of a table."""
    return ".".join(part for part in location if isinstance(part, str))
