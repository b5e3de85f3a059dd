"""What is seen of a service from outside: every line of its log, and its memory."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fuzz.texts import FORGED, PERSON

MAX_GROWTH: Final = 1.25
SPARE_MB: Final = 48.0
"""How much larger than after the warming-up a process may be: a quarter, and this."""

_NEEDED: Final = {"event", "level", "timestamp"}


@dataclass
class LogWatch:
    """Reads a log as it grows.

    Attributes:
        path: of the log, JSON.
        n_lines: how many lines each event has.
        faults: what is wrong, a line each.
    """

    path: Path
    n_lines: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    _position: int = 0

    def read(self) -> None:
        """Read what is new."""
        with self.path.open("rb") as file:
            file.seek(self._position)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]  # the last line may be in the writing
        self._position += len(whole)
        for line in whole.split(b"\n")[:-1]:
            self._take(line)

    def _take(self, line: bytes) -> None:
        if PERSON.encode() in line:
            self.faults.append(f"a person's id is in the log: {line[:300]!r}")
        try:
            said = json.loads(line)
        except ValueError:
            said = None
        if not isinstance(said, dict) or not said.keys() >= _NEEDED or said["event"] == FORGED:
            self.faults.append(f"no line of the service's own: {line[:300]!r}")
            return
        self.n_lines[str(said["event"])] += 1
        if "exception" in said:
            self.faults.append(f"logged: {said['event']}: {str(said['exception'])[-1500:]}")


@dataclass
class Memory:
    """Measures a process and those that it has started.

    Attributes:
        pid: of the process.
        first_mb: resident memory after the warming-up, by process.
        last_mb: now.
    """

    pid: int
    first_mb: dict[str, float] = field(default_factory=dict)
    last_mb: dict[str, float] = field(default_factory=dict)

    def look(self, *, is_warm: bool) -> None:
        """Measure."""
        self.last_mb = megabytes(self.pid)
        if is_warm and not self.first_mb:
            self.first_mb = self.last_mb

    def growth(self) -> list[str]:
        """What has grown beyond bounds since the warming-up, or is gone, a line each.

        The store may grow: it keeps what it is given, and has a limit of its own.
        """
        faults = []
        for name, before in self.first_mb.items():
            now = self.last_mb.get(name)
            if now is None:
                faults.append(f"{name} has ended")
            elif now > MAX_GROWTH * before + SPARE_MB and not name.startswith("valkey"):
                faults.append(f"{name} grew from {before:.0f} to {now:.0f} MB")
        return faults


def megabytes(root: int) -> dict[str, float]:
    """Resident memory of a process and of those below it, by name and number."""
    parents, found = {}, {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            status = (entry / "status").read_text()
        except OSError:  # it has ended meanwhile
            continue
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        pid = int(entry.name)
        parents[pid] = int(fields["PPid"])
        kilobytes = int(fields.get("VmRSS", "0 kB").split()[0])
        found[pid] = f"{fields['Name']} {pid}", kilobytes / 1024
    below = {root} & found.keys()
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return dict(found[pid] for pid in sorted(below))
