"""The harness of hostile input sees what it looks for: nothing else says that it would."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from recsvc.errors import InputError
from tests.fuzz.branches import FOLDER, steps_told
from tests.fuzz.calls import Sent, admitted
from tests.fuzz.credentials import Credential, bearer
from tests.fuzz.files import fault_of, run_files
from tests.fuzz.kept import joined, keep, kept, parted
from tests.fuzz.methods import methods
from tests.fuzz.requests import Found
from tests.fuzz.structure import mutated_csv, mutated_json, mutated_toml
from tests.fuzz.targets import Target
from tests.fuzz.texts import FORGED, PERSON
from tests.fuzz.verdicts import DETAILS, MAX_MESSAGE_BYTES, Verdict, verdict_of
from tests.fuzz.verdicts import fault_of as entry_fault
from tests.fuzz.watch import SPARE_MB, LogWatch, Memory, megabytes
from tests.fuzz.wire import mutated


class Ended:
    """A call that has ended, as grpc has it."""

    def __init__(self, code: grpc.StatusCode, *details: object, has_status: bool = True) -> None:
        self._code = code
        packed = []
        for detail in details:
            packed.append(Any())
            packed[-1].Pack(detail)  # type: ignore[arg-type]  # any message
        status = Status(code=code.value[0], message="why", details=packed)
        self._metadata = [(DETAILS, status.SerializeToString())] if has_status else []

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "why"

    def trailing_metadata(self) -> list[tuple[str, bytes]]:
        return self._metadata


def info(reason: str, domain: str = "recsvc") -> ErrorInfo:
    return ErrorInfo(reason=reason, domain=domain)


FIELD = BadRequest(field_violations=[BadRequest.FieldViolation(field="page_size")])
INVALID, GONE = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNAVAILABLE
INTERNAL, LATE = grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED
FULL = grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("ended", "fault"),
    [
        (Ended(grpc.StatusCode.OK), ""),
        (Ended(INVALID, info("FIELD_INVALID"), FIELD), ""),
        (Ended(GONE, info("STORE_UNAVAILABLE"), RetryInfo()), ""),
        (Ended(INTERNAL, info("INTERNAL")), "INTERNAL: why"),
        (Ended(grpc.StatusCode.UNKNOWN, has_status=False), "UNKNOWN without details"),
        (Ended(INVALID, info("FIELD_INVALID")), "names no field"),
        (Ended(INVALID, FIELD), "with 0 ErrorInfo"),
        (Ended(INVALID, info("FIELD_INVALID", "grpc.io"), FIELD), "with 1 ErrorInfo"),
        (Ended(INVALID, info("OVERLOADED"), FIELD), "for the reason OVERLOADED"),
        (Ended(GONE, info("DRAINING")), "without RetryInfo"),
        (Ended(LATE, info("DEADLINE_EXCEEDED")), "DEADLINE_EXCEEDED"),
        (Ended(FULL, has_status=False), "RESOURCE_EXHAUSTED without details"),
    ],
)
def test_what_is_not_in_the_table_of_the_api_is_a_fault(ended: Ended, fault: str) -> None:
    """A code, a reason or a detail that is not promised is found."""
    verdict = verdict_of(ended, may_expire=False, n_bytes=10)

    assert fault in verdict.fault
    assert bool(fault) == bool(verdict.fault)


def test_what_grpc_itself_turns_away_is_no_fault() -> None:
    """A call that could not be in time, and a message that is too large, whatever ends first."""
    assert not verdict_of(Ended(LATE, has_status=False), may_expire=True, n_bytes=10).fault
    large = MAX_MESSAGE_BYTES + 1
    for code in (FULL, GONE):
        assert not verdict_of(Ended(code, has_status=False), may_expire=False, n_bytes=large).fault
        assert verdict_of(Ended(code, has_status=False), may_expire=False, n_bytes=10).fault


def test_an_entry_of_a_batch_may_be_late_where_the_call_was_in_a_hurry() -> None:
    """As a batch says it of those that it did not come to."""
    late = Status(code=LATE.value[0], message="why")

    assert not entry_fault(late, may_expire=True)
    assert entry_fault(late) == "DEADLINE_EXCEEDED: why"


def test_lines_that_the_service_did_not_write_are_found(tmp_path: Path) -> None:
    """A forged line, half a line, a person's id and a stack trace; the last line may grow."""
    own = {"event": "request", "level": "info", "timestamp": "2026-04-01T00:00:00Z"}
    lines = (
        json.dumps(own),
        json.dumps(own | {"event": FORGED}),
        '"}',
        json.dumps(own | {"caller": f"{PERSON}-anna"}),
        json.dumps(own | {"exception": "Traceback"}),
    )
    log = LogWatch(tmp_path / "log")
    log.path.write_text("\n".join(lines) + "\n" + lines[0][:5])
    log.read()
    log.path.write_text("\n".join((*lines, lines[0])) + "\n")
    log.read()

    assert log.n_lines == {"request": 4}
    starts = ("no line of", "no line of", "a person's id", "logged: request: Traceback")
    assert len(log.faults) == len(starts)
    assert all(map(str.startswith, log.faults, starts))


