"""What can go wrong, one class each: it is begun, lasts, and is ended."""

import os
import signal
import threading
import time
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import ClassVar

from tests.chaos.scene import Scene
from tests.disks import fill

SURVIVOR, VICTIM = 0, 1
"""Places of workers: one lives until the last faults, so that its memory tells of leaks."""


class Fault(ABC):
    """One thing that goes wrong.

    Args:
        scene: to what it is done.
    """

    name: ClassVar[str]
    forgets: ClassVar[bool] = False
    """Whether Redis loses what waits there, or what it knows of event ids."""
    spares_survivor: ClassVar[bool] = True
    """Whether the worker whose memory is watched lives on."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    @abstractmethod
    def begin(self) -> None:
        """Let it go wrong."""

    @abstractmethod
    def end(self) -> None:
        """Put it right, and wait until it is."""

    def signal_valkey(self, number: signal.Signals) -> None:
        """Send Valkey a signal, unless it is gone."""
        pid = self.scene.processes.valkey()
        if pid is not None:
            os.kill(pid, number)


class RedisStopped(Fault):
    """It answers nobody, and its connections stay open."""

    name = "redis stopped"

    def begin(self) -> None:
        self.signal_valkey(signal.SIGSTOP)

    def end(self) -> None:
        self.signal_valkey(signal.SIGCONT)


class RedisSlowed(Fault):
    """It sleeps for longer than callers wait, again and again."""

    name = "redis slowed"
    ASLEEP_SECONDS, AWAKE_SECONDS = 0.07, 0.03

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        self._ending.clear()
        self._thread = threading.Thread(target=self._slow)
        self._thread.start()

    def _slow(self) -> None:
        while not self._ending.is_set():
            # The two spans are the fault itself; nothing is waited for.
            self.signal_valkey(signal.SIGSTOP)
            time.sleep(self.ASLEEP_SECONDS)
            self.signal_valkey(signal.SIGCONT)
            time.sleep(self.AWAKE_SECONDS)

    def end(self) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join()


class RedisFilled(Fault):
    """It has more than it may have: first it forgets what may be forgotten, then it refuses."""

    name = "redis filled"
    forgets = True  # the marks of event ids may be evicted

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._before = ""

    def begin(self) -> None:
        with self.scene.redis() as redis:
            self._before = str(redis.config_get("maxmemory")["maxmemory"])
            redis.config_set("maxmemory", "1mb")

    def end(self) -> None:
        with self.scene.redis() as redis:
            redis.config_set("maxmemory", self._before)


class RedisReadOnly(Fault):
    """It takes itself for a replica, as after a failover that went wrong."""

    name = "redis read-only"

    def begin(self) -> None:
        with self.scene.redis() as redis:
            redis.execute_command("REPLICAOF", "127.0.0.1", "1")

    def end(self) -> None:
        with self.scene.redis() as redis:
            redis.execute_command("REPLICAOF", "NO", "ONE")


class RedisFlushed(Fault):
    """Somebody flushes it."""

    name = "redis flushed"
    forgets = True

    def begin(self) -> None:
        with self.scene.redis() as redis:
            redis.flushall()

    def end(self) -> None:
        """There is nothing to be put right."""


class RedisRestartedEmpty(Fault):
    """It dies, and its disk with it."""

    name = "redis restarted empty"
    forgets = True

    def begin(self) -> None:
        self.signal_valkey(signal.SIGSTOP)  # so that it notices nothing of its files
        for file in (self.scene.service.data_dir / "appendonlydir").iterdir():
            file.unlink()
        self.signal_valkey(signal.SIGKILL)

    def end(self) -> None:
        """The supervisor has put it right."""


class RedisKilled(Fault):
    """It dies, and comes back with what it had."""

    name = "redis killed"

    def begin(self) -> None:
        self.signal_valkey(signal.SIGKILL)

    def end(self) -> None:
        """The supervisor has put it right."""


class WorkerKilled(Fault):
    """A worker dies with its calls."""

    name = "worker killed"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._n_ready = 0

    def begin(self) -> None:
        self._n_ready = self.scene.processes.n_ready()
        self.scene.processes.kill_worker(VICTIM)

    def end(self) -> None:
        self.scene.processes.wait_until_ready(self._n_ready + 1)


class WorkersRolled(Fault):
    """Each worker makes room for a new one, as for another release: nobody may feel it."""

    name = "workers rolled"
    spares_survivor = False

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._n_rolled = 0

    def begin(self) -> None:
        self._n_rolled = self.scene.processes.n_rolled()
        os.kill(self.scene.processes.supervisor, signal.SIGHUP)

    def end(self) -> None:
        self.scene.processes.wait_until_rolled(self._n_rolled + 1)


class CollectKilled(Fault):
    """What drains the event log dies, wherever it is."""

    name = "collect killed"

    def begin(self) -> None:
        self.scene.collector.kill()

    def end(self) -> None:
        self.scene.collector.start()


class ModelSwapped(Fault):
    """Another model is promoted, and the one before it again."""

    name = "models swapped"

    def begin(self) -> None:
        self._promote(self.scene.versions[1])

    def end(self) -> None:
        self._promote(self.scene.versions[0])

    def _promote(self, version_id: str) -> None:
        self.scene.registry.promote(version_id, datetime.now(UTC))


class ClockStepped(Fault):
    """The clock of the service's machine is two hours ahead, or the next time two hours behind."""

    name = "clock stepped"
    STEP_SECONDS = 7_200.0

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._turns = count()

    def begin(self) -> None:
        self.scene.clock.step((-1) ** next(self._turns) * self.STEP_SECONDS)

    def end(self) -> None:
        self.scene.clock.step(0.0)


class CertificateRotated(Fault):
    """The certificate is replaced, one file after the other, and not both at once."""

    name = "certificates rotated"

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._numbers = count()

    def begin(self) -> None:
        self.scene.show_certificate(f"rotated {next(self._numbers)}")

    def end(self) -> None:
        """The next connections are shown the new one."""


class DiskFilled(Fault):
    """The disk of registry, Valkey, history and the workers' numbers has no room left."""

    name = "disk filled"

    @property
    def _ballast(self) -> Path:
        return self.scene.disk / "ballast"

    def begin(self) -> None:
        fill(self._ballast)

    def end(self) -> None:
        self._ballast.unlink()


CHEAP: tuple[type[Fault], ...] = (
    RedisStopped,
    RedisReadOnly,
    RedisFlushed,
    WorkerKilled,
    WorkersRolled,
    ModelSwapped,
    ClockStepped,
    CertificateRotated,
)
"""What needs no rights, and little time."""

ALL: tuple[type[Fault], ...] = (
    *CHEAP,
    RedisSlowed,
    RedisFilled,
    RedisRestartedEmpty,
    RedisKilled,
    CollectKilled,
    DiskFilled,
)
