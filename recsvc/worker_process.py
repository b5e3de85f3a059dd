"""One process of a worker, from its start to its end."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from recsvc.store.lifeline import tied


class WorkerProcess:
    """A process that was started, and what it has said.

    Args:
        command: argument list.
        env: its whole environment, beside the variables of ``recsvc.supervisor``.
        index: of its place, from 0.
        slot: a number that no other process has that runs, from 0.
        replaces: whether another one serves at its place until this one does.

    Raises:
        OSError: the machine has no room for another process.

    Attributes:
        index: likewise.
        slot: likewise.
        pid: its number.
        ready_at: since when it serves, monotonic seconds; None, it has not said so.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        index: int,
        *,
        slot: int,
        replaces: bool,
    ) -> None:
        self.index = index
        self.slot = slot
        self.ready_at: float | None = None
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        try:
            self._process = subprocess.Popen(
                # SIGKILL: whatever a worker is doing, it must not serve on without its supervisor.
                tied(command, signal.SIGKILL),
                env={
                    **env,
                    "RECSVC_READY_FD": str(writer),
                    "RECSVC_WORKER_INDEX": str(index),
                    "RECSVC_WORKER_REPLACES": "1" if replaces else "",
                    "RECSVC_WORKER_SLOT": str(slot),
                },
                stdin=subprocess.DEVNULL,
                pass_fds=(writer,),
                # Ctrl-C goes to the supervisor alone, which drains in order.
                process_group=0,
            )
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        self._ready_fd: int | None = reader
        self.pid = self._process.pid

    @property
    def words(self) -> list[int]:
        """The descriptor to wait at for its word; none once it has spoken."""
        return [] if self._ready_fd is None else [self._ready_fd]

    def becomes_ready(self) -> bool:
        """Take its word, if it has come: True once, when it serves."""
        if self._ready_fd is None:
            return False
        try:
            word = os.read(self._ready_fd, 64)
        except BlockingIOError:
            return False
        self._forget_word()
        if not word.startswith(b"ready"):  # it died, or closed the pipe
            return False
        self.ready_at = time.monotonic()
        return True

    def exit_code(self) -> int | None:
        """How it ended, minus the signal's number if by one; None while it runs."""
        code = self._process.poll()
        if code is not None:
            self._forget_word()
        return code

    def terminate(self) -> None:
        """Have it finish what it serves."""
        self._process.terminate()

    def kill(self) -> int:
        """End it, wait until it has ended, and say how it did, as :meth:`exit_code`."""
        self._process.kill()
        self._forget_word()
        return self._process.wait()

    def _forget_word(self) -> None:
        if self._ready_fd is not None:
            os.close(self._ready_fd)
            self._ready_fd = None
