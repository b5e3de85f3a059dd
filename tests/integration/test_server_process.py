"""``recsvc serve`` as a user starts it: real processes, a real Valkey, real signals."""

import ctypes
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest

from recsvc.client import Client
from recsvc.errors import RecsvcError, UnavailableError
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api
from recsvc.v1 import recommendation_service_pb2_grpc as api_grpc
from tests.serving import (
    START_SECONDS,
    Service,
    corrupt,
    running_service,
    small_registry,
    wait_until,
)
from tests.stores import stopped, valkey_client

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="it looks into /proc, and only Linux schedules batches"
)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_registry(tmp_path_factory.mktemp("registry")).root


def customer(name: str, page_size: int = 10) -> api.RecommendRequest:
    return api.RecommendRequest(shopper=common.Shopper(customer_id=name), page_size=page_size)


def serve(*flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run ``recsvc serve`` where it must fail at once."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RECSVC_")}
    return subprocess.run(
        [sys.executable, "-m", "recsvc.cli", "serve", *flags],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**clean, **env},
    )


def test_what_lies_in_the_working_directory_is_no_module_of_a_worker(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be anybody's, and ``recsvc serve`` does not look there either."""
    (tmp_path / "grpc.py").write_text("raise SystemExit(9)")  # the supervisor needs none
    monkeypatch.chdir(tmp_path)
    with running_service(registry, tmp_path / "service") as service, Client(service.target) as shop:
        assert shop.within(20).recommend("anna").recommendations


def test_two_workers_share_a_port_a_cache_and_a_metrics_page(
    registry: Path, tmp_path: Path
) -> None:
    """One process more and the numbers of both in one place; one that is killed comes back."""
    with running_service(registry, tmp_path, "--workers", "2") as service:
        assert service.process.stdout is not None
        pids = [int(line["pid"]) for line in service.lines("worker_ready")]
        assert len(pids) == 2
        served: list[int] = []
        for _ in range(20):  # a connection each: the kernel chooses the worker
            with Client(service.target, deadline_seconds=20) as client:
                served.append(client.recommend("anna").serving.served_from)
        assert served[1:] == [api.SERVED_FROM_CACHE] * 19  # whichever of the two computed it
        wait_until(lambda: 'recsvc_answers_total{served_from="CACHE"} 19.0' in service.metrics())
        wait_until(lambda: 'Recommend"} 20.0' in service.metrics())
        metrics = service.metrics()
        # A worker keeps what it has found in the shared cache, and then need not ask there.
        hits = re.findall(r'cache_operations_total\{outcome="hit"\} (\S+)', metrics)
        assert sum(map(float, hits)) == 19
        assert 'recsvc_model_workers{model_id="tiny",version_id="v1"} 2.0' in metrics
        assert re.search(
            r'recsvc_requests_total\{code="OK",method="RecommendationService/Recommend"\} 20\.0',
            metrics,
        )
        assert "recsvc_request_seconds_bucket" in metrics
        assert "anna" not in metrics

        os.kill(pids[0], signal.SIGKILL)
        wait_until(lambda: len(service.lines("worker_ready")) == 3)
        assert 'version_id="v1"} 2.0' in service.metrics()
        for _ in range(10):
            with Client(service.target, deadline_seconds=20) as client:
                assert client.recommend("anna").recommendations
        assert "anna" not in service.log


@on_linux
@pytest.mark.parametrize(
    ("given", "expected"), [(None, "-event_engine_listener"), ("", ""), ("-other", "-other")]
)
def test_workers_wake_few_threads(
    registry: Path, tmp_path: Path, given: str | None, expected: str
) -> None:
    """The thread that hands out calls reads too, unless told otherwise."""
    env = {} if given is None else {"GRPC_EXPERIMENTS": given}
    with running_service(registry, tmp_path, **env) as service:
        process = Path(f"/proc/{service.lines('worker_ready')[0]['pid']}")
        known = dict(
            entry.partition(b"=")[::2] for entry in (process / "environ").read_bytes().split(b"\0")
        )
        assert known[b"GRPC_EXPERIMENTS"] == expected.encode()


@on_linux
@pytest.mark.parametrize("scheduling", ["", "batch", "inherit"])
def test_threads_that_wake_wait_unless_told_otherwise(
    registry: Path, tmp_path: Path, scheduling: str
) -> None:
    """All of a worker's are scheduled alike: those of gRPC and of Redis too."""
    mine = os.sched_getscheduler(0)
    usual = os.SCHED_BATCH if mine == os.SCHED_OTHER else mine
    with running_service(registry, tmp_path, RECSVC_SCHEDULING=scheduling) as service:
        tasks = Path(f"/proc/{service.lines('worker_ready')[0]['pid']}/task")
        threads = [int(task.name) for task in tasks.iterdir()]
        assert len(threads) > 1
        expected = mine if scheduling == "inherit" else usual
        assert {os.sched_getscheduler(thread) for thread in threads} == {expected}


def test_sigterm_lets_running_calls_end(registry: Path, tmp_path: Path) -> None:
    """Those begun before it are answered; those after it are told to go elsewhere."""
    batch = api.BatchRecommendRequest(
        requests=[customer(f"c{n}", page_size=100) for n in range(100)]
    )
    with (
        valkey_client(tmp_path / "valkey") as valkey,
        running_service(
            registry,
            tmp_path / "service",
            *("--redis", f"unix://{valkey.connection_pool.connection_kwargs['path']}"),
            RECSVC_REDIS_TIMEOUT_MS="30000",
            RECSVC_MAX_THREADS="4",
        ) as service,
    ):
        with grpc.insecure_channel(service.target) as channel:
            stub = api_grpc.RecommendationServiceStub(channel)
            stub.Recommend(customer("anna"), timeout=20)
            with stopped(valkey):  # which they wait for: none ends before it is told to
                calls = [stub.BatchRecommend.future(batch, timeout=60) for _ in range(8)]
                # The gauge counts those that run, and is the word that they have arrived.
                wait_until(lambda: "recsvc_requests_in_flight 4.0" in service.metrics())
                service.process.send_signal(signal.SIGTERM)
                wait_until(lambda: bool(service.lines("draining")))
            codes = [call.code() for call in calls]
            assert codes == [grpc.StatusCode.OK] * 8
        assert service.stop() == 0
        assert service.lines("stopped")
        with (
            Client(service.target, deadline_seconds=2) as client,
            pytest.raises(UnavailableError, match=f"cannot reach {service.target}"),
        ):
            client.recommend("anna")


def test_a_client_that_calls_on_notices_no_restart_of_a_worker(
    registry: Path, tmp_path: Path
) -> None:
    """With a second worker and the client's retries, SIGTERM of one fails no call."""
    failures: list[RecsvcError] = []
    stop = threading.Event()

    def call(service: Service) -> None:
        with Client(service.target, deadline_seconds=20) as client:
            while not stop.is_set():
                try:
                    client.recommend("anna")
                except RecsvcError as error:
                    failures.append(error)

    with running_service(registry, tmp_path, "--workers", "2") as service:
        threads = [threading.Thread(target=call, args=(service,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for index in range(2):
            os.kill(int(service.lines("worker_ready")[index]["pid"]), signal.SIGTERM)
            n_ready = 3 + index
            wait_until(lambda n=n_ready: len(service.lines("worker_ready")) >= n, START_SECONDS)  # type: ignore[misc]  # a lambda's default
        stop.set()
        for thread in threads:
            thread.join()
    assert not failures


def test_a_signal_counts_whichever_thread_receives_it(registry: Path, tmp_path: Path) -> None:
    """The kernel may give it to any thread of a worker, and most of them are gRPC's."""
    with running_service(registry, tmp_path, "--workers", "2") as service:
        pid = int(service.lines("worker_ready")[0]["pid"])
        thread = max(int(task.name) for task in Path(f"/proc/{pid}/task").iterdir())
        assert thread != pid  # the main thread's number is that of the process
        assert ctypes.CDLL(None).tgkill(pid, thread, signal.SIGTERM) == 0
        wait_until(lambda: bool(service.lines("worker_exited")))
        assert service.lines("worker_exited")[0]["code"] == 0


def test_without_a_model_it_waits_and_says_what_to_do(tmp_path: Path) -> None:
    """It listens, answers WARMING_UP, and serves as soon as there is a model."""
    registry = small_registry(tmp_path / "models", promote=False)
    with (
        running_service(registry.root, tmp_path / "run") as service,
        Client(service.target, deadline_seconds=1) as client,
    ):
        with pytest.raises(UnavailableError) as caught:
            client.recommend("anna")
        assert caught.value.reason == "WARMING_UP"
        assert "recsvc-train promote" in service.lines("no_current_model")[0]["hint"]
        command = [sys.executable, "-c", PROMOTE, str(registry.root)]
        subprocess.run(command, check=True)
        wait_until(lambda: bool(service.lines("model_serving")))
        assert client.recommend("anna").recommendations


PROMOTE = """
import sys
from datetime import UTC, datetime
from recsvc.artifacts.registry import Registry
Registry(sys.argv[1]).promote("v1", datetime.now(UTC))
"""


def test_a_corrupt_first_model_is_said_and_not_served(tmp_path: Path) -> None:
    """The process stays, so that the next promotion needs no restart."""
    registry = small_registry(tmp_path / "models")
    corrupt(registry, "v1")
    with running_service(registry.root, tmp_path / "run") as service:
        (line,) = service.lines("model_load_failed")
        assert "corrupt" in line["error"]
        assert "Traceback" not in service.log


def test_a_redis_that_is_down_degrades_from_the_start(registry: Path, tmp_path: Path) -> None:
    """The URL is well-formed, so it may come up any moment: serve, and say so.

    As with a variable of a release that has other settings.
    """
    flags = ("--redis", f"unix://{tmp_path}/nobody.sock", "--metrics-listen", "off")
    with running_service(registry, tmp_path, *flags, RECSVC_WORKER="2") as service:
        (unknown,) = service.lines("unknown_setting")
        assert (unknown["variable"], unknown["level"]) == ("RECSVC_WORKER", "warning")
        assert unknown["hint"].endswith("did you mean RECSVC_WORKERS?")
        assert service.lines("redis_unavailable")
        assert not service.lines("valkey_started")
        assert not service.lines("metrics_listening")
        with Client(service.target, deadline_seconds=20) as client:
            serving = client.recommend("anna").serving
        assert (serving.degraded, serving.degraded_reason) == (True, "STORE_UNAVAILABLE")


def test_a_ledger_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    """Nothing is served that might have been recalled."""
    registry = small_registry(tmp_path / "models")
    (registry.root / "ledger.jsonl").mkdir()
    flags = ("--registry", str(registry.root), "--listen", "127.0.0.1:0", "--metrics-listen", "off")
    result = serve(*flags, RECSVC_DATA_DIR=str(tmp_path / "valkey"))
    assert result.returncode == 1
    assert "the ledger cannot be read" in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--registry", "{tmp}/nothing"], "there is no registry here; make one: recsvc-train fit"),
        (["--registry", "s3://bucket/x"], "s3: is not supported"),
        (["--registry", "{registry}", "--redis", "http://localhost"], "RECSVC_REDIS_URL / --redis"),
        (["--registry", "{registry}", "--listen", "nonsense"], "give HOST:PORT"),
        (["--registry", "{registry}", "--listen", "{taken}"], "the port is in use"),
        (["--registry", "{registry}", "--metrics-listen", "{taken}"], "--metrics-listen: cannot"),
        (["--registry", "{registry}", "--workers", "0"], "RECSVC_WORKERS / --workers: '0'"),
        (["--registry", "{registry}", "--workers", "many"], "--workers"),
        (["--bogus"], "No such option: --bogus"),
        ([], "RECSVC_REGISTRY / --registry: is not given"),
    ],
)
def test_a_bad_start_is_one_line(
    registry: Path, tmp_path: Path, flags: list[str], says: str
) -> None:
    """What is wrong, where, and what to do; exit code 1; nothing is left beside a wrong path."""
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        words = {
            "tmp": tmp_path,
            "registry": registry,
            "taken": f"127.0.0.1:{owner.getsockname()[1]}",
        }
        port = ["--listen", "127.0.0.1:0"] if "--listen" not in flags else []
        given = [flag.format(**words) for flag in flags]
        result = serve(*given, *port, RECSVC_DATA_DIR=str(tmp_path / "valkey"))
    assert result.returncode == 1
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert says in errors[0]
    others = [line for line in result.stderr.splitlines() if line not in errors]
    assert all("event" in json.loads(line) for line in others)  # the log, if it came to that
    assert result.stdout == ""
    assert not (tmp_path / "nothing.valkey").exists()
