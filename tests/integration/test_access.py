"""Who may call what: every RPC with every credential over a real channel, and what is said."""

import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from recsvc.access.api_keys import parse_api_keys, write_api_keys
from recsvc.access.scopes import Scope
from recsvc.client import Client
from recsvc.errors import CredentialError, ForbiddenError, UnavailableError
from recsvc.server.rpc_access import RPCS
from recsvc.v1 import common_pb2 as common
from recsvc.v1 import event_service_pb2 as events
from tests.access import (
    AUDIENCE,
    ISSUER,
    METHODS,
    PASSES,
    STRANGE,
    TRUSTED,
    Door,
    call,
    guarded_server,
    public_key_set,
    signed,
)
from tests.issuer import running_issuer
from tests.serving import local_server, small_registry, wait_until

DOCS = Path(__file__).parents[2] / "docs" / "security.md"
MISSING, INVALID = "UNAUTHENTICATED CREDENTIAL_MISSING", "UNAUTHENTICATED CREDENTIAL_INVALID"
LACKS, OTHERS = "PERMISSION_DENIED SCOPE_MISSING", "PERMISSION_DENIED CUSTOMER_MISMATCH"


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    directory = tmp_path_factory.mktemp("access")
    with guarded_server(small_registry(directory / "models").root, directory) as running:
        yield running


def confused() -> str:
    """A token whose HMAC is made with the public key as if that were a secret."""
    public = json.dumps(json.loads(public_key_set(TRUSTED))["keys"][0]).encode()
    claims = jwt.decode(signed(), options={"verify_signature": False})
    parts = [
        urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "kid": "one"}, claims)
    ]
    text = b".".join(parts)
    digest = hmac.new(public, text, sha256).digest()
    return (text + b"." + urlsafe_b64encode(digest).rstrip(b"=")).decode()


def never(door: Door) -> dict[str, tuple[str | None, str]]:
    """Credentials that pass nowhere, and what each is told."""
    revoked = door.keys["revoked"]
    return {
        "none": (None, MISSING),
        "something malformed": ("nonsense", INVALID),
        "API key, unknown": (revoked[:-4] + "AAAA", INVALID),
        "API key, revoked": (revoked, INVALID),
        "token, expired": (signed(exp=1_000), INVALID),
        "token, not valid yet": (signed(nbf=4_000_000_000), INVALID),
        "token, without expiry": (signed(exp=None), INVALID),
        "token, without subject": (signed(sub=None), INVALID),
        "token, wrong issuer": (signed(iss="https://evil.example"), INVALID),
        "token, without issuer": (signed(iss=None), INVALID),
        "token, wrong audience": (signed(aud="another service"), INVALID),
        "token, without audience": (signed(aud=None), INVALID),
        "token, `alg: none`": (signed("", "none"), INVALID),
        "token, signed by another key": (signed(STRANGE), INVALID),
        "token, public key taken for a secret": (confused(), INVALID),
        "token, changed after it was signed": (changed(), INVALID),
    }


def changed() -> str:
    """A token of anna's that says berta now."""
    head, _, tail = signed().split(".")
    return ".".join([head, signed(sub="berta").split(".")[1], tail])


def some(door: Door) -> dict[str, tuple[str, str]]:
    """Credentials that pass somewhere, and whom they are shown for."""
    return {
        "API key": (door.keys["all"], "berta"),
        "token, own subject": (signed(), "anna"),
        "token, another customer": (signed(), "berta"),
    }


def expected(method: str, scope: str, *, is_token: bool, is_own: bool) -> str:
    """What the rules say, said apart from the code that keeps them."""
    asked = {
        "RecommendationService": "recommend",
        "EventService": "events",
        "CatalogService": "catalog",
        "CustomerService": "customers",
        "ModelService": "models",
    }[method.partition("/")[0]]
    if scope not in {asked, "all"}:
        return LACKS
    if not is_token:
        return PASSES
    name = method.partition("/")[2]
    if asked == "models" or name == "LinkVisitor":
        return LACKS
    if asked == "catalog":
        return PASSES if name.startswith(("Get", "List", "BatchGet")) else LACKS
    return PASSES if is_own else OTHERS


def test_what_passes_nowhere(door: Door, unmeasured: None) -> None:  # noqa: ARG001  # a fixture
    """Each of these with each RPC."""
    for name, (credential, outcome) in never(door).items():
        got = {method: call(door.server.channel, method, credential) for method in METHODS}
        assert got == dict.fromkeys(METHODS, outcome), name


@pytest.mark.parametrize("scope", ["all", *Scope])
def test_each_scope_opens_its_own_rpcs(door: Door, scope: str, unmeasured: None) -> None:  # noqa: ARG001  # a fixture
    """For keys of services, and for tokens as far as their own subjects go."""
    words = " ".join(Scope) if scope == "all" else scope
    for name, (credential, is_token, customer_id) in {
        "key": (door.keys[scope], False, "berta"),
        "own": (signed(scope=words), True, "anna"),
        "other": (signed(scope=words.split()), True, "berta"),
    }.items():
        got = {m: call(door.server.channel, m, credential, customer_id) for m in METHODS}
        is_own = customer_id == "anna"
        want = {m: expected(m, scope, is_token=is_token, is_own=is_own) for m in METHODS}
        assert got == want, name


