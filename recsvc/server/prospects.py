"""Whether it is worth to look for what may lie ready, while there is no time for looking."""

LEARNING_RATE = 1 / 256

LEAST_SHARE = 0.01
"""With less than that found of late, little is hoped for."""

ONE_OF = 16
"""Then one in so many is looked for, to see whether that has changed."""


class Prospects:
    """Learns from what was found; safe to share between threads, as nothing hangs on one look.

    To look costs as much as to turn somebody away, and saves what a list costs, thirty times as
    much and more: it pays where one of thirty is found, and is done where one of a hundred is.
    """

    def __init__(self) -> None:
        self._found_share = 1.0
        self._n_passed = 0

    def are_good(self) -> bool:
        """Whether who comes now should be looked for."""
        if self._found_share >= LEAST_SHARE:
            return True
        self._n_passed += 1
        return self._n_passed % ONE_OF == 0

    def learn(self, *, found: bool) -> None:
        """Take in what came of a look."""
        self._found_share += LEARNING_RATE * (found - self._found_share)
