"""What each part of recsvc is worth: measured elsewhere, shown here."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

from recsvc.errors import InputError
from tests.benchmarks.quality.judge import Interval


@dataclass(frozen=True, slots=True)
class Ablation:
    """The paired change of a figure when one part is left out.

    Attributes:
        set: name of the data set.
        column: kind of lists, ``all`` or ``new``.
        without: the part that was left out.
        delta: mean change; negative where the part helps.
        low: lower end of the 95 % interval.
        high: upper end.
    """

    set: str
    column: str
    without: str
    delta: float
    low: float
    high: float

    @property
    def interval(self) -> Interval:
        """The change as an interval."""
        return Interval(self.delta, self.low, self.high)

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


def load(path: Path) -> list[Ablation]:
    """Read ``ablations.json``, a list of objects with the fields above; empty if none.

    Raises:
        InputError: an entry lacks a field.
    """
    if not path.exists():
        return []
    names = [one.name for one in fields(Ablation)]
    rows = json.loads(path.read_text())
    for at, row in enumerate(rows):
        missing = [name for name in names if name not in row]
        if missing:
            raise InputError(f"{path}: entry {at} has no {', '.join(missing)}; add it")
    return [Ablation(**{name: row[name] for name in names}) for row in rows]
