"""The supervisor over real processes: tiny workers, a real Valkey, real signals.

``run`` is called in this process where a callback can end it, and in a process of its own where
that process has to die.
"""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from recsvc.errors import SettingsError
from recsvc.rolling import RestartDelay
from recsvc.store.connection import connect
from recsvc.store.embedded import EmbeddedValkey
from recsvc.supervisor import Supervisor

# A worker that says ready and waits; each of the modes departs from that in one way.
WORKER = """
import os, signal, sys, time
mode, journal = sys.argv[1], sys.argv[2]
index = os.environ["RECSVC_WORKER_INDEX"]

def note(word):
    with open(journal, "a") as file:
        file.write(f"{word} {index}\\n")

def drain(*_):
    note("drained")
    sys.exit(0)

if mode.endswith(" later"):  # of those that replace others
    mode = mode.removesuffix(" later") if os.environ["RECSVC_WORKER_REPLACES"] else "plain"
if mode == "misconfigured second":
    mode = "misconfigured" if index == "1" else "plain"
if mode == "misconfigured":
    sys.stderr.write("RECSVC_REGISTRY: no such folder\\n")
    sys.exit(2)
if mode == "stubborn":
    signal.signal(signal.SIGTERM, lambda *_: note("ignored"))
else:
    signal.signal(signal.SIGTERM, drain)
note("started")
if mode == "crashes once" and open(journal).read().count("started") == 1:
    sys.exit(3)
if mode != "silent":
    note("ready")
    os.write(int(os.environ["RECSVC_READY_FD"]), b"ready\\n")
while True:
    signal.pause()
"""

# A supervisor in a process of its own, which writes its events as lines of JSON.
SUPERVISOR = """
import json, os, sys
from pathlib import Path
from recsvc.store.embedded import EmbeddedValkey
from recsvc.supervisor import Supervisor

def say(event, /, **details):
    print(json.dumps({"event": event, **details}), flush=True)

sys.exit(Supervisor(
    json.loads(sys.argv[1]), 2, env=os.environ, valkey=EmbeddedValkey(Path(sys.argv[2])),
    on_ready=lambda: say("ready"), on_event=say,
).run())
"""

Details = dict[str, float | str]

GIVEN_BACK = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Observer:
    """Collects events and reacts to chosen ones, as the n-th of its name."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Details]] = []
        self.reactions: dict[tuple[str, int], Callable[[Details], object]] = {}

    def __call__(self, event: str, /, **details: float | str) -> None:
        self.events.append((event, details))
        reaction = self.reactions.get((event, len(self.named(event))))
        if reaction is not None:
            reaction(details)

    def on(self, event: str, nth: int, reaction: Callable[[Details], object]) -> None:
        self.reactions[event, nth] = reaction

    def named(self, event: str) -> list[Details]:
        return [details for name, details in self.events if name == event]


@pytest.fixture(autouse=True)
def _deadline() -> Iterator[None]:
    """End a test whose supervisor never stops, and its processes with it."""

    def give_up(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError("the supervisor did not stop within 20 seconds")

    previous = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """What the workers note, a line each: a word and the worker's index."""
    path = tmp_path / "journal"
    path.touch()
    return path


@pytest.fixture
def observer() -> Observer:
    return Observer()


def worker(mode: str, journal: Path) -> list[str]:
    return [sys.executable, "-c", WORKER, mode, str(journal)]


def stop(*_: object) -> None:
    """Send this process the signal that asks a service to stop."""
    os.kill(os.getpid(), signal.SIGTERM)


def roll(*_: object) -> None:
    """Send this process the signal that asks for other workers."""
    os.kill(os.getpid(), signal.SIGHUP)


def kill(details: Details) -> None:
    """SIGKILL the process that an event tells of."""
    os.kill(int(details["pid"]), signal.SIGKILL)


def supervise(
    command: list[str],
    n_workers: int,
    observer: Observer,
    *,
    valkey: EmbeddedValkey | None = None,
    on_ready: Callable[[], object] = lambda: None,
    grace_seconds: float = 10.0,
    ready_seconds: float = 10.0,
) -> int:
    return Supervisor(
        command,
        n_workers,
        env=os.environ,
        valkey=valkey,
        on_ready=on_ready,
        on_event=observer,
        grace_seconds=grace_seconds,
        ready_seconds=ready_seconds,
    ).run()


