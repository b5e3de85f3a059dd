"""What is said of certificates before they are used."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from recsvc.access.certificates import identity_reader
from recsvc.access.watched import NamedFile
from recsvc.errors import SettingsError
from tests.certificates import DAY, signed_pair

NOW = datetime.now(UTC)
CERT, KEY, ROOTS = (
    NamedFile(f"RECSVC_TLS_{name}", Path(name)) for name in ("CERT", "KEY", "CLIENT_CA")
)
AUTHORITY = signed_pair("authority", end=NOW + 90 * DAY)
PAIR = signed_pair("shop", AUTHORITY, end=NOW + 20 * DAY)
OTHER = signed_pair("other", AUTHORITY)
# Neither the kind of key nor the version is one that anybody knows.
ODD_KEY = PAIR.with_other("2a8648ce3d0201", "2a8648ce3d0203")
ODD_VERSION = PAIR.with_other("a003020102", "a003020159")
OLD = signed_pair("old", AUTHORITY, start=NOW - 9 * DAY, end=NOW - timedelta(hours=1))
EARLY = signed_pair("early", AUTHORITY, start=NOW + DAY, end=NOW + 9 * DAY)

read = identity_reader(CERT, KEY, ROOTS, lambda: NOW)


def test_a_good_pair_says_whom_it_is_for_and_until_when() -> None:
    """The earliest end of the chain counts."""
    identity = read(PAIR.pem + AUTHORITY.pem, PAIR.key_pem(), AUTHORITY.pem)
    assert identity.names == ("localhost", "127.0.0.1")
    assert abs(identity.valid_until - (NOW + 20 * DAY)) < timedelta(seconds=1)
    assert identity.client_ca == AUTHORITY.pem
    bare = signed_pair("bare", AUTHORITY, is_named=False)
    assert identity.clients_until == AUTHORITY.certificate.not_valid_after_utc
    assert not identity.faults
    alone = identity_reader(CERT, KEY, None, lambda: NOW)(bare.pem, bare.key_pem())
    assert (alone.names, alone.client_ca) == ((), None)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (lambda: (b"nonsense", PAIR.key_pem()), "CERT cannot be used: it holds no certificate"),
        (lambda: (ODD_KEY, PAIR.key_pem()), "CERT cannot be used: a certificate in it cannot be"),
        (lambda: (ODD_VERSION, PAIR.key_pem()), "CERT cannot be used: .*89 is not a valid X509"),
        (lambda: (PAIR.pem, b"nonsense"), "KEY cannot be used: it holds no private key"),
        (lambda: (PAIR.pem, PAIR.pem), "KEY cannot be used: it holds no private key"),
        (lambda: (PAIR.pem, PAIR.key_pem(b"hush")), "the key is encrypted"),
        (lambda: (PAIR.pem, OTHER.key_pem()), "does not belong to the certificate of CERT"),
        (lambda: (OLD.pem, OLD.key_pem()), r"CN=old expired on \d{4}-\d\d-\d\d \d\d:\d\d UTC"),
        (lambda: (EARLY.pem, EARLY.key_pem()), "CN=early does not hold before"),
        (lambda: (PAIR.pem + OLD.pem, PAIR.key_pem()), "CN=old expired"),
        (lambda: (PAIR.pem, PAIR.key_pem(), b"x"), "CLIENT_CA cannot be used: it holds no cert"),
        (lambda: (PAIR.pem, PAIR.key_pem(), OLD.pem), "CLIENT_CA cannot be used: .*CN=old expired"),
    ],
)
def test_what_gRPC_would_hide_is_said(files: Callable[[], tuple[bytes, ...]], said: str) -> None:  # noqa: N802  # its name
    """Which file, what about it, and what to do; never a word of a key."""
    with pytest.raises(SettingsError, match=said) as caught:
        read(*files())
    assert "PRIVATE KEY-----M" not in str(caught.value)


def test_what_does_not_hold_now_may_be_told_and_taken() -> None:
    """Each certificate that does not; what cannot be read is refused all the same."""
    content = PAIR.pem + OLD.pem, PAIR.key_pem(), EARLY.pem
    lenient = identity_reader(CERT, KEY, ROOTS, lambda: NOW, must_hold=False)
    identity = lenient(*content)
    assert identity.chain == PAIR.pem + OLD.pem
    assert len(identity.faults) == 2
    assert "CN=old expired on" in identity.faults[0]
    assert "CN=early does not hold before" in identity.faults[1]
    with pytest.raises(SettingsError) as caught:
        read(*content)
    assert str(caught.value) == identity.faults[0]
    with pytest.raises(SettingsError, match="does not belong to the certificate"):
        lenient(OLD.pem, PAIR.key_pem(), AUTHORITY.pem)
