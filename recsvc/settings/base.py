"""How settings are read, told to another process, and refused: what all of them have in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Self

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from recsvc.errors import SettingsError

PREFIX: Final = "RECSVC_"

OFF: Final = "off"
"""The word for an empty value where the default is another: an empty variable means the default."""


_HINT: Final = "give a value"


@dataclass(frozen=True, slots=True)
class Flag:
    """Marks a setting that ``recsvc serve`` has an option for; the others have a variable only.

    Attributes:
        option: its name, as it is typed.
        hint: what to give where the setting is missing.
    """

    option: str
    hint: str = _HINT


class _Hidden:
    """Marks a setting whose value may hold a password: no error shows it."""


Secret = Annotated[SecretStr | None, _Hidden]
"""A value that is a password."""

SecretUrl = Annotated[str | None, _Hidden]
"""A URL that may have a password in it."""

Seconds = Annotated[float, Field(allow_inf_nan=False)]


class Settings(BaseSettings):
    """Arguments go before the environment, and the environment before the defaults."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, env_ignore_empty=True)

    @classmethod
    def load(cls, given: Mapping[str, Any] | None = None) -> Self:
        """Read the settings.

        Args:
            given: what the command line says, by field name; None values are not given.

        Raises:
            SettingsError: a value cannot be used; one line names it and what is allowed.
        """
        arguments = {name: value for name, value in (given or {}).items() if value is not None}
        try:
            return cls(**arguments)
        except ValidationError as error:
            raise cls._one_line(error) from error

    @classmethod
    def _one_line(cls, error: ValidationError) -> SettingsError:
        """The first thing that is wrong: variable and flag, value, and what is allowed."""
        first = error.errors(include_url=False)[0]
        name = str(first["loc"][0])
        marks = cls.model_fields[name].metadata
        flag = next((mark for mark in marks if isinstance(mark, Flag)), None)
        where = PREFIX + name.upper() + (f" / {flag.option}" if flag else "")
        if first["type"] == "missing":
            return SettingsError(f"{where}: is not given; {flag.hint if flag else _HINT}")
        why = first["msg"].removeprefix("Value error, ")
        why = why[0].lower() + why[1:]
        shown = "the value" if _Hidden in marks else repr(str(first["input"])[:80])
        return SettingsError(f"{where}: {shown} cannot be used: {why}")

    def to_env(self) -> dict[str, str]:
        """All settings as environment variables, from which another process reads the same ones."""
        values = self.model_dump(exclude_none=True)
        words = {name: _text(value) for name, value in values.items()}
        fields = type(self).model_fields
        return {
            PREFIX + name.upper(): word or OFF
            for name, word in words.items()
            if word or fields[name].default
        }


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