def test_ready_once_all_workers_are(journal: Path, observer: Observer) -> None:
    """Readiness is announced once, after the last worker's word, and SIGTERM then ends in 0."""
    ready_at: list[int] = []

    def on_ready() -> None:
        ready_at.append(len(observer.named("worker_ready")))
        stop()

    assert supervise(worker("plain", journal), 3, observer, on_ready=on_ready) == 0
    assert ready_at == [3]


def test_interrupt_drains_like_terminate(journal: Path, observer: Observer) -> None:
    """Ctrl-C ends in 0 as well, every worker drained."""
    code = supervise(
        worker("plain", journal),
        2,
        observer,
        on_ready=lambda: os.kill(os.getpid(), signal.SIGINT),
    )
    assert code == 0
    assert journal.read_text().count("drained") == 2
    assert observer.named("worker_killed") == []


def test_killed_worker_is_restarted(journal: Path, observer: Observer) -> None:
    """A worker that dies is replaced at its place; the others are left alone."""
    observer.on("worker_ready", 2, kill)
    observer.on("worker_ready", 3, stop)
    ready: list[str] = []
    assert (
        supervise(worker("plain", journal), 2, observer, on_ready=lambda: ready.append("ready"))
        == 0
    )
    (exited,) = observer.named("worker_exited")
    assert exited["code"] == -signal.SIGKILL
    assert [details["index"] for details in observer.named("worker_ready")] == [0, 1, 1]
    assert ready == ["ready"]


def test_crash_before_readiness_is_retried(journal: Path, observer: Observer) -> None:
    """A worker that crashes while it starts is tried again after the first delay."""
    assert supervise(worker("crashes once", journal), 1, observer, on_ready=stop) == 0
    (exited,) = observer.named("worker_exited")
    assert exited["code"] == 3
    assert exited["restart_in_seconds"] == 0.1


