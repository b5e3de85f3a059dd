"""Keeps the worker processes, and the embedded Valkey if there is one, running; nothing else.

The supervisor knows no transport and loads no model, so there is little in it that could fail.
A worker is any command that writes a line ``ready`` to the descriptor in ``RECSVC_READY_FD`` once
it serves, drains on SIGTERM, and exits with ``EXIT_CONFIGURATION`` when its configuration cannot
work, having said so in one line on stderr.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from recsvc.errors import SettingsError
from recsvc.signals import EXIT_CONFIGURATION, STOP_SIGNALS, signal_pipe, signals_within
from recsvc.store.embedded import EmbeddedValkey
from recsvc.store.lifeline import tied

# A Valkey that ran for this long is restarted at once when it dies.
_VALKEY_HEALTHY_SECONDS = 1.0


class EventSink(Protocol):
    """Receives what happens, as a logger's ``info`` would."""

    def __call__(self, event: str, /, **details: float | str) -> object:
        """Take one event, ``worker_exited`` for example, with its details."""
        ...


@dataclass
class RestartDelay:
    """How long to wait before a process that died is started again.

    Attributes:
        first_seconds: the first delay; each further one is twice as long.
        max_seconds: their ceiling.
        healthy_seconds: a process that was well for this long starts the series anew.
    """

    first_seconds: float = 0.1
    max_seconds: float = 5.0
    healthy_seconds: float = 30.0
    _next_seconds: float = field(init=False)

    def __post_init__(self) -> None:
        self._next_seconds = self.first_seconds

    def after(self, well_seconds: float) -> float:
        """Return the delay in seconds after a process that was well for ``well_seconds``."""
        if well_seconds >= self.healthy_seconds:
            self._next_seconds = self.first_seconds
        delay = self._next_seconds
        self._next_seconds = min(2 * delay, self.max_seconds)
        return delay


@dataclass
class _Worker:
    """One place for a worker process, which may be empty for the moment."""

    index: int
    process: subprocess.Popen[bytes] | None = None
    ready_fd: int | None = None  # read end; None once it has spoken
    ready_at: float | None = None
    was_ever_ready: bool = False
    restart_at: float = 0.0
    delay: RestartDelay = field(default_factory=RestartDelay)


