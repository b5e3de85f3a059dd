"""Builds the Redis client: a URL that is checked, and waits that a request can afford."""

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.connection import Connection, parse_url
from redis.retry import Retry

from recsvc.errors import SettingsError
from recsvc.store.waits import IN_TIME

_EXAMPLE = "redis://localhost:6379/0"
_SCHEMES = ("redis://", "rediss://", "unix://")


def redacted(url: str) -> str:
    """Return ``url`` without user, password, query and fragment, fit for logs and messages.

    A password may hold any character that should have been encoded in it, so everything up to
    the last ``@`` goes; where that could be the query's, there is nothing else to show.
    """
    scheme = _scheme(url)
    before, at, after = url.removeprefix(scheme).rpartition("@")
    if re.search(r"[?#]", before):
        return f"{scheme}***"
    return scheme + at.replace("@", "***@") + re.split(r"[?#]", after)[0]


def connect(
    url: str,
    *,
    connect_timeout_seconds: float = 0.1,
    socket_timeout_seconds: float = 0.1,
    max_connections: int = 32,
) -> redis.Redis:
    """Build a client; nothing is sent until it is first used.

    There is no retry: redis-py's default would block a request for seconds while the server is
    down, and a connection that the server closed while it was idle is replaced by the pool anyway.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://``; its query may name further options of
            redis-py, ``?socket_timeout=0.5``.
        connect_timeout_seconds: longest wait for a connection.
        socket_timeout_seconds: longest wait for a reply, or for a free connection of the pool.
        max_connections: size of the pool; at least as many as threads that call.

    Returns:
        A thread-safe client that answers in bytes.

    Raises:
        SettingsError: the URL cannot name a Redis.
    """
    options: dict[str, Any] = {
        "socket_connect_timeout": connect_timeout_seconds,
        "socket_timeout": socket_timeout_seconds,
        "timeout": socket_timeout_seconds,
        "max_connections": max_connections,
        **_parse(url),
        "retry": Retry(NoBackoff(), 0),
        "decode_responses": False,
        # RESP2 answers GET and SET just the same and saves a round trip on every new connection.
        "protocol": 2,
    }
    try:
        pool = redis.BlockingConnectionPool(**options)
        # Options are only read when a connection is built, so build one here, unconnected:
        # a misspelt one must fail at start-up, not in the first request.
        pool.connection_class(**pool.connection_kwargs)
    except (TypeError, ValueError, redis.RedisError) as error:
        raise _unusable(url, _bad_options(url)) from error
    return redis.Redis.from_pool(pool)


def _parse(url: str) -> dict[str, Any]:
    """Return redis-py's options of a URL, refusing what redis-py would silently ignore."""
    if _scheme(url) not in _SCHEMES:
        raise _unusable(url, "it begins otherwise")
    try:
        parts = urlsplit(url)
        _ = parts.port  # read, and checked, at the first use
    except ValueError as error:
        raise _unusable(
            url,
            "its host and port cannot be read; write / : @ ? # % of a password "
            "as %2F %3A %40 %3F %23 %25",
        ) from error
    try:
        options: dict[str, Any] = parse_url(url)
    except ValueError as error:
        raise _unusable(url, _bad_options(url)) from error
    if parts.scheme == "unix":
        if not options.get("path"):
            raise _unusable(url, "it names no socket")
    elif not re.fullmatch(r"/?\d*", parts.path):
        raise _unusable(url, "what follows its host is not a database number")
    kind = options.get("connection_class", Connection)
    options["connection_class"] = IN_TIME.get(kind, kind)
    return options


def _scheme(url: str) -> str:
    """Return what comes before the host, ``""`` where nothing does."""
    start = re.match(r"[A-Za-z]+://", url)
    return start[0] if start else ""


def _bad_options(url: str) -> str:
    """Say which options of a URL may be wrong, without redis-py's words and their values."""
    query = urlsplit(url).query
    if "@" in query:  # part of a password, perhaps
        return "an option after its ? cannot be used"
    names = ", ".join(name for name, _ in parse_qsl(query))
    return f"an option after its ? is unknown or has a value of the wrong kind ({names})"


def _unusable(url: str, why: str) -> SettingsError:
    """Say in one line what is wrong with a URL; ``why`` holds nothing of its secrets."""
    return SettingsError(
        f"RECSVC_REDIS_URL / --redis: cannot use {redacted(url)!r}: {why}; "
        f"give a redis://, rediss:// or unix:// URL, for example {_EXAMPLE}"
    )
