"""Whether it is worth to look for what may lie ready, while there is no time for looking."""

N_MISSES = 64
"""After so many in a row little is hoped for."""

ONE_OF = 16
"""Then one in so many is looked for, to see whether that has changed."""


class Prospects:
    """Learns from what was found; safe to share between threads, as nothing hangs on one look.

    To look costs as much as to turn somebody away, and saves what a list costs, fifty times as
    much. So it pays where one of fifty is found.
    """

    def __init__(self) -> None:
        self._n_missed = 0
        self._n_passed = 0

    def are_good(self) -> bool:
        """Whether who comes now should be looked for."""
        if self._n_missed < N_MISSES:
            return True
        self._n_passed += 1
        return self._n_passed % ONE_OF == 0

    def learn(self, *, found: bool) -> None:
        """Take in what came of a look."""
        self._n_missed = 0 if found else self._n_missed + 1