class Supervisor:
    """Starts and restarts workers until SIGTERM or SIGINT, then stops them in order.

    Args:
        worker_command: argument list of one worker.
        n_workers: how many to run.
        env: their whole environment; each also gets ``RECSVC_READY_FD`` and
            ``RECSVC_WORKER_INDEX`` (from 0).
        valkey: the embedded server; started before the workers, stopped after them.
        on_ready: called once, when all workers are ready for the first time.
        on_event: told of everything that happens.
        grace_seconds: longest wait for workers to drain.
    """

    def __init__(  # each argument is a part that launch.py wires in
        self,
        worker_command: Sequence[str],
        n_workers: int,
        *,
        env: Mapping[str, str],
        valkey: EmbeddedValkey | None,
        on_ready: Callable[[], object],
        on_event: EventSink,
        grace_seconds: float = 30.0,
    ) -> None:
        self._worker_command = list(worker_command)
        self._env = dict(env)
        self._valkey = valkey
        self._valkey_started_at = 0.0
        self._valkey_restart_at: float | None = None
        self._valkey_delay = RestartDelay()
        self._on_ready = on_ready
        self._on_event = on_event
        self._grace_seconds = grace_seconds
        self._workers = [_Worker(index) for index in range(n_workers)]
        self._announced = False

    def run(self) -> int:
        """Supervise until told to stop; call it in the main thread, once.

        Returns:
            The exit code: 0 after SIGTERM or SIGINT, 1 if a worker's configuration cannot work.

        Raises:
            SettingsError: the embedded Valkey does not start.
        """
        with signal_pipe() as signals:
            try:
                self._start_valkey()
                while True:
                    if not self._tend_workers():
                        return 1
                    self._tend_valkey()
                    if self._wait(signals) & STOP_SIGNALS:
                        self._drain(signals)
                        return 0
            finally:
                # After a drain nothing is left; after an error nothing may be left either.
                self._kill_workers()
                if self._valkey is not None:
                    self._valkey.stop()
                self._on_event("stopped")

    # Workers

    def _tend_workers(self) -> bool:
        """Notice who became ready or died and start who is due; False if none can ever work."""
        for worker in self._workers:
            self._read_ready(worker)
            if worker.process is not None and (code := worker.process.poll()) is not None:
                if code == EXIT_CONFIGURATION and not worker.was_ever_ready:
                    return False
                self._schedule_restart(worker, worker.process.pid, code)
        for worker in self._vacant():
            if time.monotonic() >= worker.restart_at:
                self._start_worker(worker)
        if not self._announced and all(worker.ready_at is not None for worker in self._workers):
            self._announced = True
            self._on_ready()
        return True

    def _vacant(self) -> list[_Worker]:
        """Return the places without a process that may be filled now or later.

        The first worker proves the configuration before the others start: a mistake is then
        reported once, not once a worker.
        """
        is_proven = any(worker.was_ever_ready for worker in self._workers)
        places = self._workers if is_proven else self._workers[:1]
        return [worker for worker in places if worker.process is None]

    def _start_worker(self, worker: _Worker) -> None:
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        worker.process = subprocess.Popen(
            # SIGKILL: whatever a worker is doing, it must not serve on without its supervisor.
            tied(self._worker_command, signal.SIGKILL),
            env={
                **self._env,
                "RECSVC_READY_FD": str(writer),
                "RECSVC_WORKER_INDEX": str(worker.index),
            },
            stdin=subprocess.DEVNULL,
            pass_fds=(writer,),
            # Ctrl-C goes to the supervisor alone, which drains in order.
            process_group=0,
        )
        os.close(writer)
        worker.ready_fd = reader
        self._on_event("worker_started", index=worker.index, pid=worker.process.pid)

    def _read_ready(self, worker: _Worker) -> None:
        """Take the worker's word that it serves, if it has come."""
        if worker.ready_fd is None or worker.process is None:
            return
        try:
            word = os.read(worker.ready_fd, 64)
        except BlockingIOError:
            return
        os.close(worker.ready_fd)
        worker.ready_fd = None
        if word.startswith(b"ready"):  # else it died, or closed the pipe
            worker.ready_at = time.monotonic()
            worker.was_ever_ready = True
            self._on_event("worker_ready", index=worker.index, pid=worker.process.pid)

    def _schedule_restart(self, worker: _Worker, pid: int, code: int) -> None:
        now = time.monotonic()
        well_seconds = 0.0 if worker.ready_at is None else now - worker.ready_at
        delay = worker.delay.after(well_seconds)
        worker.process = None
        worker.ready_at = None
        worker.restart_at = now + delay
        self._on_event(
            "worker_exited", index=worker.index, pid=pid, code=code, restart_in_seconds=delay
        )

    # Valkey

    def _start_valkey(self) -> None:
        if self._valkey is not None:
            self._valkey.start()
            self._valkey_started(self._valkey)

    def _tend_valkey(self) -> None:
        """Restart a dead Valkey: at once if it had been well, else ever more patiently."""
        valkey = self._valkey
        if valkey is None or valkey.alive:
            return
        now = time.monotonic()
        if self._valkey_restart_at is None:
            well_seconds = now - self._valkey_started_at
            is_first = well_seconds >= _VALKEY_HEALTHY_SECONDS
            delay = 0.0 if is_first else self._valkey_delay.after(well_seconds)
            self._valkey_restart_at = now + delay
            self._on_event("valkey_exited", code=valkey.poll() or 0, restart_in_seconds=delay)
        if now >= self._valkey_restart_at:
            try:
                # Not waiting for its answer: the workers do without it and notice its return.
                valkey.launch()
            except SettingsError as error:
                delay = self._valkey_delay.after(0.0)
                self._valkey_restart_at = now + delay
                self._on_event("valkey_not_restarted", error=str(error), restart_in_seconds=delay)
            else:
                self._valkey_restart_at = None
                self._valkey_started(valkey)

    def _valkey_started(self, valkey: EmbeddedValkey) -> None:
        self._valkey_started_at = time.monotonic()
        self._on_event("valkey_started", pid=valkey.pid or 0)

    # Waiting and stopping

    def _wait(self, signals: int) -> frozenset[int]:
        """Sleep until a signal, a worker's word or a restart that is due; return the signals."""
        due = [worker.restart_at for worker in self._vacant()]
        if self._valkey_restart_at is not None:
            due.append(self._valkey_restart_at)
        words = [worker.ready_fd for worker in self._workers if worker.ready_fd is not None]
        return signals_within(
            max(0.0, min(due) - time.monotonic()) if due else None, signals, words
        )

    def _drain(self, signals: int) -> None:
        """Let the workers finish what they serve: until they have, or the grace ends."""
        self._on_event("draining", grace_seconds=self._grace_seconds)
        running = [worker.process for worker in self._workers if worker.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self._grace_seconds
        while any(process.poll() is None for process in running):
            seconds = deadline - time.monotonic()
            if seconds <= 0 or signals_within(seconds, signals) & STOP_SIGNALS:
                return

    def _kill_workers(self) -> None:
        for worker in self._workers:
            if worker.process is not None and worker.process.poll() is None:
                self._on_event("worker_killed", index=worker.index, pid=worker.process.pid)
                worker.process.kill()
                worker.process.wait()
            if worker.ready_fd is not None:
                os.close(worker.ready_fd)
                worker.ready_fd = None
