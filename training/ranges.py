"""Ranges that settings may have, written where the settings are: as their types."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field
from pydantic_core import CoreSchema, core_schema

Share = Annotated[float, Field(ge=0, le=1)]
"""Part of a whole."""

PositiveShare = Annotated[float, Field(gt=0, le=1)]
"""Part of a whole, and not none of it."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some words.

    For words that are known at run time, where ``Literal`` wants them spelt out.

    Attributes:
        words: what is allowed.
    """

    words: tuple[str, ...]

    def __get_pydantic_core_schema__(self, *_: object) -> CoreSchema:
        """What pydantic checks instead of any text."""
        return core_schema.literal_schema(list(self.words))
