"""The typed Python client."""

from recsvc.client.client import AsyncClient, Client
from recsvc.client.target import tls_credentials, token_of

__all__ = ["AsyncClient", "Client", "tls_credentials", "token_of"]
