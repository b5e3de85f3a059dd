"""How the system takes turns with the threads of a worker."""

import os
from contextlib import suppress


def let_threads_run_on() -> None:
    """Have no thread that wakes push another aside, where the system knows how.

    Each that wakes wants the interpreter's lock, which the other one holds: it would only wait, and
    they change places three times a call instead of once (docs/decisions/0026). It holds for the
    thread that calls this, and for those that it starts from then on. A policy other than the
    usual one was chosen by somebody, and stays.
    """
    if not hasattr(os, "SCHED_BATCH"):
        return
    with suppress(OSError):  # a system may forbid it, and is the slower for it
        if os.sched_getscheduler(0) == os.SCHED_OTHER:
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
