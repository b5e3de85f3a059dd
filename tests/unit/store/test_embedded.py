import os
import platform
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from recsvc.errors import SettingsError
from recsvc.store.connection import connect
from recsvc.store.embedded import EmbeddedValkey

# Starts a server, says its process id and waits to be killed.
PARENT = """
import sys, signal
from pathlib import Path
from recsvc.store.embedded import EmbeddedValkey
server = EmbeddedValkey(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    server = EmbeddedValkey(tmp_path / "valkey")
    yield server
    server.stop()


def kill(server: EmbeddedValkey) -> None:
    """SIGKILL the server and wait until it is gone, leaving the reaping to its owner."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)


def test_answers_once_started_and_is_gone_once_stopped(server: EmbeddedValkey) -> None:
    """``start`` returns a server that answers; ``stop`` ends it cleanly, and may be repeated."""
    assert (server.pid, server.poll(), server.alive) == (None, None, False)
    server.start()
    with connect(server.url) as client:
        assert client.ping()
    assert (server.poll(), server.alive) == (None, True)
    server.stop()
    assert (server.poll(), server.alive) == (0, False)
    server.stop()


def test_only_this_user_reaches_it(server: EmbeddedValkey, tmp_path: Path) -> None:
    """The socket and the data belong to the user alone, and there is no TCP port."""
    server.start()
    socket_path = Path(server.url.removeprefix("unix://"))
    assert stat.S_IMODE(socket_path.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "valkey").stat().st_mode) == 0o700
    assert all(p.stat().st_mode & 0o077 == 0 for p in (tmp_path / "valkey").rglob("*.aof"))
    with connect(server.url) as client:
        assert client.config_get("port") == {"port": "0"}


def test_full_memory_evicts_what_has_a_lifetime_only(tmp_path: Path) -> None:
    """When memory is full cached lists go; what has no lifetime, the event log, stays."""
    server = EmbeddedValkey(tmp_path, max_memory_mib=4)
    server.start()
    try:
        with connect(server.url) as client:
            client.set("log", b"event")
            for number in range(100):
                client.set(f"list:{number}", bytes(100_000), px=600_000)
            assert client.get("log") == b"event"
            assert client.dbsize() < 100
    finally:
        server.stop()


def test_data_survives_sigkill(server: EmbeddedValkey) -> None:
    """A write that was answered is there again after the server was killed and started anew."""
    server.start()
    url = server.url
    with connect(url) as client:
        client.set("kept", b"value")
    kill(server)
    assert server.poll() == -signal.SIGKILL
    server.start()
    assert server.url == url
    with connect(url) as client:
        assert client.get("kept") == b"value"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_never_outlives_its_parent(tmp_path: Path, number: signal.Signals) -> None:
    """Whatever signal ends the parent, the server is gone within two seconds."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout is not None
        pidfd = os.pidfd_open(int(parent.stdout.readline()))
        try:
            parent.send_signal(number)
            parent.wait()
            assert select.select([pidfd], [], [], 2)[0], "the server still runs"
        finally:
            os.close(pidfd)


def test_directory_frees_itself_after_a_killed_parent(tmp_path: Path) -> None:
    """A successor can start in the directory of a service that was killed, data included."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        with connect(f"unix://{tmp_path}/valkey.sock") as client:
            client.set("kept", b"value")
        parent.kill()
    successor = EmbeddedValkey(tmp_path)
    successor.start()
    try:
        with connect(successor.url) as client:
            assert client.get("kept") == b"value"
    finally:
        successor.stop()


def test_directory_in_use_is_one_line(server: EmbeddedValkey, tmp_path: Path) -> None:
    """A second server over the same directory is refused, and the first is not disturbed."""
    server.start()
    second = EmbeddedValkey(tmp_path / "valkey", start_timeout_seconds=0.2)
    with pytest.raises(SettingsError, match="in use by another embedded Valkey") as caught:
        second.start()
    second.stop()
    assert "\n" not in str(caught.value)
    assert server.alive
    with connect(server.url) as client:
        assert client.ping()


def test_deep_directory_gets_a_socket_elsewhere(tmp_path: Path) -> None:
    """A directory too deep for a unix socket works: the socket goes to a private temporary one."""
    server = EmbeddedValkey(tmp_path / ("d" * 100))
    server.start()
    socket_path = Path(server.url.removeprefix("unix://"))
    assert len(os.fsencode(socket_path)) < 104
    assert stat.S_IMODE(socket_path.parent.stat().st_mode) == 0o700
    with connect(server.url) as client:
        assert client.ping()
    server.stop()
    assert not socket_path.parent.exists()


def test_no_room_for_a_socket_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the directory for temporary files is too deep as well, the error says which to shorten."""
    deep = tmp_path / ("d" * 100)
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    with pytest.raises(SettingsError, match="TMPDIR"):
        EmbeddedValkey(deep)


def test_unusable_directory_is_one_line(tmp_path: Path) -> None:
    """A file where the directory should be is a settings error that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"cannot keep the embedded Valkey in .*file"):
        EmbeddedValkey(tmp_path / "file").start()


def test_failed_start_gives_the_directory_back(tmp_path: Path) -> None:
    """A start that fails half-way holds nothing: the next one succeeds in the same process."""
    (tmp_path / "valkey.log").mkdir()
    with pytest.raises(SettingsError, match="cannot keep the embedded Valkey"):
        EmbeddedValkey(tmp_path).start()
    (tmp_path / "valkey.log").rmdir()
    server = EmbeddedValkey(tmp_path)
    server.start()
    server.stop()


def test_launch_of_a_running_server_does_nothing(server: EmbeddedValkey) -> None:
    """There is one process, however often it is launched."""
    server.start()
    pid = server.pid
    server.launch()
    assert server.pid == pid


def test_system_without_a_binary_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no Valkey is packaged for the machine, the error names the way out."""
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    with pytest.raises(SettingsError, match="no embedded Valkey for this system; name a running"):
        EmbeddedValkey(tmp_path).start()


def test_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """Corrupt data: the error carries the server's own last word, and nothing is left running."""
    server = EmbeddedValkey(tmp_path)
    server.start()
    with connect(server.url) as client:
        client.set("a", b"b")
    server.stop()
    manifest = next((tmp_path / "appendonlydir").glob("*.manifest"))
    manifest.write_text("nonsense\n")
    with pytest.raises(SettingsError, match=r"does not start: .*; repair it") as caught:
        server.start()
    assert "\n" not in str(caught.value)
    assert not server.alive


def test_server_that_will_not_end_is_killed(server: EmbeddedValkey) -> None:
    """A server that is stopped in its tracks is ended by force after the grace."""
    server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGSTOP)
    started = time.monotonic()
    server.stop(grace_seconds=0.1)
    assert time.monotonic() - started < 2
    assert server.poll() == -signal.SIGKILL
