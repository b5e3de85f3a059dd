"""TLS as gRPC wants it, with a certificate that may change while the server runs."""

import grpc

from recsvc.access.certificates import Identity
from recsvc.access.watched import Watched


def server_credentials(identity: Watched[Identity]) -> grpc.ServerCredentials:
    """Return what a port is opened with; each new connection is shown the certificate of then.

    Whether clients are asked for a certificate stays as it is now, whatever the files say later.
    """
    first = identity.value
    shown = [first]

    def newer() -> "grpc.ServerCertificateConfiguration | None":
        current = identity.value
        if current is shown[0]:
            return None
        shown[0] = current
        return _configuration(current)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(first),
        newer,  # type: ignore[arg-type]  # its types know no None, which its documentation asks for
        require_client_authentication=first.client_ca is not None,
    )


def _configuration(identity: Identity) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(identity.key, identity.chain)], root_certificates=identity.client_ca
    )
