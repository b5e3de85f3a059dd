"""A whole service that has been told secrets, and everything that others may read of it."""

import re
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import grpc
import jwt
import pytest

from recsvc.access.api_keys import new_key, write_api_keys
from recsvc.access.scopes import Scope
from recsvc.cli import app
from recsvc.store.connection import connect
from recsvc.terminal import run
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.issuer import running_issuer
from tests.serving import START_SECONDS, Service, running_service, small_registry, wait_until
from tests.stores import running_valkey

WORD = "hushhushhush"
"""In every secret here, and in nothing else: too long to be in a random name by chance."""

SECRETS = {
    "RECSVC_HASH_KEY": f"{WORD}-hash-key",
    "RECSVC_JWT_SECRET": WORD * 8,
    "RECSVC_TARGET_TOKEN": f"{WORD}-target",
}
_, API_KEY = MADE = new_key("shop", Scope, datetime.now(UTC))


def asked(service: Service, *credentials: str) -> str:
    """All that a service answers to somebody with each of these, right questions and wrong."""
    told = ""
    with grpc.insecure_channel(service.target) as channel:
        stub = api_grpc.RecommendationServiceStub(channel)
        for credential in credentials:
            metadata = (("authorization", f"Bearer {credential}"),)
            for customer in ("anna", "x" * 1_000):
                request = api.RecommendRequest(shopper=common.Shopper(customer_id=customer))
                try:
                    answer, call = stub.Recommend.with_call(request, 20, metadata)
                    told += f"{answer} {call.trailing_metadata()}"
                except grpc.RpcError as error:
                    told += f"{error} {error.trailing_metadata()}"
    return told


def of_threads(pid: int, file: str) -> list[str]:
    """What the system tells of each thread of a process."""
    found = []
    with suppress(FileNotFoundError, ProcessLookupError):  # the process has ended meanwhile
        for task in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # likewise the thread
                found.append((task / file).read_text())
    return found


def processes(pid: int) -> list[int]:
    """A process, and all that it has started."""
    found = [pid]
    for parent in found:
        found += map(int, " ".join(of_threads(parent, "children")).split())
    return found


def titles(pid: int) -> str:
    """What every user of the machine sees of a process: its command line, its threads' names."""
    return "\n".join(of_threads(pid, "cmdline") + of_threads(pid, "comm"))


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_nothing_that_others_may_read_has_a_secret_in_it(tmp_path: Path) -> None:
    """Answers, log, metrics and process titles, of workers too that start without Redis."""
    registry = small_registry(tmp_path / "models").root
    keys = tmp_path / "keys.json"
    keys.touch(0o600)
    keys.write_bytes(write_api_keys([MADE[0]]))
    token = jwt.encode({"sub": "anna", "exp": 4_000_000_000, "scope": "recommend"}, WORD * 8)
    credentials = [API_KEY, API_KEY + WORD, token, token + WORD, WORD]

    with running_valkey(tmp_path / "valkey") as valkey, running_issuer(b"no keys") as issuer:
        with connect(valkey.url) as client:
            client.config_set("requirepass", f"{WORD}-redis")
        redis_url = valkey.url.replace("unix://", f"unix://:{WORD}-redis@")
        env = {
            **SECRETS,
            "RECSVC_REDIS_URL": redis_url,
            "RECSVC_API_KEYS_FILE": str(keys),
            "RECSVC_JWT_KEYS_URL": f"{issuer.url}?key={WORD}",
            "RECSVC_RATE_LIMIT": "100",
            "RECSVC_REDIS_TIMEOUT_MS": "1000",  # a busy machine is not a dead Valkey
            "RECSVC_LOG_LEVEL": "debug",
        }
        with running_service(registry, tmp_path / "run", **env) as ours:
            assert not ours.lines("redis_unavailable")  # the password was the right one
            told = asked(ours, *credentials)
            valkey.stop()
            ours.process.send_signal(signal.SIGHUP)
            wait_until(lambda: bool(ours.lines("roll_ended")), START_SECONDS)
            shown = "\n".join(map(titles, processes(ours.process.pid)))
            told += asked(ours, *credentials)
            told += ours.metrics()
        told += ours.log

    assert re.search("recsvc.cli.*serve", shown)
    assert "recsvc.app.worker" in shown
    for line in ("redis_unavailable", "token_keys_not_fetched", "CREDENTIAL_INVALID", "espresso"):
        assert line in told
    for text in (told, shown):
        assert WORD not in text
        assert API_KEY.split("_", 2)[2] not in text
        assert token not in text


@pytest.mark.parametrize("password", [f"{WORD}-redis", f"{WORD}-wrong"])
def test_the_doctor_tells_no_secret(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    password: str,
) -> None:
    """Whether it finds something wrong or not."""
    registry = small_registry(tmp_path / "models").root
    with running_valkey(tmp_path / "valkey") as valkey, running_issuer(b"no keys") as issuer:
        with connect(valkey.url) as client:
            client.config_set("requirepass", f"{WORD}-redis")
        redis_url = valkey.url.replace("unix://", f"unix://:{password}@")
        urls = {
            "RECSVC_REDIS_URL": redis_url,
            "RECSVC_JWT_KEYS_URL": f"{issuer.url}?key={WORD}",
        }
        for name, value in (SECRETS | urls).items():
            monkeypatch.setenv(name, value)
        run(app, ["doctor", "--registry", str(registry), "--listen", "127.0.0.1:0"])

    said = capsys.readouterr()
    assert ("ok    redis" in said.out) == (password == f"{WORD}-redis")
    assert WORD not in said.out + said.err
