"""Reads of many threads over one connection: what waits at the same time goes in one round trip.

A thread that finds nobody reading leads: it sends what all have asked for, reads the answers and
hands them out. Whoever asks meanwhile waits for the next round trip, which the youngest of them
leads, having the most time left. Alone, a caller waits for no other thread.

A round trip that fails is the failure of all who wait by then, and ends the connection, so that no
answer can come to another question. Nobody waits much longer than the client's time-out.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import hiredis
import redis
from redis.connection import ConnectionInterface

Names = Sequence[str]


class _Asked:
    """What one caller waits for."""

    __slots__ = ("answers", "error", "gate", "leads", "questions")

    def __init__(self, questions: Sequence[Names]) -> None:
        self.questions = questions
        self.answers: list[list[bytes | None]] | None = None
        self.error: Exception | None = None
        self.leads = False
        self.gate = threading.Lock()
        self.gate.acquire()

    def outcome(self) -> list[list[bytes | None]]:
        """The answers, or what is raised instead."""
        if self.answers is None:
            error, self.error = self.error, None  # else each would hold on to the other
            raise error or redis.ConnectionError("who asked for all has failed")
        return self.answers


class SharedReads:
    """Gets values by name; safe to share between threads.

    Args:
        client: makes the connection, which is closed with it, and gives it its time-outs.
        monotonic: monotonic seconds.
    """

    def __init__(
        self, client: redis.Redis, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = client.connection_pool
        self._monotonic = monotonic
        self._seconds: float | None = self._pool.connection_kwargs.get("socket_timeout")
        self._connection: ConnectionInterface | None = None
        self._lock = threading.Lock()
        self._waiting: list[_Asked] = []
        self._is_led = False

    def get(self, questions: Sequence[Names]) -> list[list[bytes | None]]:
        """Return the values of each question's names, None where there is none.

        Each question is a command of its own: the names of one lie in one slot of a cluster.

        Raises:
            redis.RedisError: Redis did not answer in time, or refused one of the questions.
            OSError: it cannot be reached.
        """
        mine, began = _Asked(questions), self._monotonic()
        with self._lock:
            self._waiting.append(mine)
            mine.leads, self._is_led = not self._is_led, True
        if not mine.leads:
            self._await(mine)
        if mine.leads:
            self._lead(None if self._seconds is None else began + self._seconds)
        return mine.outcome()

    def _await(self, mine: _Asked) -> None:
        """Wait for an answer, or to be the one who asks."""
        if mine.gate.acquire(timeout=-1 if self._seconds is None else self._seconds):
            return
        with self._lock:
            if mine in self._waiting:
                self._waiting.remove(mine)
            leads, mine.leads = mine.leads, False
        if leads:  # just now, with no time left
            self._pass_on()
        if mine.answers is None:
            mine.error = redis.TimeoutError("no answer in time")

    def _lead(self, until: float | None) -> None:
        """Ask for what all wait for."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        try:
            self._exchange(batch, until)
        except (redis.RedisError, OSError) as error:
            with self._lock:
                batch, self._waiting = batch + self._waiting, []
            for each in batch:
                if each.answers is None and each.error is None:
                    # One each: they are raised in several threads.
                    each.error = redis.ConnectionError(str(error))
        finally:
            self._pass_on()
            for each in batch:
                each.gate.release()

    def _pass_on(self) -> None:
        with self._lock:
            if self._waiting:
                self._waiting[-1].leads = True
                self._waiting[-1].gate.release()
            else:
                self._is_led = False

    def _exchange(self, batch: Sequence[_Asked], until: float | None) -> None:
        """One round trip; two where the connection was closed since the last one."""
        was_open = self._connection is not None and self._connection.is_connected
        # One of its own: a lent one that is never given back would be missing in the pool.
        connection = self._connection = self._connection or self._pool.make_connection()
        try:
            self._ask(connection, batch, until)
        except redis.ConnectionError:
            connection.disconnect()
            if not was_open or self._is_over(until):
                raise
            self._ask(connection, [each for each in batch if each.answers is None], until)
        except BaseException:
            connection.disconnect()
            raise

    def _ask(
        self, connection: ConnectionInterface, batch: Sequence[_Asked], until: float | None
    ) -> None:
        commands = [
            # Its stub wants tuples of one.
            hiredis.pack_command(("MGET", *names))  # type: ignore[arg-type]
            for each in batch
            for names in each.questions
        ]
        connection.send_packed_command([b"".join(commands)], check_health=False)
        for each in batch:
            each.error = None
            answers = []
            for names in each.questions:
                if self._is_over(until):  # though something comes, drop by drop
                    raise redis.TimeoutError("no whole answer in time")
                try:
                    answers.append(_checked(connection.read_response(), len(names)))
                except redis.ResponseError as error:
                    each.error = error
            if each.error is None:
                each.answers = answers

    def _is_over(self, until: float | None) -> bool:
        return until is not None and self._monotonic() > until


def _checked(answer: Any, n_names: int) -> list[bytes | None]:  # noqa: ANN401  # what redis-py has read
    if not isinstance(answer, list) or len(answer) != n_names:
        raise redis.InvalidResponse("an answer to something else")
    return answer
