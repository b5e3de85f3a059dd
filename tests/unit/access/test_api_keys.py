"""Keys of services, the file that they lie in, and how one is found."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recsvc.access import key_ring
from recsvc.access.api_keys import PREFIX, digest_of, new_key, parse_api_keys, write_api_keys
from recsvc.access.key_ring import KeyRing, ring_of
from recsvc.access.keys_file import change_keys_file, read_keys_file
from recsvc.access.scopes import Scope
from recsvc.access.watched import NamedFile
from recsvc.errors import CredentialError, InputError, SettingsError

NOW = datetime(2026, 4, 1, tzinfo=UTC)
KEY, SECRET = new_key("web", [Scope.RECOMMEND, Scope.EVENTS], NOW)
NEXT, NEXT_SECRET = new_key("web", [Scope.RECOMMEND], NOW)


def test_a_key_is_random_and_kept_as_its_digest() -> None:
    """Of what is written, nobody makes the key again."""
    assert SECRET.startswith(f"{PREFIX}{KEY.key_id}_")
    assert len(SECRET.rpartition("_")[0]) < len(SECRET) - 40 or "_" in SECRET[-43:]
    assert SECRET != NEXT_SECRET
    written = write_api_keys([KEY, NEXT])
    assert SECRET.encode() not in written
    assert SECRET[-20:].encode() not in written
    assert parse_api_keys(written) == (KEY, NEXT)


@pytest.mark.parametrize("rate", [0.0, 0.5, 200.0])
def test_a_key_may_have_a_rate_of_its_own(rate: float) -> None:
    """Which is told with what it allows; files of before have none."""
    key, secret = new_key("importer", [Scope.CATALOG], NOW, rate)
    assert parse_api_keys(write_api_keys([key, KEY])) == (key, KEY)
    credential = KeyRing([key, KEY]).credential(secret)
    assert (credential.rate, KeyRing([KEY]).credential(SECRET).rate) == (rate, None)
    assert credential.caller != KeyRing([KEY]).credential(SECRET).caller
    assert b"rate" not in write_api_keys([KEY])


def entry(**changes: object) -> dict[str, object]:
    """A key as the file has it."""
    written = json.loads(write_api_keys([KEY]))["keys"][0]
    return {name: value for name, value in (written | changes).items() if value is not None}


def document(*entries: object, schema: object = 1) -> bytes:
    return json.dumps({"schema": schema, "keys": entries}).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"nonsense", "Expecting value"),
        (b"\xff", "decode"),
        (b"[" * 100_000, "no file of recsvc keys"),
        (b"[]", "no file of recsvc keys"),
        (b'{"schema": 1}', "no file of recsvc keys"),
        (document(schema=2), "of schema 2"),
        (document(entry(), entry()), "two keys with one id"),
        (document(entry(), entry(id="other", scopes=["events"])), "'other' have one sha256"),
        (document(entry(), entry(id="x", sha256=KEY.digest.hex().upper())), "have one sha256"),
        (document(entry(sha256="00")), "no SHA-256"),
        (document(entry(sha256="zz")), "hexadecimal"),
        (document(entry(sha256=None)), "no file of recsvc keys"),
        (document(entry(scopes=5)), "no file of recsvc keys"),
        (document(entry(created="yesterday")), "yesterday"),
        (document("key"), "no file of recsvc keys"),
        (document(entry(rate=-1)), "no number of requests"),
        (document(entry(rate=float("inf"))), "no number of requests"),
        (document(entry(rate="many")), "many"),
        (document(entry(rate=10**400)), "no file of recsvc keys"),
        (document(entry(rate=[])), "no file of recsvc keys"),
    ],
)
def test_a_file_that_is_none_is_refused(content: bytes, said: str) -> None:
    """At the start, with the setting that names it; and by the command that would change it."""
    with pytest.raises(SettingsError, match=said) as caught:
        ring_of(NamedFile("RECSVC_API_KEYS_FILE", Path("keys")), content)
    assert str(caught.value).startswith("RECSVC_API_KEYS_FILE: keys cannot be used")


def test_of_another_schema_little_is_said() -> None:
    """However much the file has there."""
    with pytest.raises(ValueError, match="schema 'xxxx") as caught:
        parse_api_keys(json.dumps({"schema": "x" * 5_000, "keys": []}).encode())
    assert len(str(caught.value)) < 120


def test_a_scope_of_a_later_version_allows_nothing() -> None:
    """It stands in the way of no older server."""
    (key,) = parse_api_keys(document(entry(scopes=["events", "time-travel"])))
    assert key.scopes == {Scope.EVENTS}


def test_several_keys_of_a_service_hold_at_once() -> None:
    """As while it changes from one to the other."""
    ring = KeyRing([KEY, NEXT])
    assert len(ring) == 2
    assert ring.credential(SECRET).scopes == {"recommend", "events"}
    assert ring.credential(NEXT_SECRET).scopes == {"recommend"}
    credential = ring.credential(SECRET)
    assert (credential.customer_id, credential.name) == ("", "web")


@pytest.mark.parametrize(
    "secret",
    [SECRET[:-1], SECRET + "A", PREFIX, "", "\ud800", SECRET.upper()],
    # Keys are new in each process, and all workers must know a test by one name.
    ids=["short", "long", "prefix", "nothing", "half a character", "upper case"],
)
def test_what_is_no_key_is_refused(secret: str) -> None:
    """Without a word of it."""
    with pytest.raises(CredentialError, match="not known here, or was revoked") as caught:
        KeyRing([KEY]).credential(secret)
    assert caught.value.reason == "CREDENTIAL_INVALID"


def test_a_key_is_known_again_by_a_mark_that_nobody_else_can_make(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is hashed once; what is no key each time, and nothing is kept of it."""
    hashed: list[str] = []

    def counting(secret: str) -> bytes:
        hashed.append(secret)
        return digest_of(secret)

    monkeypatch.setattr(key_ring, "digest_of", counting)
    ring, other = KeyRing([KEY, NEXT]), KeyRing([KEY])
    known = [ring.credential(SECRET) for _ in range(3)]
    assert known == [other.credential(SECRET)] * 3
    assert ring.credential(NEXT_SECRET).caller != known[0].caller
    assert hashed == [SECRET, SECRET, NEXT_SECRET]
    for secret in (SECRET + "x", SECRET[:-1], SECRET.upper()) * 2:
        with pytest.raises(CredentialError):
            ring.credential(secret)
    assert len(hashed) == 9
    (mark, _), (others, *_) = ring._marked, other._marked
    assert mark != others
    assert mark not in {digest_of(SECRET)[:16], SECRET.encode()[:16]}


