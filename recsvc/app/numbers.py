"""A worker's numbers, in the files that its supervisor adds up."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from recsvc.logs import Logger
from recsvc.metrics import Metrics
from recsvc.shared_numbers import SharedNumbers

_DIRECTORY, _SLOT = "RECSVC_METRICS_DIR", "RECSVC_WORKER_SLOT"

_BEHIND = (
    "the page of the metrics lacks what this process counts until it can be written, which is "
    "tried again and again; nothing else does: make room in TMPDIR"
)
_NO_FOLDER = (
    "the service had no room for a folder when it was started, and the page of the metrics lacks "
    "what its processes count; nothing else does: make room in TMPDIR, and start it again"
)
_UNKNOWN = (
    "it is not the prometheus_client that is known, and the page of the metrics lacks all numbers: "
    "install the release of requirements.lock"
)


def shared_numbers(logger: Logger) -> SharedNumbers | None:
    """Have the metrics that are made from now on in files, as the supervisor has told where.

    Returns:
        The numbers; None where they stay in this process.
    """
    directory = os.environ.get(_DIRECTORY, "")
    if not directory:
        logger.warning("metrics_not_shared", hint=_NO_FOLDER)
        return None
    numbers = SharedNumbers(Path(directory), int(os.environ[_SLOT]))
    if not numbers.share():
        logger.warning("metrics_not_shared", hint=_UNKNOWN)
        return None
    return numbers


def writer(numbers: SharedNumbers | None, metrics: Metrics, logger: Logger) -> Callable[[], object]:
    """What writes to the files whatever has changed, and says if it cannot.

    Args:
        numbers: of this process.
        metrics: whose numbers they are.
        logger: told when the files come to be behind, and when they no longer are.
    """

    def tell(problem: OSError | None) -> None:
        metrics.not_shared.set(problem is not None)
        if problem is None:
            logger.info("metrics_shared")
        else:
            logger.warning("metrics_not_shared", error=str(problem), hint=_BEHIND)

    return (lambda: None) if numbers is None else partial(numbers.sync, tell)
