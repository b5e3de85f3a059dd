"""What ends a command ends what it has started."""

import select
import signal
import subprocess
import sys

_STARTS_ANOTHER = """
import subprocess, sys
from recsvc.signals import ended_by_sigterm
with ended_by_sigterm():
    print("begun", flush=True)
    other = "import sys; print('there', flush=True); sys.stdin.read()"
    subprocess.run([sys.executable, "-c", other])
"""


_HOLDS = """
import os, signal
from recsvc.signals import ROLL_SIGNAL, held_roll, signal_pipe, signals_within
signal.pthread_sigmask(signal.SIG_UNBLOCK, {ROLL_SIGNAL})  # who starts this may hold it
with held_roll():
    os.kill(os.getpid(), ROLL_SIGNAL)
    with signal_pipe() as signals:
        assert signals_within(5.0, signals) == {ROLL_SIGNAL}
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())  # or what it starts would hold it
    os.kill(os.getpid(), ROLL_SIGNAL)
assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
assert signal.getsignal(ROLL_SIGNAL) is signal.SIG_DFL
"""


def test_a_roll_is_held_before_and_after_it_is_waited_for() -> None:
    subprocess.run([sys.executable, "-c", _HOLDS], check=True, start_new_session=True)


def test_who_is_ended_by_sigterm_ends_what_it_runs() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _STARTS_ANOTHER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["begun\n", "there\n"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM
        # At its end once nobody is left who holds it.
        readable, _, _ = select.select([process.stdout], [], [], 10)
        assert readable
        assert not process.stdout.read()
