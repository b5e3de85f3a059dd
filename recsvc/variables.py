"""Variables that look like settings and are none: a slip of the pen, or of another release."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from recsvc.settings.base import PREFIX
from recsvc.settings.server import ServerSettings
from recsvc.settings.target import TargetSettings

_OTHERS: Final = frozenset(
    {"KEEP_MODELS", "METRICS_DIR", "READY_FD", "WORKER_INDEX", "WORKER_REPLACES", "WORKER_SLOT"}
)
"""Those of the trainer, and what a supervisor tells its workers."""

# Kubernetes tells each container of the services of its namespace, one of which may be ``recsvc``.
_SERVICE: Final = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_|$)")
_SERVICE_VALUE: Final = re.compile(r"(tcp|udp|sctp)://")
_SERVICE_PORT: Final = re.compile(r"_PORT_\d+_[A-Z]+(_|$)")


def unknown_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Find the ``RECSVC_*`` variables that nobody reads.

    A release that is older than its configuration, or newer, starts with it all the same: what it
    does not know is left aside. Values are not looked at but to know those of Kubernetes.

    Args:
        environment: of the process.

    Yields:
        The name of each, and what may be meant instead, in a few words.
    """
    known = _known()
    for name, value in sorted(environment.items()):
        is_ours = name.startswith(PREFIX) and value and name not in known
        if is_ours and not _is_of_kubernetes(name, value):
            near = get_close_matches(name, known, 1, 0.8)
            hint = f"did you mean {near[0]}?" if near else "docs/operations.md lists them"
            yield name, f"this release has no such setting; {hint}"


def _known() -> frozenset[str]:
    fields = {*ServerSettings.model_fields, *TargetSettings.model_fields}
    return frozenset(PREFIX + name for name in {name.upper() for name in fields} | _OTHERS)


def _is_of_kubernetes(name: str, value: str) -> bool:
    return bool(_SERVICE.search(name) or _SERVICE_PORT.search(name) or _SERVICE_VALUE.match(value))
