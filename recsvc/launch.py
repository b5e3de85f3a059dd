"""Starts the service: one supervisor process, its workers, the metrics page, Valkey.

This process loads no model and no gRPC, so that there is little in it that could fail.
"""

import os
import sys
from collections.abc import Callable

from recsvc.access.binding import check_binding, openness
from recsvc.access.exposure import exposed_files, loose_tokens
from recsvc.artifacts.registry import Registry
from recsvc.logs import Logger
from recsvc.metrics_page import MetricsPage, metrics_page
from recsvc.server.address import reserved
from recsvc.settings.server import ServerSettings
from recsvc.store.embedded import EmbeddedValkey
from recsvc.supervisor import Supervisor
from recsvc.variables import unknown_variables

# -P: what lies in the working directory, which may be anybody's, is no module of a worker.
_WORKER = [sys.executable, "-P", "-m", "recsvc.app.worker"]

# The workers' threads fill the cores already; BLAS threads of their own would only queue.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

# Without gRPC's new listener the thread that hands out calls reads their bytes as well: one thread
# less to wake for each call, and a sixth of what gRPC takes for it (docs/decisions/0026). This is
# how gRPC's own people turn it off.
_GRPC = {
    "GRPC_EXPERIMENTS": "-event_engine_listener",
    # Or each handshake that fails is a line of gRPC's own in the log, as many as strangers like.
    "GRPC_VERBOSITY": "ERROR",
}

EXTRA_GRACE_SECONDS = 10.0
"""So long after the grace a worker is killed that has not ended. One whose threads hang gives up on
all of them, and then writes its last lines and numbers, which it would else take with it; any other
is gone in a moment."""


def serve(settings: ServerSettings, logger: Logger, on_ready: Callable[[str], object]) -> int:
    """Run the service until SIGTERM or SIGINT; call it in the main thread.

    Args:
        settings: everything that can be set.
        logger: told of everything that happens.
        on_ready: called once with the address, when the service answers.

    Returns:
        The exit code: 0 after a signal, 1 if a worker's configuration cannot work.

    Raises:
        SettingsError: the address, the metrics address or the embedded Valkey cannot be used.
        RegistryError: there is no registry.
    """
    check_binding(settings)
    Registry.open(settings.registry).pointer()  # before anything is made beside a wrong path
    with reserved(settings.listen) as address, metrics_page(settings.metrics_listen) as page:
        valkey = None if settings.redis_url else EmbeddedValkey(settings.valkey_dir)
        if page.address:
            logger.info("metrics_listening", url=f"http://{page.address}/metrics")
        for name, hint in unknown_variables(os.environ):
            logger.warning("unknown_setting", variable=name, hint=hint)
        _warn_of_openness(settings, logger)
        supervisor = Supervisor(
            _WORKER,
            settings.workers,
            env=_worker_env(settings, address, valkey, page),
            valkey=valkey,
            on_ready=lambda: on_ready(address),
            on_event=_Events(logger, page),
            grace_seconds=settings.grace_seconds + EXTRA_GRACE_SECONDS,
        )
        return supervisor.run()


def _warn_of_openness(settings: ServerSettings, logger: Logger) -> None:
    """Say what an operator should have meant: it is allowed, and strangers may come of it."""
    for said in exposed_files(settings):
        logger.warning("access_file_exposed", hint=said)
    for said in loose_tokens(settings):
        logger.warning("tokens_of_others", hint=said)
    for event, said in openness(settings):
        logger.warning(event, listen=settings.listen, hint=said)


_ENDS = frozenset({"worker_exited", "worker_replaced", "roll_stopped"})
"""Each tells of a process that is no more; the last one may not have come to start any."""


class _Events:
    """Takes the supervisor's events: a log line each, and the metrics know who is there."""

    def __init__(self, logger: Logger, page: MetricsPage) -> None:
        self._logger = logger
        self._page = page

    def __call__(self, event: str, /, **details: float | str) -> None:
        if event in _ENDS and "slot" in details:
            self._page.forget(int(details["slot"]))
        if event == "worker_ready":
            self._page.expect(int(details["slot"]))
        if event == "worker_exited":
            self._page.count_exit()
        is_warning = "_not_" in event or event.endswith(("_exited", "_killed", "_stopped"))
        log = self._logger.warning if is_warning else self._logger.info
        log(event, **details)


_MAPS_NUMBERS = frozenset({"PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir"})
"""Variables by which prometheus_client maps numbers into files of its own (decision 39)."""


def _worker_env(
    settings: ServerSettings, address: str, valkey: EmbeddedValkey | None, page: MetricsPage
) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name not in _MAPS_NUMBERS}
    env = _ONE_THREAD | _GRPC | inherited | settings.to_env()
    env["RECSVC_LISTEN"] = address
    env["RECSVC_METRICS_DIR"] = "" if page.directory is None else str(page.directory)
    if valkey is not None:
        env["RECSVC_REDIS_URL"] = valkey.url
    return env
