"""The journal of a registry: who changed which version is current, when and why.

One JSON object a line, only ever added to: promotions, rollbacks, and the refusals of the
promotion gate. The line of a change is on the disk before the pointer moves, so that no change
is missing; what crashed in between is a line without a change, and :func:`effective` leaves
it out.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Self

from recsvc.artifacts.disk import fsync_directory
from recsvc.artifacts.json_fields import count_field, field, parse_object, time_field, utc_text


class Action(StrEnum):
    """What happened."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"
    REFUSED = "refused"


class Gate(StrEnum):
    """What the promotion gate had said."""

    NOT_ASKED = "not asked"
    NOT_JUDGED = "not judged"
    PASSED = "passed"
    REFUSED = "refused"
    OVERRULED = "overruled"


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody who changes the pointer says of it.

    Attributes:
        by: who, as in ``anna@trainer-1``; empty if not told.
        gate: what the promotion gate had said.
        reasons: its reasons and warnings, a line each.
    """

    by: str = ""
    gate: Gate = Gate.NOT_ASKED
    reasons: tuple[str, ...] = ()


UNSAID: Final = Note()
"""Of somebody who says nothing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal.

    Attributes:
        time: when, UTC.
        action: what happened.
        version_id: the version that was promoted, returned to or refused.
        before: the version that was current before; empty if there was none.
        generation: of the pointer afterwards; 0 while there is none.
        note: who and why.
    """

    time: datetime
    action: Action
    version_id: str
    before: str
    generation: int
    note: Note

    def to_json(self) -> str:
        """Return the line, without its end.

        Raises:
            ValueError: ``time`` has no zone.
        """
        document = {
            "time": utc_text(self.time),
            "action": self.action.value,
            "version_id": self.version_id,
            "before": self.before,
            "generation": self.generation,
            "by": self.note.by,
            "gate": self.note.gate.value,
            "reasons": list(self.note.reasons),
        }
        return json.dumps(document, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str | bytes) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: it is no JSON, or a field is missing or of the wrong type.
        """
        document = parse_object(line)
        reasons = field(document, "reasons", list)
        return cls(
            time=time_field(document, "time"),
            action=Action(field(document, "action", str)),
            version_id=field(document, "version_id", str),
            before=field(document, "before", str),
            generation=count_field(document, "generation"),
            note=Note(
                by=field(document, "by", str),
                gate=Gate(field(document, "gate", str)),
                reasons=tuple(map(str, reasons)),
            ),
        )


def append(path: Path, entry: Entry) -> None:
    """Add a line and wait until it is on the disk.

    Raises:
        ValueError: the entry's time has no zone.
        OSError: the file cannot be written.
    """
    line = entry.to_json().encode() + b"\n"
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # a writer died within its line
                line = b"\n" + line
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    fsync_directory(path.parent)


def read(path: Path) -> list[Entry]:
    """Return all entries, the oldest first; lines that a crash has torn are left out.

    Raises:
        OSError: the file is there and cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    entries = []
    for line in content.splitlines():
        try:
            entries.append(Entry.from_json(line))
        except ValueError:
            continue
    return entries


def effective(entries: Iterable[Entry], generation: int) -> list[Entry]:
    """Those of ``entries`` that came to pass.

    A change that crashed before the pointer moved is followed by another change to the same
    generation, or is the last one and the pointer is still a generation before it.

    Args:
        entries: the oldest first.
        generation: of the pointer now, 0 if there is none.
    """
    kept: list[Entry] = []
    last_change: Entry | None = None
    for entry in entries:
        if entry.action is not Action.REFUSED:
            if last_change is not None and last_change.generation == entry.generation:
                kept.remove(last_change)
            last_change = entry
        kept.append(entry)
    if last_change is not None and last_change.generation == generation + 1:
        kept.remove(last_change)
    return kept
