"""The pointer: which version of a registry is current, and which were before it."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from recsvc.artifacts.json_fields import count_field, field, parse_object, time_field, utc_text

N_PREVIOUS_KEPT = 20


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which version is current.

    Attributes:
        version_id: the current version.
        generation: starts at 1 and grows by one with every change, back or forth.
        previous: the versions that a rollback returns to, the latest first; at most
            ``N_PREVIOUS_KEPT``.
        changed_time: when the pointer last changed, UTC.
    """

    version_id: str
    generation: int
    previous: tuple[str, ...]
    changed_time: datetime

    def promoted(self, version_id: str, now: datetime) -> Self:
        """Return the pointer after another version was promoted over this one."""
        previous = (self.version_id, *self.previous)[:N_PREVIOUS_KEPT]
        return type(self)(version_id, self.generation + 1, previous, now)

    def rolled_back(self, now: datetime) -> Self:
        """Return the pointer after a step back; ``previous`` must not be empty.

        The version stepped back from is forgotten, so that a second rollback goes
        further back instead of returning to what was just found wanting.
        """
        version_id, *older = self.previous
        return type(self)(version_id, self.generation + 1, tuple(older), now)

    def to_json(self) -> str:
        """Return the text of the pointer's file.

        Raises:
            ValueError: ``changed_time`` has no zone.
        """
        document = {
            "version_id": self.version_id,
            "generation": self.generation,
            "previous": list(self.previous),
            "changed_time": utc_text(self.changed_time),
        }
        return json.dumps(document, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Read what ``to_json`` wrote; fields that it does not know are left unread.

        Raises:
            ValueError: it is no JSON, or a field is missing or of the wrong type.
        """
        document = parse_object(text)
        previous = field(document, "previous", list)
        if not all(type(version_id) is str for version_id in previous):
            raise ValueError("field 'previous' must be a list of strings")
        return cls(
            version_id=field(document, "version_id", str),
            generation=count_field(document, "generation", at_least=1),
            previous=tuple(previous),
            changed_time=time_field(document, "changed_time"),
        )
