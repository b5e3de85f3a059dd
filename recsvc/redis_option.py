"""``--redis``: the address of a Redis, on command lines of the service and of the trainer."""

import re
from urllib.parse import parse_qsl

import typer

from recsvc.errors import SettingsError


def without_password(
    context: typer.Context, option: typer.CallbackParam, url: str | None
) -> str | None:
    """Refuse a password that was typed; one in the environment is seen by its user alone.

    A callback of options.

    Raises:
        SettingsError: it has one; the password is not in the message.
    """
    source = context.get_parameter_source(option.name or "")
    if url is not None and holds_password(url) and (not source or source.name != "ENVIRONMENT"):
        raise SettingsError(
            "--redis: a password on the command line is seen by everybody on this machine; set "
            "RECSVC_REDIS_URL to the whole URL instead"
        )
    return url


def holds_password(url: str) -> bool:
    """Whether a password is in a URL of redis-py, or may be.

    It may hold characters that should have been encoded, so that an ``@`` counts wherever it is:
    that of another option after the ``?`` is written ``%40``.
    """
    rest = re.sub(r"^[A-Za-z]+://", "", url)
    user = "" if rest.startswith("/") else rest.rpartition("@")[0]  # a path may have any character
    options = parse_qsl(rest.partition("?")[2])
    return bool(user.partition(":")[2]) or any("password" in name.lower() for name, _ in options)
