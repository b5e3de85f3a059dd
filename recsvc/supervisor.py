"""Keeps the worker processes, and the embedded Valkey if there is one, running; nothing else.

The supervisor knows no transport and loads no model, so there is little in it that could fail.
A worker is any command that writes a line ``ready`` to the descriptor in ``RECSVC_READY_FD`` once
it serves, drains on SIGTERM, and exits with ``EXIT_CONFIGURATION`` when its configuration cannot
work, having said so in one line on stderr. Its ``RECSVC_WORKER_INDEX`` is the number of its place,
from 0; where ``RECSVC_WORKER_REPLACES`` is not empty another one serves there until it is ready.
``RECSVC_WORKER_SLOT`` is the lowest number that no other worker has that runs.
"""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count

from recsvc.errors import SettingsError
from recsvc.rolling import READY_SECONDS, EventSink, Place, RestartDelay, Roll
from recsvc.signals import (
    EXIT_CONFIGURATION,
    ROLL_SIGNAL,
    STOP_SIGNALS,
    has_terminal,
    signal_pipe,
    signals_within,
)
from recsvc.store.embedded import EmbeddedValkey
from recsvc.worker_process import WorkerProcess

# A Valkey that ran for this long is restarted at once when it dies.
_VALKEY_HEALTHY_SECONDS = 1.0