def test_a_worker_that_cannot_be_started_is_tried_again(
    tmp_path: Path, journal: Path, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the machine has no room for a process; the others serve on meanwhile."""
    interpreter = tmp_path / "python"
    interpreter.symlink_to(sys.executable)
    command = worker("plain", journal)
    monkeypatch.setattr(sys, "executable", str(interpreter))

    def on_ready() -> None:
        interpreter.unlink()
        kill(observer.named("worker_ready")[1])

    observer.on("worker_not_started", 2, lambda _: interpreter.symlink_to(command[0]))
    observer.on("worker_ready", 3, stop)
    assert supervise(command, 2, observer, on_ready=on_ready) == 0
    failed = observer.named("worker_not_started")
    assert [details["index"] for details in failed] == [1, 1]
    assert "No such file" in str(failed[0]["error"])
    assert [details["restart_in_seconds"] for details in failed] == [0.2, 0.4]
    assert [details["index"] for details in observer.named("worker_exited")] == [1]
    assert journal.read_text().count("drained") == 2


def test_configuration_error_ends_it(
    journal: Path, observer: Observer, capfd: pytest.CaptureFixture[str]
) -> None:
    """A worker that cannot be configured is not tried again, and its line is printed once."""
    assert supervise(worker("misconfigured", journal), 4, observer) == 1
    assert capfd.readouterr().err == "RECSVC_REGISTRY: no such folder\n"
    assert len(observer.named("worker_started")) == 1


def test_a_configuration_that_was_proven_ends_nobody_later(
    journal: Path, observer: Observer
) -> None:
    """Who serves goes on where another one that only starts finds a file half written."""
    observer.on("worker_exited", 2, stop)
    assert supervise(worker("misconfigured second", journal), 2, observer) == 0
    exited = observer.named("worker_exited")
    assert [(details["index"], details["code"]) for details in exited] == [(1, 2), (1, 2)]
    assert [details["index"] for details in observer.named("worker_ready")] == [0]
    assert journal.read_text().endswith("drained 0\n")


def test_worker_that_will_not_drain_is_killed(journal: Path, observer: Observer) -> None:
    """After the grace the rest is ended by force, and the exit code is still 0."""
    code = supervise(worker("stubborn", journal), 1, observer, on_ready=stop, grace_seconds=0.2)
    assert code == 0
    assert len(observer.named("worker_killed")) == 1


def test_stops_while_a_worker_still_starts(journal: Path, observer: Observer) -> None:
    """SIGTERM before anyone is ready ends in 0 as well, and readiness is never announced."""
    observer.on("worker_started", 1, stop)
    announced: list[str] = []
    code = supervise(
        worker("silent", journal), 2, observer, on_ready=lambda: announced.append("ready")
    )
    assert code == 0
    assert announced == []
    assert len(observer.named("worker_started")) == 1


def test_second_signal_stops_at_once(journal: Path, observer: Observer) -> None:
    """Whoever asks twice does not wait for the grace."""
    observer.on("draining", 1, stop)
    started = time.monotonic()
    code = supervise(worker("stubborn", journal), 1, observer, on_ready=stop, grace_seconds=15.0)
    assert code == 0
    assert time.monotonic() - started < 10
    assert len(observer.named("worker_killed")) == 1


def test_valkey_is_there_before_workers_and_after_them(
    tmp_path: Path, journal: Path, observer: Observer
) -> None:
    """Valkey is the first to start and the last to stop."""
    valkey = EmbeddedValkey(tmp_path / "valkey")
    alive_at: dict[str, bool] = {}
    observer.on("worker_started", 1, lambda _: alive_at.update(start=valkey.alive))
    observer.on("worker_killed", 1, lambda _: alive_at.update(end=valkey.alive))
    code = supervise(
        worker("stubborn", journal), 1, observer, valkey=valkey, on_ready=stop, grace_seconds=0.1
    )
    assert code == 0
    assert alive_at == {"start": True, "end": True}
    assert not valkey.alive
    assert valkey.poll() == 0


def test_killed_valkey_is_restarted(tmp_path: Path, journal: Path, observer: Observer) -> None:
    """A Valkey that is killed, and killed again, comes back each time under the same URL."""
    valkey = EmbeddedValkey(tmp_path / "valkey")
    observer.on("worker_ready", 1, lambda _: kill({"pid": valkey.pid or 0}))
    observer.on("valkey_started", 2, kill)
    observer.on("valkey_started", 3, stop)
    assert supervise(worker("plain", journal), 1, observer, valkey=valkey) == 0
    assert [details["code"] for details in observer.named("valkey_exited")] == [-9, -9]
    assert len(observer.named("worker_started")) == 1


def test_valkey_that_cannot_restart_is_tried_again(
    tmp_path: Path, journal: Path, observer: Observer
) -> None:
    """Workers serve on while Valkey cannot be restarted, and it is back once it can be."""
    directory = tmp_path / "valkey"
    aside = tmp_path / "aside"
    valkey = EmbeddedValkey(directory)

    def break_it(_: Details) -> None:
        directory.rename(aside)
        directory.write_text("in the way")
        kill({"pid": valkey.pid or 0})

    def repair_it(_: Details) -> None:
        directory.unlink()
        aside.rename(directory)

    observer.on("worker_ready", 1, break_it)
    observer.on("valkey_not_restarted", 2, repair_it)
    observer.on("valkey_started", 2, stop)
    assert supervise(worker("plain", journal), 1, observer, valkey=valkey) == 0
    assert observer.named("worker_exited") == []


def test_valkey_that_cannot_start_is_an_error(
    tmp_path: Path, journal: Path, observer: Observer
) -> None:
    """Without its Valkey the service does not start, and no worker is begun."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="embedded Valkey"):
        supervise(worker("plain", journal), 1, observer, valkey=EmbeddedValkey(tmp_path / "file"))
    assert observer.named("worker_started") == []


def test_workers_make_room_one_after_another(journal: Path, observer: Observer) -> None:
    """Each once the new one is ready, and the next only once it has ended."""
    for nth in (3, 4):  # it looks up while the new one still starts
        observer.on("worker_started", nth, lambda _: os.kill(os.getpid(), signal.SIGCHLD))
    observer.on("roll_ended", 1, stop)
    assert supervise(worker("plain", journal), 2, observer, on_ready=roll) == 0
    started = ["started 0", "ready 0", "started 1", "ready 1"]
    rolled = [f"{word} {index}" for index in range(2) for word in ("started", "ready", "drained")]
    words = journal.read_text().splitlines()
    assert words[:-2] == started + rolled
    assert sorted(words[-2:]) == ["drained 0", "drained 1"]
    old = [details["pid"] for details in observer.named("worker_ready")[:2]]
    replaced = observer.named("worker_replaced")
    assert [details["pid"] for details in replaced] == old
    assert [details["code"] for details in replaced] == [0, 0]
    assert observer.named("worker_exited") == observer.named("worker_killed") == []


def test_rolls_asked_for_during_a_roll_are_one(journal: Path, observer: Observer) -> None:
    """And it follows the first, also where the first has not begun: the workers still start."""
    observer.on("worker_started", 1, roll)
    observer.on("roll_started", 1, roll)
    observer.on("worker_replaced", 1, roll)
    observer.on("roll_ended", 2, lambda _: threading.Timer(0.3, stop).start())  # a third would show
    assert supervise(worker("plain", journal), 2, observer) == 0
    names = [name for name, _ in observer.events]
    assert names[: names.index("roll_started")].count("worker_ready") == 2
    rolls = [name for name in names if name.startswith("roll_")]
    assert [name for name in rolls if name != "roll_waits"] == ["roll_started", "roll_ended"] * 2
    assert rolls[:3] == ["roll_waits", "roll_started", "roll_waits"]
    hints = [str(details["hint"]) for details in observer.named("roll_waits")]
    assert "workers" in hints[0]
    assert all("under way" in hint for hint in hints[1:])
    assert len(observer.named("worker_replaced")) == 4


@pytest.mark.parametrize(
    ("mode", "seconds", "expected"),
    [
        ("misconfigured later", 15.0, "ended before it answered, with code 2"),
        ("silent later", 0.5, "0.5 s"),
    ],
)
def test_a_new_worker_that_does_not_answer_replaces_nobody(
    journal: Path, observer: Observer, mode: str, seconds: float, expected: str
) -> None:
    """The roll ends there and says what to do; those before it serve on."""
    observer.on("roll_stopped", 1, stop)
    command = worker(mode, journal)
    assert supervise(command, 2, observer, on_ready=roll, ready_seconds=seconds) == 0
    (stopped,) = observer.named("roll_stopped")
    assert expected in str(stopped["hint"])
    assert "send SIGHUP again" in str(stopped["hint"])
    assert len(observer.named("worker_started")) == 3
    assert journal.read_text().count("drained") == 2
    assert observer.named("worker_exited") == observer.named("worker_replaced") == []


def test_no_room_for_a_new_worker_replaces_nobody(
    tmp_path: Path, journal: Path, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is where the interpreter is no more, in the midst of an installation."""
    interpreter = tmp_path / "python"
    interpreter.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    observer.on("roll_stopped", 1, stop)

    def on_ready() -> None:
        interpreter.unlink()
        roll()

    assert supervise(worker("plain", journal), 2, observer, on_ready=on_ready) == 0
    assert "No such file" in str(observer.named("roll_stopped")[0]["hint"])
    assert journal.read_text().count("drained") == 2


def test_a_roll_kills_who_will_not_drain(journal: Path, observer: Observer) -> None:
    """After the grace, however often it looks up before; and goes on."""
    observer.on("worker_ready", 3, lambda _: os.kill(os.getpid(), signal.SIGCHLD))
    observer.on("roll_ended", 1, stop)
    command = worker("stubborn", journal)
    assert supervise(command, 2, observer, on_ready=roll, grace_seconds=0.2) == 0
    replaced = observer.named("worker_replaced")
    assert [details["code"] for details in replaced] == [-signal.SIGKILL] * 2
    killed = [details["pid"] for details in observer.named("worker_killed")]
    assert killed[:2] == [details["pid"] for details in replaced]


def test_a_worker_that_dies_while_it_is_replaced(journal: Path, observer: Observer) -> None:
    """Its place is the new one's, or that of who was started meanwhile and makes room too."""
    observer.on("worker_started", 2, lambda _: kill(observer.named("worker_ready")[0]))
    observer.on("roll_ended", 1, stop)
    assert supervise(worker("plain", journal), 1, observer, on_ready=roll) == 0
    assert len(observer.named("worker_exited")) == 1
    assert observer.named("worker_killed") == []


@pytest.mark.parametrize("moment", ["worker_started", "worker_ready"])
def test_the_end_during_a_roll_ends_all(journal: Path, observer: Observer, moment: str) -> None:
    """Those that do not answer yet, and those that drain already, too."""
    observer.on(moment, 3, stop)
    mode = "silent later" if moment == "worker_started" else "plain"
    assert supervise(worker(mode, journal), 2, observer, on_ready=roll) == 0
    for details in observer.named("worker_started"):
        with pytest.raises(ProcessLookupError):
            os.kill(int(details["pid"]), 0)
    assert len(observer.named("worker_started")) == 3
    assert observer.named("worker_killed") == []


@pytest.mark.parametrize("outlives", [False, True])
def test_the_end_of_the_terminal(tmp_path: Path, journal: Path, *, outlives: bool) -> None:
    """It is the end of the service too, unless that was started with ``nohup``."""
    ours, theirs = os.openpty()
    arguments = [json.dumps(worker("plain", journal)), str(tmp_path / "valkey")]
    # As a shell in a window does.
    take_terminal = (
        "import fcntl, os, signal, sys, termios\n"
        "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        f"signal.signal(signal.SIGHUP, signal.{'SIG_IGN' if outlives else 'SIG_DFL'})\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", take_terminal, "-c", SUPERVISOR, *arguments],
        stdin=theirs,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as supervisor:
        os.close(theirs)
        assert supervisor.stdout is not None
        events = []
        for line in supervisor.stdout:
            events.append(json.loads(line)["event"])
            if events[-1] == "ready":
                os.close(ours)
            if events[-1] == "roll_ended":
                supervisor.terminate()
    assert supervisor.returncode == 0
    assert ("roll_ended" in events) == outlives


def test_signal_handlers_are_given_back(journal: Path, observer: Observer) -> None:
    """After ``run`` the process reacts to signals as it did before."""
    before = [signal.getsignal(number) for number in GIVEN_BACK]
    supervise(worker("plain", journal), 1, observer, on_ready=stop)
    assert [signal.getsignal(number) for number in GIVEN_BACK] == before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_orphans(tmp_path: Path, journal: Path, number: signal.Signals) -> None:
    """Whatever ends the supervisor, workers and Valkey are gone within two seconds."""
    arguments = [json.dumps(worker("plain", journal)), str(tmp_path / "valkey")]
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, *arguments], stdout=subprocess.PIPE
    ) as supervisor:
        assert supervisor.stdout is not None
        pids = set()
        for line in supervisor.stdout:
            event = json.loads(line)
            pids |= {event["pid"]} if "pid" in event else set()
            if event["event"] == "ready":
                break
        assert len(pids) == 3
        with connect(f"unix://{tmp_path}/valkey/valkey.sock") as client:
            assert client.ping()
        pidfds = [os.pidfd_open(pid) for pid in pids]
        supervisor.send_signal(number)
        supervisor.stdout.read()
        supervisor.wait()
        for pidfd in pidfds:
            assert select.select([pidfd], [], [], 2)[0], "a process still runs"
            os.close(pidfd)
    assert supervisor.returncode == (0 if number == signal.SIGTERM else -signal.SIGKILL)


def test_restart_delay_grows_to_its_ceiling_and_starts_anew() -> None:
    """.1 s, doubled at each death up to 5 s; after 30 s of health .1 s again."""
    delay = RestartDelay()
    assert [delay.after(0.0) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert delay.after(30.0) == 0.1
    assert delay.after(29.9) == 0.2