def test_growth_and_death_are_found() -> None:
    """Beyond a quarter and some megabytes; the store may grow."""
    memory = Memory(os.getpid())
    memory.look(is_warm=False)
    assert not memory.first_mb
    assert len(memory.last_mb) >= 1
    memory.first_mb = {
        "python 1": 100.0,
        "python 2": 100.0,
        "python 3": 1.0,
        "valkey-server 4": 1.0,
    }
    memory.last_mb = {"python 1": 174.0, "python 2": 125.0 + SPARE_MB, "valkey-server 4": 999.0}

    assert memory.growth() == ["python 1 grew from 100 to 174 MB", "python 3 has ended"]
    assert megabytes(2**22 + 1) == {}


def reading(raised: BaseException | None) -> Target:
    def read(_: Path) -> object:
        if raised is not None:
            raise raised
        return None

    return Target("t", "t", lambda _: b"", read)


@pytest.mark.parametrize(
    ("raised", "fault"),
    [
        (None, ""),
        (InputError("t: is no table"), ""),
        (InputError(" "), "InputError that is not one line"),
        (ZeroDivisionError("why"), "ZeroDivisionError: why (test_watching.py"),
        (SystemExit("why"), "SystemExit: why"),
    ],
)
def test_what_a_reader_may_not_raise_is_a_fault(
    tmp_path: Path, raised: BaseException | None, fault: str
) -> None:
    """Not even what is no Exception, as the panics of Rust."""
    found, _ = fault_of(reading(raised), tmp_path)

    assert found.startswith(fault)
    assert bool(fault) == bool(found)


@pytest.mark.parametrize(
    ("name", "fault"),
    [("dies", "the process ended with -6"), ("hangs", "it hangs"), ("grows", "it took ")],
)
def test_a_reader_that_takes_its_process_with_it_is_found(
    tmp_path: Path, name: str, fault: str
) -> None:
    """And the file that it was given is kept; the run goes on."""
    found = run_files(seed=1, n_files=1, only=(name,), failures=tmp_path, patience=0.5)

    assert found.n_files.total() == 1
    assert found.faults[0].startswith(f"{name}: {fault}")
    assert [path.read_bytes() for path in kept(tmp_path, name)] == [b""]


def test_what_failed_is_kept_once_and_found_again(tmp_path: Path) -> None:
    """Messages of a call are one file."""
    messages = [b"", b"a" * 300, b"\0"]
    assert keep(tmp_path, "S.M", joined(messages)) == keep(tmp_path, "S.M", joined(messages))
    (path,) = kept(tmp_path, "S.M")
    assert parted(path.read_bytes()) == messages
    assert [*kept(tmp_path, "S.N")] == []


def test_chance_makes_many_things_and_a_seed_the_same() -> None:
    """What failed under a seed fails again."""

    def made(seed: int) -> list[object]:
        chance = random.Random(seed)
        return [
            (
                mutated(b"0123456789", [b"abc"], chance),
                mutated_json({"a": [1, {"b": "c"}], "d": None}, chance),
                mutated_toml("a = 1\n[b]\nc = 'd'\n", chance),
                mutated_csv("a,b\n1,2\n", chance),
            )
            for _ in range(200)
        ]

    first = made(1)
    assert first == made(1)
    assert len({str(each) for each in first}) > 150


METHOD = next(iter(methods()))
BAD, GOOD = Credential((), is_good=False), bearer("key", is_good=True)


