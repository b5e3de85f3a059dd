"""The typed Python client."""

from recsvc.client.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]
