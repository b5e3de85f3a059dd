import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from recsvc.store import lifeline

# Starts a tied ``sleep`` and says its process id; the argument chooses the way of tying.
PARENT = """
import signal, subprocess, sys
from recsvc.store import lifeline
command = lifeline.tied(["sleep", "60"], signal.SIGTERM)
if sys.argv[1] == "watcher":
    call = "import sys; from recsvc.store import lifeline; "
    call += "sys.exit(lifeline.main(sys.argv[1:], has_kernel_support=False))"
    command = [sys.executable, "-c", call, *command[4:]]
child = subprocess.Popen(command)
print(child.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def own_death_signal() -> Iterator[None]:
    """Take back what a test asked the kernel for on behalf of this very process."""
    yield
    lifeline._ask_kernel(0)


@pytest.mark.parametrize("way", ["kernel", "watcher"])
def test_command_ends_with_its_parent(way: str) -> None:
    """Both ways of tying end the command within two seconds of its parent's SIGKILL."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, way], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        pidfd = os.pidfd_open(pid)
        try:
            _wait_until_becomes(pid, "sleep")
            parent.kill()
            parent.wait()
            assert select.select([pidfd], [], [], 2)[0], "the command still runs"
        finally:
            os.close(pidfd)


def _wait_until_becomes(pid: int, name: str) -> None:
    """Wait until the process has become the program ``name``."""
    for _ in range(500):
        if Path(f"/proc/{pid}/comm").read_text().strip() == name:
            return
        select.select([], [], [], 0.01)
    pytest.fail(f"process {pid} never became {name}")


@pytest.mark.usefixtures("own_death_signal")
def test_command_replaces_the_shim() -> None:
    """With the parent alive the command is executed as it was given."""
    executed: list[tuple[str, list[str]]] = []
    arguments = [str(os.getppid()), str(int(signal.SIGTERM)), "valkey-server", "--port", "0"]
    lifeline.main(arguments, execute=lambda name, argv: executed.append((name, argv)))
    assert executed == [("valkey-server", ["valkey-server", "--port", "0"])]


@pytest.mark.usefixtures("own_death_signal")
def test_parent_that_is_already_gone_starts_nothing() -> None:
    """A parent that died before the request was in place is noticed, and nothing is run."""
    executed: list[str] = []
    arguments = ["1" if os.getppid() != 1 else "2", str(int(signal.SIGTERM)), "valkey-server"]
    assert lifeline.main(arguments, execute=lambda name, _: executed.append(name)) == 1
    assert executed == []


def test_watcher_holds_no_pipe_of_the_command() -> None:
    """Whoever reads a command's output sees its end at once, watcher or not."""
    call = "from recsvc.store import lifeline; import os; "
    call += "lifeline.main([str(os.getppid()), '15', 'said'], "
    call += "has_kernel_support=False, execute=lambda name, _: print(name))"
    with subprocess.Popen([sys.executable, "-c", call], stdout=subprocess.PIPE) as command:
        assert command.stdout is not None
        assert command.stdout.read() == b"said\n"


def test_watcher_signals_when_the_parent_is_gone() -> None:
    """The watcher waits while the parent lives and signals the command once it does not."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.15)"]) as parent:
        # Reaped in time, as whoever started a service would: a zombie still counts as alive.
        reaper = threading.Thread(target=parent.wait)
        reaper.start()
        # Signal 0 goes nowhere, so that this very process can stand in for the watcher.
        lifeline._watch(parent.pid, os.getppid(), 0)
        reaper.join(2)
        assert parent.returncode == 0


def test_watcher_ends_with_the_command() -> None:
    """A watcher that is no longer the command's child leaves, and signals nobody."""
    lifeline._watch(os.getpid(), os.getpid(), signal.SIGKILL)


def test_command_that_cannot_be_executed_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The shim itself, in this process: it says why it could not become the command."""
    call = [str(os.getppid()), "0", "/nonexistent/worker"]
    assert lifeline.main(call) == 127
    assert capsys.readouterr().err == (
        "cannot run /nonexistent/worker: No such file or directory\n"
    )


def test_missing_command_is_one_line() -> None:
    """A command that is not there ends with 127 and one line on stderr."""
    command = lifeline.tied(["/nonexistent/worker"], signal.SIGKILL)
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 127
    assert ended.stderr == "cannot run /nonexistent/worker: No such file or directory\n"