@pytest.mark.parametrize(
    ("credential", "code", "kind", "said"),
    [
        (BAD, "OK", "OK", "let in: OK, with ()"),
        (BAD, "UNAVAILABLE", "UNAVAILABLE STORE_UNAVAILABLE", "let in: UNAVAILABLE STORE"),
        (BAD, "UNAUTHENTICATED", "UNAUTHENTICATED CREDENTIAL_MISSING", ""),
        (BAD, "UNAVAILABLE", "UNAVAILABLE", ""),
        (BAD, "RESOURCE_EXHAUSTED", "RESOURCE_EXHAUSTED OVERLOADED", ""),
        (GOOD, "UNAUTHENTICATED", "UNAUTHENTICATED CREDENTIAL_INVALID", "the shop's own key"),
        (GOOD, "OK", "OK", ""),
    ],
)
def test_who_is_let_in_is_judged(credential: Credential, code: str, kind: str, said: str) -> None:
    """By what gRPC alone may have said, and what the service did."""
    fault = admitted(Sent(METHOD, [b""], credential), Verdict(code, "", kind)).fault
    assert fault.startswith(said)
    assert bool(fault) == bool(said)


def test_what_is_wrong_is_told_though_others_ended_so_and_were_well() -> None:
    """Once for each way."""
    found, sent = Found(), Sent(METHOD, [b""], GOOD)
    assert found.take(sent, Verdict("UNAUTHENTICATED", "", "UNAUTHENTICATED"))
    for number in range(2):
        fault = f"the shop's own key was refused: {number}"
        assert not found.take(sent, Verdict("UNAUTHENTICATED", fault, "UNAUTHENTICATED"))
    assert found.faults == [f"{METHOD.name}: the shop's own key was refused: 0"]
    assert found.codes == {"UNAUTHENTICATED": 3}


def test_who_finds_no_room_was_asked_for_nothing() -> None:
    """And has not been let in, whatever they have shown."""
    full = Ended(FULL, info("OVERLOADED"), RetryInfo())
    verdict = verdict_of(full, may_expire=False, n_bytes=10)
    assert admitted(Sent(METHOD, [b""], BAD), verdict).fault == ""
    spent = Ended(FULL, info("RATE_LIMITED"), RetryInfo())
    verdict = verdict_of(spent, may_expire=False, n_bytes=10)
    assert admitted(Sent(METHOD, [b""], BAD), verdict).fault.startswith("let in")


CHECK, ASK = (
    next(method for method in methods() if method.name == name)
    for name in ("Health.Check", "ServerReflection.ServerReflectionInfo")
)


def test_the_protocols_of_grpc_have_no_words_of_ours() -> None:
    """Their errors may come bare; INTERNAL is for what is no message, and health for everybody."""
    known, unknown = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNKNOWN
    for message, code, is_well in [
        (b"", known, True),
        (b"", INTERNAL, False),
        (b"", unknown, False),
        (b"\xff", INTERNAL, True),
        (b"\xff", unknown, False),
    ]:
        sent = Sent(CHECK, [message], BAD)
        ended = Ended(code, has_status=False)
        verdict = verdict_of(ended, may_expire=False, n_bytes=1, bare=sent.bare)
        assert bool(admitted(sent, verdict).fault) != is_well
    assert verdict_of(
        Ended(known, has_status=False),
        may_expire=False,
        n_bytes=1,
        bare=Sent(METHOD, [b""], GOOD).bare,
    ).fault
    assert admitted(Sent(CHECK, [b""], BAD), Verdict("OK", "", "OK")).fault == ""
    assert admitted(Sent(ASK, [b""], BAD), Verdict("OK", "", "OK")).fault.startswith("let in")


RESTING = """
from recsvc.settings.addresses import split_address
from tests.fuzz.branches import Branches

branches = Branches(rests=True)
with branches.collected():
    for _ in range(1_000):
        split_address("[::1]:1")
    n_known, n_calls = branches.n_seen, 0
    while branches.n_seen == n_known and n_calls < 64:
        n_calls += 1
        split_address("shop:1")
print(n_known > 0, n_calls < 64)
"""


def traced(folder: Path, *command: str) -> str:
    """What a Python of a traced service prints, which no measure of coverage traces."""
    root = Path(__file__).parents[3]
    path = f"{root / 'tests/fuzz/traced'}{os.pathsep}{root}"
    env = {"PYTHONPATH": path, FOLDER: str(folder)}
    return subprocess.run(
        [sys.executable, *command], env=env, capture_output=True, text=True, check=False
    ).stdout


def test_a_worker_tells_which_steps_it_has_taken(tmp_path: Path) -> None:
    """And nobody else does; it looks on where nothing new has come for long."""
    assert traced(tmp_path, "-c", RESTING) == "True True\n"
    assert steps_told(tmp_path) == 0
    assert traced(tmp_path, "-P", "-m", "recsvc.app.worker") == ""  # it has no settings
    assert steps_told(tmp_path) > 100
