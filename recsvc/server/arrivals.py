"""Calls whose message has not come: they hold no thread, and do not wait for ever."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

from recsvc.errors import OverloadedError, RecsvcError, StreamEndedError
from recsvc.metrics import Metrics, Totals
from recsvc.server.errors import to_grpc_status
from recsvc.server.handing_over import HandedOver, Insides

MANY_SILENT, MANY_SECONDS = 64, 1.0
"""Beyond so many, as there may be streams, each is waited for no longer: all but the end of 16 MiB
may be there. A burst on a new connection is silent for as long as a packet takes there and back,
since headers pass where messages must wait for room."""

LARGE_BYTES, MAX_LARGE_BYTES = 256 * 1024, 128 * 1024 * 1024
"""What is longer is more than a connection takes in ahead for each call, and of that so much may
wait for threads."""


_CROWDED = "this process holds too many calls already, and of this one no message came"
_LARGE = "this process holds too many large messages already"


class Arrivals:
    """Waits for the messages of calls; safe to share between threads.

    Whoever sends headers alone costs what gRPC keeps of a call, and no more: those that wait for a
    thread are the ones that can be worked on.

    Args:
        seconds: how long a message may be waited for.
        max_held: calls held at once; beyond it the one that has been silent longest makes room.
        metrics: counts those that were ended or turned away.
        insides: of gRPC; None where they are not as they are known, and all wait on their threads.
        n_worked_on: calls that are held beside those that wait here.
        monotonic: monotonic seconds.
        draw: random numbers between 0 and 1.
    """

    def __init__(
        self,
        seconds: float,
        max_held: int,
        metrics: Metrics,
        *,
        insides: Insides | None,
        n_worked_on: Callable[[], int] = lambda: 0,
        monotonic: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._seconds = seconds
        self._max_held = max_held
        self._n_worked_on = n_worked_on
        self._insides = insides
        self._monotonic = monotonic
        self._draw = draw
        self._ended = Totals(metrics.streams_ended, metrics.tallies)
        self._turned_away = Totals(metrics.turned_away, metrics.tallies)
        self._lock = threading.Lock()
        self._silent: dict[HandedOver, float] = {}  # since when, the eldest first
        self._n_large_bytes = 0

    @property
    def n_held(self) -> int:
        """Calls whose message has not come."""
        return len(self._silent)

    def expect(
        self, run: Callable[..., Any], arguments: tuple[Any, ...], begin: Callable[..., object]
    ) -> bool:
        """Have ``begin`` run what gRPC has submitted, once its message is there.

        Returns:
            Whether it will; if not, what was submitted is not known to wait for a message.
        """
        insides = self._insides
        if insides is None or not HandedOver.is_one(insides, arguments):
            return False
        call = HandedOver(insides, run, arguments, begin)
        with self._lock:
            now = self._silent[call] = self._monotonic()
            eldest = self._in_the_way(now)
        if eldest is not None:
            self._turn_away(eldest, _CROWDED)
        call.receive(self._heard)
        return True

    def sweep(self) -> None:
        """End the calls whose messages were waited for too long."""
        now = self._monotonic()
        with self._lock:
            silent = [call for call, since in self._silent.items() if since <= now - self._seconds]
            for call in silent:
                del self._silent[call]
            crowded = [*iter(lambda: self._in_the_way(now), None)]
        for call in silent:
            self._ended["silent"].add()
            words = f"no message came for {self._seconds:g} s; send it with the call"
            _tell(call, StreamEndedError(words))
        for call in crowded:
            self._turn_away(call, _CROWDED)

    def _in_the_way(self, now: float) -> HandedOver | None:
        """Let go of the eldest call, where it is to make room for others."""
        n_silent = len(self._silent)
        if n_silent <= 1:  # it has only just come
            return None
        eldest, since = next(iter(self._silent.items()))
        is_one_of_many = n_silent > MANY_SILENT and since <= now - MANY_SECONDS
        if is_one_of_many or n_silent + self._n_worked_on() > self._max_held:
            del self._silent[eldest]
            return eldest
        return None

    def _heard(self, call: HandedOver) -> None:
        n_bytes = call.n_bytes
        is_large = n_bytes > LARGE_BYTES
        with self._lock:
            if self._silent.pop(call, None) is None:
                return  # it has been ended
            is_too_much = is_large and self._n_large_bytes + n_bytes > MAX_LARGE_BYTES
            if is_large and not is_too_much:
                self._n_large_bytes += n_bytes
        if not is_large:
            call.go_on()
        elif not is_too_much:
            call.go_on(lambda: self._taken(n_bytes))
        else:
            self._turn_away(call, _LARGE)

    def _taken(self, n_bytes: int) -> None:
        with self._lock:
            self._n_large_bytes -= n_bytes

    def _turn_away(self, call: HandedOver, what: str) -> None:
        self._turned_away["full"].add()
        # All who are told at the same moment must not come back at the same moment.
        _tell(
            call,
            OverloadedError(
                f"{what}; try again after the delay in RetryInfo, or send less",
                retry_seconds=0.5 + self._draw(),
            ),
        )


def _tell(call: HandedOver, error: RecsvcError) -> None:
    call.end(to_grpc_status(error))
