"""Certificates for tests: an authority of their own, and what it signs."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM)

    def with_other(self, part: str, other: str) -> bytes:
        """The certificate with some of its bytes exchanged, both given in hexadecimal."""
        content = self.certificate.public_bytes(Encoding.DER)
        odd = content.replace(bytes.fromhex(part), bytes.fromhex(other), 1)
        return ssl.DER_cert_to_PEM_cert(odd).encode()

    def key_pem(self, password: bytes = b"") -> bytes:
        """The key."""
        how: KeySerializationEncryption = NoEncryption()
        if password:
            how = BestAvailableEncryption(password)
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)

    def write(self, directory: Path) -> tuple[Path, Path]:
        """Put both into a folder, as ``tls.crt`` and ``tls.key``."""
        cert, key = directory / "tls.crt", directory / "tls.key"
        cert.write_bytes(self.pem)
        key.write_bytes(self.key_pem())
        return cert, key


def signed_pair(
    name: str,
    by: Pair | None = None,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    is_named: bool = True,
) -> Pair:
    """A pair, signed by an authority or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if by is None else by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start or now - DAY)
        .not_valid_after(end or now + 30 * DAY)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if is_named:
        names: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Pair(builder.sign(key if by is None else by.key, SHA256()), key)
