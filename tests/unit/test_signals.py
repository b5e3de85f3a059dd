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
