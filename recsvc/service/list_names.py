"""Names of lists, made ahead where many are wanted."""

import os
import secrets
from dataclasses import dataclass, field

from recsvc.core.recommendation_id import N_OWN, ListOrigin, new_recommendation_id

MAX_AHEAD = 64
"""So many names are made at once at most: in 0.1 ms, and gone within 10 ms where they are many."""


@dataclass(slots=True)
class _Row:
    """Names of one origin.

    Attributes:
        n_next: how many are made when none is left.
        names: made, and not given out yet.
    """

    n_next: int = 1
    names: list[str] = field(default_factory=list)


class ListNames:
    """Gives lists their names; safe to share between threads, no name is given twice.

    Between calls all else has filled the caches with other code, and a name takes three times as
    long as one that is made right after another. So when those of a second are asked for again,
    twice as many as before are made. What was made before a fork is given out on neither side
    twice.
    """

    def __init__(self) -> None:
        self._time = 0
        self._process = os.getpid()
        self._rows: dict[ListOrigin, _Row] = {}

    def take(self, origin: ListOrigin) -> str:
        """A name for a list that comes from ``origin``."""
        if origin.time != self._time or self._process != os.getpid():
            self._rows = {}
            self._time, self._process = origin.time, os.getpid()
        rows = self._rows
        row = rows.get(origin) or rows.setdefault(origin, _Row())
        try:
            return row.names.pop()
        except IndexError:
            # All that they need at once: each asking of the kernel lets other threads go first.
            drawn = secrets.token_bytes(N_OWN * row.n_next)
            owns = (drawn[start : start + N_OWN] for start in range(0, len(drawn), N_OWN))
            made = [new_recommendation_id(origin, own) for own in owns]
            row.n_next = min(2 * row.n_next, MAX_AHEAD)
            row.names += made[1:]
            return made[0]
