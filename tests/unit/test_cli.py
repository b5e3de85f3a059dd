"""The ``recsvc`` command: what it prints, and how it ends."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib import import_module
from inspect import signature
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health, health_pb2_grpc

from recsvc.cli import COMMANDS, app, main
from recsvc.cli_serve import doctor_command, serve_command
from recsvc.server.health import Health, HealthServicer
from recsvc.store.connection import connect
from recsvc.store.embedded import EmbeddedValkey
from recsvc.terminal import run
from tests.serving import (
    LocalServer,
    Log,
    corrupt,
    local_server,
    new_metrics,
    running_service,
    small_registry,
)
from tests.stores import running_valkey


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RECSVC_REGISTRY", "RECSVC_REDIS_URL", "RECSVC_LISTEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_registry(tmp_path_factory.mktemp("cli") / "models").root


@pytest.fixture(scope="module")
def server(registry: Path) -> Iterator[LocalServer]:
    with local_server(registry) as running:
        yield running


def recommend(server: LocalServer, *arguments: str) -> int:
    return run(app, ["recommend", "--target", server.target, "--timeout", "20", *arguments])


@pytest.mark.parametrize("command", ["serve", "recommend", "health", "doctor"])
def test_help_names_every_flag_and_an_example(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A newcomer can work from it."""
    assert run(app, [command, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Example: recsvc {command}" in " ".join(text.split())
    assert "--help" in text


def test_a_list_is_a_table_with_reasons(
    server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rank, title, score, strategy, level, and the sentence that says why; below, how."""
    assert recommend(server, "anna", "--store", "york-1", "--page-size", "3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["#", "product", "score", "strategy", "level", "why"]
    assert lines[1].startswith("1  Espresso beans")
    assert "You have bought this 3 times" in lines[1]
    assert lines[-1].startswith("model v1; place: store (york-1, ")
    assert "from the model" in lines[-1]


def test_the_reasons_are_in_the_language_asked(
    server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of what is spoken."""
    assert recommend(server, "anna", "--page-size", "3", "--language", "de-AT") == 0
    assert "Sie haben das schon 3-mal gekauft" in capsys.readouterr().out


def test_json_is_the_whole_response(
    server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under the names of the protos; coordinates are given together."""
    place = ["--lat", "53.8", "--lon", "-1.54", "--country", "GB", "--only-new"]
    assert recommend(server, "anna", "--json", *place) == 0
    response = json.loads(capsys.readouterr().out)
    bought = {"espresso", "milk", "bread"}
    assert not bought & {item["product_id"] for item in response["recommendations"]}
    assert response["serving"]["model"]["version_id"] == "v1"
    assert response["serving"]["resolved_location"]["country_code"] == "GB"


def test_nobody_in_particular_can_ask(
    server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a customer it is the list of the place, and warnings are shown."""
    assert (
        recommend(server, "--store", "nowhere", "--postal-code", "X", "--subdivision", "X-1") == 1
    )
    assert recommend(server, "--store", "nowhere") == 0
    assert "UNKNOWN_LOCATION" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["anna", "--page-size", "0"], "error: Invalid value for '--page-size': Input should be"),
        (["--subdivision", "Bavaria"], "error: context.location.subdivision_code: 'Bavaria' is"),
        (["anna", "--lat", "1"], "error: --lat and --lon belong together"),
        (["anna", "--lat", "100", "--lon", "1"], "error: context.location.lat_lng.latitude: must"),
        (["x" * 100_000], "error: shopper.customer_id: has 100000 bytes; at most 256"),
        (["anna", "--page-size", "many"], "error: Invalid value for '--page-size'"),
    ],
)
def test_what_the_server_refuses_is_one_line(
    server: LocalServer, arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, with exit code 1."""
    assert recommend(server, *arguments) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith(says)
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_health_is_that_of_the_standard_protocol(
    server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the whole and of a service; one that is not there is an error."""
    asked = ["health", "--target", server.target]
    assert run(app, asked) == 0
    assert run(app, [*asked, "--service", "recsvc.v1.ModelService"]) == 0
    assert capsys.readouterr().out == "SERVING\nSERVING\n"
    assert run(app, [*asked, "--service", "nobody"]) == 1
    assert capsys.readouterr().err == (
        f"error: {server.target} has no service 'nobody'; leave it out\n"
    )


def test_whoever_cannot_answer_is_not_healthy(capsys: pytest.CaptureFixture[str]) -> None:
    """As without a model: it is said, and the exit code is 1 for those who look at nothing else."""
    waiting = grpc.server(ThreadPoolExecutor(1))
    servicer = HealthServicer(Health(), new_metrics()[0], Log().logger)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, waiting)
    target = f"127.0.0.1:{waiting.add_insecure_port('127.0.0.1:0')}"
    waiting.start()
    try:
        assert run(app, ["health", "--target", target]) == 1
    finally:
        waiting.stop(0).wait()
    assert capsys.readouterr().out == "NOT_SERVING\n"


@pytest.mark.parametrize("asked", [["recommend", "anna"], ["health"]])
def test_a_server_that_is_not_there_is_one_line(
    asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Naming the address and the way out."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{nobody.getsockname()[1]}"
        assert run(app, [*asked, "--target", target, "--timeout", "5"]) == 1
    err = capsys.readouterr().err
    assert err == (
        f"error: cannot reach {target}; start a server with recsvc serve, or name another one\n"
    )


@pytest.mark.parametrize("asked", [["recommend", "anna"], ["health"]])
def test_a_server_that_is_slow_is_one_line(
    asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Naming the flag to wait longer with, rather than the library's argument."""
    with socket.socket() as silent:  # takes connections, and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        target = f"127.0.0.1:{silent.getsockname()[1]}"
        assert run(app, [*asked, "--target", target, "--timeout", "0.2"]) == 1
    assert capsys.readouterr().err == (
        f"error: {target} did not answer within 0.2 s; try again, or wait longer with --timeout\n"
    )


def test_the_doctor_finds_nothing(registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a check, and exit code 0."""
    assert run(app, ["doctor", "--registry", str(registry), "--listen", "127.0.0.1:0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "ok    settings",
        "ok    language",
        "ok    registry",
        "ok    model",
        "ok    redis",
        "ok    access",
        "ok    port",
        "ok    metrics",
    ]
    assert "6 customers, 10 products" in lines[3]
    assert not registry.with_name("models.valkey").exists()


def test_the_doctor_warns_of_variables_that_nobody_reads(
    registry: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their name; the service would start with them, as they may be another release's."""
    monkeypatch.setenv("RECSVC_WORKER", "hush")
    assert run(app, ["doctor", "--registry", str(registry), "--listen", "127.0.0.1:0"]) == 0
    told = capsys.readouterr().out
    assert (
        "warn  settings: RECSVC_WORKER: this release has no such setting; "
        "did you mean RECSVC_WORKERS?\n"
    ) in told
    assert "hush" not in told


def test_the_doctor_may_be_asked_beside_a_service_that_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says who has the port and the folder; anybody else there is a fault."""
    registry = small_registry(tmp_path / "models").root
    flags = ["--registry", str(registry), "--data-dir", str(tmp_path / "valkey"), "--listen"]
    with running_service(registry, tmp_path) as service:
        assert run(app, ["doctor", *flags, service.target]) == 0
        said = capsys.readouterr().out
        assert f"ok    redis: the service that runs keeps its Valkey in {tmp_path}/valkey" in said
        assert f"ok    port: a recsvc answers on {service.target} already: SERVING" in said
    with another_server() as target:
        assert run(app, ["doctor", *flags, target]) == 1
    assert (
        f"FAIL  port: RECSVC_LISTEN / --listen: cannot listen on {target}: the port is in use"
        in (capsys.readouterr().out)
    )


@contextmanager
def another_server() -> Iterator[str]:
    """A gRPC server with health and without a service of ours; its address."""
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def test_the_doctor_finds_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Everything at once, each with its way out."""
    registry = small_registry(tmp_path / "models")
    corrupt(registry, "v1")
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        listen = f"127.0.0.1:{owner.getsockname()[1]}"
        flags = ["--registry", str(registry.root), "--listen", listen]
        assert run(app, ["doctor", *flags, "--redis", f"unix://{tmp_path}/nobody.sock"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "ok    settings",
        "ok    language",
        "ok    registry",
        "FAIL  model",
        "FAIL  redis",
        "ok    access",
        "FAIL  port",
        "ok    metrics",
        "warn  redis",
    ]
    assert "corrupt" in lines[3]


def test_the_doctor_looks_at_the_folder_of_the_embedded_valkey(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that a running service holds, or that cannot be made, is found before the start."""
    flags = ["--registry", str(registry), "--listen", "127.0.0.1:0", "--data-dir"]
    valkey = EmbeddedValkey(tmp_path / "held")
    valkey.start()
    try:
        assert run(app, ["doctor", *flags, str(tmp_path / "held")]) == 1
        assert "FAIL  redis: " in (said := capsys.readouterr().out)
        assert "is in use by another embedded Valkey" in said
    finally:
        valkey.stop()
    assert run(app, ["doctor", *flags, str(tmp_path / "held")]) == 0
    (tmp_path / "file").write_text("")
    assert run(app, ["doctor", *flags, str(tmp_path / "file" / "data")]) == 1
    said = capsys.readouterr().out
    assert "file is no directory that can be written; choose" in said
    assert "RECSVC_DATA_DIR / --data-dir" in said
    (tmp_path / "odd" / "lock").mkdir(parents=True)
    assert run(app, ["doctor", *flags, str(tmp_path / "odd")]) == 1
    assert "Is a directory; choose" in capsys.readouterr().out


def test_the_doctor_asks_a_redis_that_is_there(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says that it answers, without its password."""
    valkey = EmbeddedValkey(tmp_path / "valkey")
    valkey.start()
    try:
        flags = ["--registry", str(registry), "--listen", "127.0.0.1:0", "--redis", valkey.url]
        assert run(app, ["doctor", *flags]) == 0
    finally:
        valkey.stop()
    assert "answers" in capsys.readouterr().out.splitlines()[4]


def test_the_doctor_misses_the_right_to_the_channel(
    registry: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Before anything that people do fails to be written."""
    with running_valkey(tmp_path / "valkey") as valkey, connect(valkey.url) as client:
        flags = ["--registry", str(registry), "--listen", "127.0.0.1:0"]
        monkeypatch.setenv("RECSVC_REDIS_URL", f"{valkey.url}?username=shop&password=p")
        rights = ["on", ">p", "~recsvc:*", "+@all", "-@dangerous"]
        client.execute_command("ACL", "SETUSER", "shop", *rights, "resetchannels")
        assert run(app, ["doctor", *flags]) == 1
        said = capsys.readouterr().out.splitlines()[4]
        assert said.startswith("FAIL  redis: Redis refused: ")
        assert "needs the channel &recsvc:v1:changed" in said
        client.execute_command("ACL", "SETUSER", "shop", "&recsvc:*")
        assert run(app, ["doctor", *flags]) == 0


def test_the_doctor_takes_the_flags_of_serve() -> None:
    """All of them, and no others."""
    assert signature(doctor_command).parameters == signature(serve_command).parameters


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("RECSVC_LANGUAGE", "tlh", "FAIL  language: RECSVC_LANGUAGE"),
        ("RECSVC_METRICS_LISTEN", "{taken}", "FAIL  metrics: RECSVC_METRICS_LISTEN"),
        ("RECSVC_LISTEN", "{taken}", "FAIL  port: RECSVC_LISTEN"),
        ("RECSVC_API_KEYS_FILE", "{tmp}/no.json", "FAIL  access: RECSVC_API_KEYS_FILE"),
        ("RECSVC_REGISTRY", "{tmp}/nothing", "FAIL  registry: "),
        ("ledger.jsonl", "", "FAIL  registry: the ledger cannot be read"),
        ("secret", "", "FAIL  registry: "),
    ],
)
def test_what_serve_refuses_the_doctor_refuses(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    says: str,
) -> None:
    """Before anything is torn down for it. In place of a file there is a folder."""
    registry = small_registry(tmp_path / "models").root
    monkeypatch.setenv("RECSVC_REGISTRY", str(registry))
    monkeypatch.setenv("RECSVC_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("RECSVC_DATA_DIR", str(tmp_path / "valkey"))
    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        taken = f"127.0.0.1:{owner.getsockname()[1]}"
        if variable.startswith("RECSVC_"):
            monkeypatch.setenv(variable, value.format(tmp=tmp_path, taken=taken))
        else:
            (registry / variable).mkdir()
        assert run(app, ["serve"]) == 1
        assert "error: " in capfd.readouterr().err
        assert run(app, ["doctor"]) == 1
    assert says in capfd.readouterr().out


def test_the_doctor_warns_of_what_ruins_a_service(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would start all the same; each warning says what to do."""
    registry = small_registry(tmp_path / "models").root
    (registry / "rules").mkdir()
    (registry / "rules" / "current.json").write_text("{")
    monkeypatch.setenv("RECSVC_JWT_SECRET", "s" * 32)
    monkeypatch.setattr("recsvc.doctor_warnings.ROOM_BYTES", 1 << 60)
    monkeypatch.setattr("recsvc.doctor_warnings.NUMBERS_ROOM_BYTES", 1 << 60)
    with running_valkey(tmp_path / "valkey") as valkey, connect(valkey.url) as client:
        client.config_set("appendonly", "no")
        client.config_set("maxmemory-policy", "allkeys-lru")
        flags = ["--registry", str(registry), "--listen", "127.0.0.1:0", "--redis", valkey.url]
        assert run(app, ["doctor", *flags]) == 0
        told = capsys.readouterr().out
        client.execute_command("ACL", "SETUSER", "default", "-config")
        assert run(app, ["doctor", *flags]) == 0
        untold = capsys.readouterr().out
    warned = [line.split(": ", 1) for line in told.splitlines() if line.startswith("warn")]
    for subject, says in [
        ("access", "RECSVC_JWT_AUDIENCE: is not set"),
        ("access", "RECSVC_JWT_ISSUER: is not set"),
        ("registry", "the service would do without until that is mended"),
        ("registry", "MB left; make room"),
        ("metrics", "MB left: the page of the metrics may lack what workers count; make room"),
        ("redis", "appendonly is no: events that were acknowledged are lost"),
        ("redis", "maxmemory-policy is allkeys-lru: it may throw away events"),
    ]:
        assert any(about == f"warn  {subject}" and says in text for about, text in warned), says
    assert "warn  redis: it does not tell its settings" in untold


def test_the_doctor_warns_of_a_door_that_strangers_reach(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the log does at each start."""
    flags = ["--registry", str(registry), "--listen", "0.0.0.0:0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECSVC_ALLOW_ANONYMOUS", "anyone-who-reaches-the-port")
        assert run(app, ["doctor", *flags]) == 0
    assert "warn  access: whoever reaches 0.0.0.0:0 may do ev" in capsys.readouterr().out
    keys = tmp_path / "keys.json"
    assert run(app, ["keys", "add", "shop", "--scope", "recommend", "--file", str(keys)]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECSVC_API_KEYS_FILE", str(keys))
        assert run(app, ["doctor", *flags]) == 0
    assert "warn  access: credentials and lists can be read on th" in capsys.readouterr().out
    assert run(app, ["doctor", *flags]) == 1
    refused = capsys.readouterr().out
    assert "is open to other machines" in refused
    assert "RECSVC_ALLOW_ANONYMOUS says so" not in refused


def test_the_doctor_warns_where_no_temporary_file_can_be(
    registry: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The service would start, without its numbers."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    flags = ["--registry", str(registry), "--listen", "127.0.0.1:0"]
    run(app, ["doctor", *flags, "--redis", "redis://[::1]:1"])
    assert "warn  metrics: there is no folder for temporary files" in capsys.readouterr().out


def test_the_doctor_warns_of_the_disk_of_the_embedded_valkey(
    registry: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Events live there until they are collected; the start makes the folder."""
    monkeypatch.setattr("recsvc.doctor_warnings.ROOM_BYTES", 1 << 60)
    folder = tmp_path / "to" / "make"
    flags = ["--registry", str(registry), "--listen", "127.0.0.1:0", "--data-dir", str(folder)]
    assert run(app, ["doctor", *flags]) == 0
    assert f"warn  redis: the disk of {folder} has only" in capsys.readouterr().out
    assert not folder.parent.exists()
    run(app, ["doctor", *flags[:-1], str(tmp_path / ("long" * 100))])  # as one without the right to
    assert "cannot be looked at (File name too long)" in capsys.readouterr().out


def test_a_url_that_cannot_be_used_is_one_finding(
    registry: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The warnings need it as well, and have nothing to add."""
    flags = ["--registry", str(registry), "--listen", "127.0.0.1:0", "--redis", "http://localhost"]
    assert run(app, ["doctor", *flags]) == 1
    said = capsys.readouterr()
    assert "FAIL  redis: RECSVC_REDIS_URL / --redis" in said.out
    assert said.err == ""


def test_the_doctor_needs_settings(capsys: pytest.CaptureFixture[str]) -> None:
    """Without them there is nothing else to check."""
    assert run(app, ["doctor"]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("FAIL  settings: RECSVC_REGISTRY / --registry: is not given")


def test_the_supervisor_stays_small() -> None:
    """The process that keeps the others alive loads no gRPC, no Redis client and no arrays."""
    large = {"grpc", "redis", "numpy", "valkey"}
    modules = "recsvc.cli, recsvc.cli_serve, recsvc.launch"
    program = f"import sys, {modules}; print({large} & set(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout == "set()\n"


def test_a_probe_loads_little(server: LocalServer) -> None:
    """It runs every few seconds, and what it loads is all that it costs."""
    large = ["pydantic_settings", "rich", "recsvc.settings"]
    program = (
        "import sys; from recsvc.cli import app; from recsvc.terminal import run; "
        "code = run(app, ['health', '--target', sys.argv[1], '--timeout', '20']); "
        f"print(code, [name for name in {large} if name in sys.modules])"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("RECSVC_TARGET_")
    }
    result = subprocess.run(
        [sys.executable, "-c", program, server.target],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert result.stdout == "SERVING\n0 []\n"


def test_the_table_of_commands_says_what_they_say_of_themselves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each command's first paragraph, which the help lists without importing it."""
    for name, place in COMMANDS.items():
        module, _, attribute = place.at.partition(":")
        command = getattr(import_module(module), attribute)
        said = command.info.help if attribute == "app" else command.__doc__
        assert " ".join(said.partition("\n\n")[0].split()) == place.help
        assert run(app, [name, "--help"]) == 0
        assert f" {name} [OPTIONS]" in capsys.readouterr().out


def test_the_command_exits_with_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``main`` is what the console script calls."""
    monkeypatch.setattr("sys.argv", ["recsvc", "nonsense"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith("error: No such command 'nonsense'; see ")


def test_an_argument_that_may_be_left_out_is_in_brackets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In one pair."""
    assert run(app, ["recommend", "--help"]) == 0
    assert "recommend [OPTIONS] [CUSTOMER]\n" in capsys.readouterr().out


def test_a_list_is_filtered_by_attribute_and_varied_if_asked(
    server: LocalServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one name any value, as in the API; what is no NAME=VALUE is an error."""

    def listed(*arguments: str) -> list[str]:
        capsys.readouterr()
        assert recommend(server, "anna", "--json", *arguments) == 0
        response = json.loads(capsys.readouterr().out)
        return [each["product_id"] for each in response["recommendations"]]

    labelled = listed("--attribute", "label=organic", "--attribute", "label=fair")
    assert set(labelled) == {"espresso", "tea"}
    assert listed("--diversity", "high") != listed("--diversity", "none")
    assert recommend(server, "anna", "--attribute", "label") == 1
    assert "--attribute label: write it as NAME=VALUE" in capsys.readouterr().err
