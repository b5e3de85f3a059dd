"""Runs a command that never outlives the process that started it.

``python lifeline.py PARENT_PID SIGNAL COMMAND [ARGUMENT…]`` asks the kernel to send SIGNAL when
the parent dies, of whatever cause, and then becomes COMMAND: same process id, no process between.

Linux ties this to the parent *thread*: start such commands from a thread that lives as long as
its process, in practice the main one. ``subprocess``'s ``preexec_fn`` could do the same without a
second program, but is unsafe in a process with threads. Other systems have no such request; there
a small watcher process looks after the parent ten times a second.

Imports the standard library alone, so that it starts in about 15 ms.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

_PR_SET_PDEATHSIG = 1
_WATCH_SECONDS = 0.1
_CANNOT_RUN = 127  # what a shell answers for a command that it cannot find


def tied(command: Sequence[str], death_signal: signal.Signals) -> list[str]:
    """Return the argument list that runs ``command`` tied to the life of this process."""
    # -I and -S: neither the environment, nor the working directory, nor site-packages can get in.
    parent = str(os.getpid())
    return [sys.executable, "-I", "-S", __file__, parent, str(int(death_signal)), *command]


def main(
    arguments: Sequence[str],
    *,
    has_kernel_support: bool = sys.platform == "linux",
    execute: Callable[[str, list[str]], object] = os.execvp,
) -> int:
    """Tie this process to its parent and become the command; return only if that fails."""
    parent_pid, death_signal, command = int(arguments[0]), int(arguments[1]), list(arguments[2:])
    if not (has_kernel_support and _ask_kernel(death_signal)):
        _start_watcher(parent_pid, death_signal)
    if os.getppid() != parent_pid:
        return 1  # the parent died before the request was in place
    try:
        execute(command[0], command)
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]}: {error.strerror}\n")
    return _CANNOT_RUN


def _ask_kernel(death_signal: int) -> bool:
    """Ask for ``death_signal`` when the parent dies; the request survives the exec."""
    libc = ctypes.CDLL(None)
    return bool(libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0) == 0)


def _start_watcher(parent_pid: int, death_signal: int) -> None:
    """Fork a process that signals this one once the parent is gone."""
    command_pid = os.getpid()
    if os.fork() == 0:  # pragma: no cover  # a fork that leaves by _exit saves no coverage
        os.closerange(0, 256)  # hold no pipe of the command open
        _watch(parent_pid, command_pid, death_signal)
        os._exit(0)


def _watch(parent_pid: int, command_pid: int, death_signal: int) -> None:
    """Signal the command once its parent is gone; return then, or when the command has ended."""
    while os.getppid() == command_pid:  # the command is the watcher's own parent
        try:
            os.kill(parent_pid, 0)
        except ProcessLookupError:
            os.kill(command_pid, death_signal)
            return
        time.sleep(_WATCH_SECONDS)


if __name__ == "__main__":  # pragma: no cover  # runs without site-packages, so without coverage
    sys.exit(main(sys.argv[1:]))
