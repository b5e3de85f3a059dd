"""How many files a worker may have open: each connection is one, and so is each write."""

import resource
from contextlib import suppress


def open_as_many_as_allowed() -> None:
    """Raise the usual limit of open files to the highest that this process may give itself.

    The usual one is 1,024 for the sake of programs that ask ``select`` for a number above it, which
    nothing in a worker does: it waits at its pipe of signals alone, the first file that it opens. A
    supervisor waits for its workers so and has few files, and stays as it is.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # a system may forbid it, and there it stays as it was
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