def test_the_documented_tables_are_what_happens(door: Door, unmeasured: None) -> None:  # noqa: ARG001  # a fixture
    """docs/security.md is generated from the calls."""
    lines = ["| Credential | Outcome with every RPC |", "|---|---|"]
    for name, (credential, _) in never(door).items():
        got = {call(door.server.channel, method, credential) for method in METHODS}
        lines.append(f"| {name} | {' / '.join(sorted(got))} |")
    shown = some(door)
    lines += ["", "| RPC | Scope | " + " | ".join(shown) + " |", "|---|---|" + "---|" * len(shown)]
    for method, access in RPCS.items():
        outcomes = [
            call(door.server.channel, method, credential, customer_id)
            for credential, customer_id in shown.values()
        ]
        words = (outcome.removeprefix("PERMISSION_DENIED ") for outcome in outcomes)
        lines.append(f"| `{method}` | `{access.scope}` | {' | '.join(words)} |")
    table = "\n".join(lines)
    assert table in DOCS.read_text(), f"put this into docs/security.md:\n{table}"


def test_health_is_open_and_reflection_is_not(door: Door) -> None:
    """A load balancer has no key; what the API looks like is for who has one."""
    channel = door.server.channel
    health = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert health.status == health_pb2.HealthCheckResponse.SERVING
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
    refused = reflection(iter([asked]), timeout=10)
    assert refused.code() is grpc.StatusCode.UNAUTHENTICATED
    metadata = (("authorization", f"Bearer {door.keys['models']}"),)
    (listed,) = reflection(iter([asked]), timeout=10, metadata=metadata)
    assert listed.list_services_response.service


def test_visitors_and_entries_of_others_are_refused(door: Door) -> None:
    """In a batch as a whole, in a stream from there on; nobody at all is nobody else."""
    target = door.server.target
    with Client(target, token=signed()) as client:
        assert client.recommend(session_id="s").recommendations
        with pytest.raises(ForbiddenError) as caught:
            client.recommend(visitor_id="device")
        assert caught.value.reason == "CUSTOMER_MISMATCH"

        def sent() -> Iterator[events.StreamEventsRequest]:
            for who in ("anna", "berta"):
                shopper = common.Shopper(customer_id=who)
                item = common.LineItem(product_id="milk")
                yield events.StreamEventsRequest(
                    event=events.Event(type=events.EVENT_TYPE_VIEW, shopper=shopper, items=[item])
                )

        answers = client.stream_events(sent())
        assert next(answers).result.outcome == events.EVENT_OUTCOME_ACCEPTED
        with pytest.raises(ForbiddenError):
            next(answers)


def test_keys_and_token_keys_change_without_a_restart(door: Door) -> None:
    """What was revoked is refused in a moment, what is broken changes nothing."""
    channel, method = door.server.channel, "ModelService/ListModels"
    content = door.keys_file.read_bytes()
    key, question = door.keys["models"], "RecommendationService/Recommend"
    assert call(channel, method, key) == PASSES
    left = [one for one in parse_api_keys(content) if one.name != "models"]
    door.keys_file.write_bytes(write_api_keys(left))
    wait_until(lambda: call(channel, method, key) == INVALID)
    door.keys_file.write_bytes(b"{")
    wait_until(lambda: bool(door.server.log.lines("access_file_unusable")))
    assert call(channel, method, door.keys["all"]) == PASSES
    door.keys_file.write_bytes(content)
    wait_until(lambda: call(channel, method, key) == PASSES)
    assert call(channel, question, signed()) == PASSES
    trusted = door.tokens_file.read_text()
    door.tokens_file.write_text(public_key_set(STRANGE))
    wait_until(lambda: call(channel, question, signed(STRANGE)) == PASSES)
    assert call(channel, question, signed()) == INVALID
    door.tokens_file.write_text(trusted)
    wait_until(lambda: call(channel, question, signed()) == PASSES)


def test_keys_of_an_issuer_are_there_from_the_first_call_on(tmp_path: Path) -> None:
    """Where it was down at the start, callers are told to come again, and not that they lie."""
    registry, question = small_registry(tmp_path / "models").root, "RecommendationService/Recommend"
    given: dict[str, Any] = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    with running_issuer(public_key_set(TRUSTED).encode()) as issuer:
        with local_server(registry, **given, jwt_keys_url=issuer.url) as server:
            assert call(server.channel, question, signed()) == PASSES
            assert call(server.channel, question, signed(STRANGE)) == INVALID
        issuer.status = 503
        with (
            local_server(registry, **given, jwt_keys_url=issuer.url) as server,
            Client(server.target, token=signed(), deadline_seconds=5) as client,
        ):
            with pytest.raises(UnavailableError) as caught:
                client.recommend("anna")
            assert caught.value.reason == "WARMING_UP"
            assert call(server.channel, question, "nonsense") == INVALID
            issuer.status = 200
            assert server.worker.access.tokens is not None
            server.worker.access.tokens.fetch()
            assert client.recommend("anna").recommendations


def test_the_log_says_who_called_and_nothing_of_what_they_showed(door: Door) -> None:
    """Neither of what was believed nor of what was not; the client is told as little."""
    channel, method = door.server.channel, "RecommendationService/Recommend"
    token = signed()
    shown = [door.keys["all"], door.keys["revoked"], token, "nonsense-of-a-caller"]
    for credential in shown:
        call(channel, method, credential)
    with (
        Client(door.server.target, token="nonsense-of-a-caller") as client,  # noqa: S106  # to be refused
        pytest.raises(CredentialError) as caught,
    ):
        client.list_models()
    assert "nonsense" not in str(caught.value)
    door.server.log.logger.flush()
    lines = door.server.log.lines("request")
    assert {"all", "shopper"} <= {line.get("caller") for line in lines}
    assert "CREDENTIAL_INVALID" in {line.get("reason") for line in lines}
    for part in [*shown, *token.split("."), door.keys["all"].split("_", 2)[2]]:
        assert part not in door.server.log.text
