"""TLS as gRPC wants it, with a certificate that may change while the server runs."""

from typing import TYPE_CHECKING

import grpc

from recsvc.access.watched import Watched

if TYPE_CHECKING:  # its libraries are for who has TLS
    from recsvc.access.certificates import Identity


class Shown:
    """Gives gRPC, which asks before each handshake, what has changed since it asked last.

    Args:
        identity: what is to be shown.
    """

    def __init__(self, identity: "Watched[Identity]") -> None:
        self._identity = identity
        self._shown = identity.value

    def first(self) -> grpc.ServerCertificateConfiguration:
        """What is shown to begin with."""
        return _configuration(self._shown)

    def __call__(self) -> grpc.ServerCertificateConfiguration | None:
        """What is shown from now on; None, what was shown before."""
        current = self._identity.value
        if current is self._shown:
            return None
        self._shown = current
        return _configuration(current)


def server_credentials(identity: "Watched[Identity]") -> grpc.ServerCredentials:
    """Return what a port is opened with; each new connection is shown the certificate of then.

    Whether clients are asked for a certificate stays as it is now, whatever the files say later.
    """
    shown = Shown(identity)
    return grpc.dynamic_ssl_server_credentials(
        shown.first(),
        shown,  # type: ignore[arg-type]  # its types know no None, which its documentation asks for
        require_client_authentication=identity.value.client_ca is not None,
    )


def _configuration(identity: "Identity") -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(identity.key, identity.chain)], root_certificates=identity.client_ca
    )