class Supervisor:
    """Starts and restarts workers until SIGTERM or SIGINT, then stops them in order.

    SIGHUP replaces them, one after another. From a terminal that is no more it ends them, unless
    the process was started to outlive it (``nohup``).

    Args:
        worker_command: argument list of one worker.
        n_workers: how many to run.
        env: their whole environment, beside what tells them of their places.
        valkey: the embedded server; started before the workers, stopped after them.
        on_ready: called once, when all workers are ready for the first time.
        on_event: told of everything that happens.
        grace_seconds: longest wait for workers to drain.
        ready_seconds: longest wait for one that replaces another to answer.
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
        ready_seconds: float = READY_SECONDS,
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
        self._ready_seconds = ready_seconds
        self._places = [Place(index) for index in range(n_workers)]
        self._announced = False
        self._roll: Roll | None = None
        self._is_roll_due = False

    def run(self) -> int:
        """Supervise until told to stop; call it in the main thread, once.

        Returns:
            The exit code: 0 after SIGTERM or SIGINT, 1 if a worker's configuration cannot work.

        Raises:
            SettingsError: the embedded Valkey does not start.
        """
        ends_with_terminal = signal.getsignal(ROLL_SIGNAL) != signal.SIG_IGN and has_terminal()
        with signal_pipe() as signals:
            try:
                self._start_valkey()
                while True:
                    if not self._tend_workers():
                        return 1
                    self._tend_roll()
                    self._tend_valkey()
                    received = self._wait(signals)
                    is_roll = ROLL_SIGNAL in received
                    is_hung_up = is_roll and ends_with_terminal and not has_terminal()
                    if received & STOP_SIGNALS or is_hung_up:
                        self._drain(signals)
                        return 0
                    if is_roll:
                        self._ask_for_roll()
            finally:
                # After a drain nothing is left; after an error nothing may be left either.
                self._kill_workers()
                if self._valkey is not None:
                    self._valkey.stop()
                self._on_event("stopped")

    # Workers

    def _tend_workers(self) -> bool:
        """Notice who became ready or died and start who is due; False if none can ever work."""
        for place in self._places:
            process = place.process
            if process is None:
                continue
            if process.becomes_ready():
                place.was_ever_ready = True
                self._on_event(
                    "worker_ready", index=place.index, slot=process.slot, pid=process.pid
                )
            if (code := process.exit_code()) is not None:
                if code == EXIT_CONFIGURATION and not self._is_proven:
                    return False
                self._schedule_restart(place, process, code)
        for place in self._vacant():
            if time.monotonic() >= place.restart_at:
                self._fill(place)
        if not self._announced and all(place.is_ready for place in self._places):
            self._announced = True
            self._on_ready()
        return True

    @property
    def _is_proven(self) -> bool:
        """Whether a worker has served with this configuration: a later fault ends no other."""
        return any(place.was_ever_ready for place in self._places)

    def _ask_for_roll(self) -> None:
        self._is_roll_due = True
        if not self._announced:
            self._on_event("roll_waits", hint="it begins once all workers have been ready")
        elif self._roll is not None:
            self._on_event("roll_waits", hint="it begins once the roll under way has ended")

    def _tend_roll(self) -> None:
        """Go on with replacing the workers, if that was asked for.

        Not before all are there: what one of them reads while it starts is not known. And not two
        at once: who asks during a roll may have changed what some have read by then.
        """
        if self._roll is None and self._is_roll_due and self._announced:
            self._is_roll_due = False
            self._roll = Roll(
                self._places,
                self._start_successor,
                self._on_event,
                grace_seconds=self._grace_seconds,
                ready_seconds=self._ready_seconds,
            )
        if self._roll is not None and not self._roll.tend():
            self._roll = None
            self._tend_roll()

    def _vacant(self) -> list[Place]:
        """Return the places without a process that may be filled now or later.

        The first worker proves the configuration before the others start: a mistake is then
        reported once, not once a worker.
        """
        places = self._places if self._is_proven else self._places[:1]
        return [place for place in places if place.process is None]

    def _fill(self, place: Place) -> None:
        """Start a worker at a place, or say why not and when that is tried again."""
        try:
            place.process = self._start_worker(place.index)
        except OSError as error:  # too many processes or files, or too little memory, for now
            delay = place.delay.after(0.0)
            place.restart_at = time.monotonic() + delay
            self._on_event(
                "worker_not_started",
                index=place.index,
                error=str(error),
                restart_in_seconds=delay,
            )

    def _start_worker(self, index: int, *, replaces: bool = False) -> WorkerProcess:
        taken = {process.slot for process in self._processes()}
        slot = next(number for number in count() if number not in taken)
        process = WorkerProcess(
            self._worker_command, self._env, index, slot=slot, replaces=replaces
        )
        self._on_event("worker_started", index=index, slot=slot, pid=process.pid)
        return process

    def _start_successor(self, index: int) -> WorkerProcess:
        return self._start_worker(index, replaces=True)

    def _schedule_restart(self, place: Place, process: WorkerProcess, code: int) -> None:
        now = time.monotonic()
        well_seconds = 0.0 if process.ready_at is None else now - process.ready_at
        delay = place.delay.after(well_seconds)
        place.process = None
        place.restart_at = now + delay
        self._on_event(
            "worker_exited",
            index=place.index,
            slot=process.slot,
            pid=process.pid,
            code=code,
            restart_in_seconds=delay,
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
        due = [place.restart_at for place in self._vacant()]
        if self._valkey_restart_at is not None:
            due.append(self._valkey_restart_at)
        if self._roll is not None:
            due.append(self._roll.due)
        words = [word for process in self._processes() for word in process.words]
        return signals_within(
            max(0.0, min(due) - time.monotonic()) if due else None, signals, words
        )

    def _processes(self) -> list[WorkerProcess]:
        """All that run, or were not known to have ended."""
        at_places = [place.process for place in self._places if place.process is not None]
        return at_places if self._roll is None else at_places + self._roll.processes

    def _drain(self, signals: int) -> None:
        """Let the workers finish what they serve: until they have, or the grace ends."""
        self._on_event("draining", grace_seconds=self._grace_seconds)
        running = self._processes()
        for process in running:
            process.terminate()
        deadline = time.monotonic() + self._grace_seconds
        while any(process.exit_code() is None for process in running):
            seconds = deadline - time.monotonic()
            if seconds <= 0 or signals_within(seconds, signals) & STOP_SIGNALS:
                return

    def _kill_workers(self) -> None:
        for process in self._processes():
            if process.exit_code() is None:
                self._on_event("worker_killed", index=process.index, pid=process.pid)
                process.kill()
