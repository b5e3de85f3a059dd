"""Random bytes, of which the kernel is asked for many at once."""

import os
import secrets

_N_PIECES = 256


class RandomPieces:
    """Gives random bytes out in pieces; safe to share between threads, each gets its own.

    Each asking of the kernel lets other threads go first, which costs more than all else about the
    name of a list. What was drawn before a fork is given out on neither side twice.

    Args:
        n_bytes: length of a piece.
    """

    def __init__(self, n_bytes: int) -> None:
        self._n_bytes = n_bytes
        self._pieces: list[bytes] = []
        self._process = os.getpid()

    def take(self) -> bytes:
        """The next piece."""
        if self._process != os.getpid():
            self._pieces = []
            self._process = os.getpid()
        try:
            return self._pieces.pop()
        except IndexError:
            fresh = secrets.token_bytes(self._n_bytes * _N_PIECES)
            starts = range(self._n_bytes, len(fresh), self._n_bytes)
            self._pieces.extend(fresh[start : start + self._n_bytes] for start in starts)
            return fresh[: self._n_bytes]