def test_the_whole_digest_counts() -> None:
    """Not only the part that a key is found by."""
    near = KEY.digest[:-1] + bytes([KEY.digest[-1] ^ 1])
    ring = KeyRing(parse_api_keys(document(entry(sha256=near.hex()))))
    with pytest.raises(CredentialError):
        ring.credential(SECRET)
    assert digest_of(SECRET) == KEY.digest


def test_a_file_is_made_for_its_owner_and_stays_readable_for_who_reads_it(tmp_path: Path) -> None:
    """The service may be another user than the one who adds keys."""
    path = tmp_path / "keys.json"
    assert read_keys_file(path) == ()
    change_keys_file(path, lambda keys: (*keys, KEY))
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 1234, 1234)
    (tmp_path / "keys.json.new").write_text("of a command that was killed")
    owner = path.stat().st_uid
    change_keys_file(path, lambda keys: (*keys, NEXT))
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.stat().st_uid == owner
    assert read_keys_file(path) == (KEY, NEXT)
    assert {file.name for file in tmp_path.iterdir()} == {"keys.json", "keys.json.lock"}


def test_a_file_that_cannot_be_read_or_written_is_left_alone(tmp_path: Path) -> None:
    """A mistyped path must not become a file of keys."""
    path = tmp_path / "keys.json"
    path.write_text("something else")
    with pytest.raises(InputError, match="cannot be read as a file of keys"):
        change_keys_file(path, lambda keys: (*keys, KEY))
    assert path.read_text() == "something else"
    with pytest.raises(InputError, match="cannot be written"):
        change_keys_file(tmp_path / "none" / "keys.json", lambda keys: keys)
