"""The certificate that a server shows, its key, and whose clients it believes: checked before use.

Of a pair that it cannot use gRPC says only that a handshake failed; here it is said in words.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from recsvc.access.watched import NamedFile
from recsvc.errors import SettingsError


class Identity(NamedTuple):
    """What a side of TLS shows and believes, all as PEM.

    Attributes:
        chain: the certificate, and those between it and its root.
        key: the private key.
        client_ca: roots of the clients' certificates; None, clients show none.
        names: whom the certificate is for.
        valid_until: the end of the first certificate of the chain that ends.
        clients_until: that of the first root that ends; None, clients show none.
        faults: which of all these do not hold now, and what to do, a sentence each.
    """

    chain: bytes
    key: bytes
    client_ca: bytes | None
    names: tuple[str, ...]
    valid_until: datetime
    clients_until: datetime | None = None
    faults: tuple[str, ...] = ()


def identity_reader(
    cert: NamedFile,
    key: NamedFile,
    client_ca: NamedFile | None,
    now: Callable[[], datetime],
    *,
    must_hold: bool = True,
) -> Callable[..., Identity]:
    """Return what makes an :class:`Identity` of the contents of these files.

    Args:
        cert: the chain, as PEM; the server's own certificate comes first.
        key: its private key, as PEM without a password.
        client_ca: roots of the clients' certificates, as PEM.
        now: the time, with a zone.
        must_hold: refuse certificates that have expired, or do not hold yet; else they are among
            the faults.
    """

    def read(chain: bytes, secret: bytes, roots: bytes | None = None) -> Identity:
        with _readable(cert):
            certificates = _certificates(cert, chain)
            public = _public(certificates[0].public_key())
            names = _names(certificates[0])
            faults = list(_faults(cert, certificates, now()))
            valid_until = _end(certificates)
        _check_key(key, secret, public, cert)
        clients_until = None
        if client_ca is not None and roots is not None:
            with _readable(client_ca):
                authorities = _certificates(client_ca, roots)
                faults += _faults(client_ca, authorities, now())
                clients_until = _end(authorities)
        if must_hold and faults:
            raise SettingsError(faults[0])
        return Identity(chain, secret, roots, names, valid_until, clients_until, tuple(faults))

    return read


@contextmanager
def _readable(file: NamedFile) -> Iterator[None]:
    """Certificates are read part by part, and each part may turn out to be odd."""
    try:
        yield
    except _ODD as error:
        raise file.unusable(
            f"a certificate in it cannot be read ({error}); give one of RSA or of the curve P-256"
        ) from error


_ODD = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
"""What the library says of parts; they have no class in common."""


def _certificates(file: NamedFile, content: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError as error:
        raise file.unusable("it holds no certificate in PEM (-----BEGIN CERTIFICATE-----)") from (
            error
        )


def _check_key(file: NamedFile, content: bytes, public: bytes, cert: NamedFile) -> None:
    try:
        key = load_pem_private_key(content, password=None)
    except TypeError as error:  # what the library says of a password
        raise file.unusable("the key is encrypted; give one without a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise file.unusable("it holds no private key in PEM (-----BEGIN PRIVATE KEY-----)") from (
            error
        )
    if _public(key.public_key()) != public:
        raise file.unusable(
            f"the key does not belong to the certificate of {cert.path}; give the two that were "
            "made together"
        )


def _public(key: object) -> bytes:
    encoded: bytes = key.public_bytes(  # type: ignore[attr-defined]  # all public keys have it, and no class in common
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def _faults(file: NamedFile, certificates: list[x509.Certificate], now: datetime) -> Iterator[str]:
    """What is said of those that do not hold now."""
    for certificate in certificates:
        if certificate.not_valid_after_utc <= now:
            when = f"expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC"
        elif certificate.not_valid_before_utc > now:
            when = f"does not hold before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC"
        else:
            continue
        whose = certificate.subject.rfc4514_string() or "without a subject"
        yield str(file.unusable(f"the certificate {whose} {when}; give one that holds now"))


def _end(certificates: list[x509.Certificate]) -> datetime:
    return min(certificate.not_valid_after_utc for certificate in certificates)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    addresses = map(str, found.value.get_values_for_type(x509.IPAddress))
    return (*found.value.get_values_for_type(x509.DNSName), *addresses)
