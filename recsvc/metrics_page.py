"""The page that the numbers of all workers are read from."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from recsvc.errors import SettingsError
from recsvc.metrics import NOT_SHARED, WHAT_IS_NOT_SHARED
from recsvc.settings.addresses import join_address, split_address
from recsvc.shared_numbers import added_up, forget_present, has_told


class MetricsPage(Collector):
    """The Prometheus page over all workers, and what the supervisor counts itself.

    Args:
        directory: of the workers' numbers; None, there is no room for one.

    Attributes:
        directory: likewise.
        address: ``HOST:PORT`` of the page, ``""`` where it is off.
    """

    def __init__(self, directory: Path | None) -> None:
        self.directory = directory
        self.address = ""
        self._n_exits = 0
        self._ready: set[int] = set()

    def collect(self) -> Iterator[Metric]:
        """Every number, as of now."""
        yield CounterMetricFamily(
            "recsvc_worker_exits",
            "Workers that ended unasked, and were started again.",
            value=self._n_exits,
        )
        directory = self.directory
        # Who has no room for any number cannot tell of that either.
        is_silent = directory is None or any(
            not has_told(directory, slot) for slot in tuple(self._ready)
        )
        if is_silent:
            yield GaugeMetricFamily(NOT_SHARED, WHAT_IS_NOT_SHARED, value=1)
        if directory is not None:
            for metric in added_up(directory):
                if not (is_silent and metric.name == NOT_SHARED):
                    yield metric

    def expect(self, slot: int) -> None:
        """Take note of a worker that is ready: it has written its numbers, if it could."""
        self._ready.add(slot)

    def count_exit(self) -> None:
        """Count a worker that ended unasked."""
        self._n_exits += 1

    def forget(self, slot: int) -> None:
        """Leave a worker that has ended out of the numbers that tell of the present."""
        self._ready.discard(slot)
        if self.directory is not None:
            forget_present(self.directory, slot)


@contextmanager
def metrics_page(listen: str) -> Iterator[MetricsPage]:
    """Serve the sum of all workers' metrics over HTTP, from a thread.

    Args:
        listen: ``HOST:PORT``; ``""`` gives the workers their folder and serves nothing.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    with _directory() as directory:
        page = MetricsPage(directory)
        if not listen:
            yield page
            return
        host, port = split_address(listen)
        registry = CollectorRegistry()
        registry.register(page)
        try:
            server, thread = start_http_server(port, host, registry)
        except OSError as error:
            raise SettingsError(
                f"RECSVC_METRICS_LISTEN / --metrics-listen: cannot listen on {listen} "
                f"({error.strerror}); choose another port, or 'off'"
            ) from error
        page.address = join_address(host, server.server_port)
        try:
            yield page
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@contextmanager
def _directory() -> Iterator[Path | None]:
    """A folder for the workers' numbers while the service runs; None where there is no room."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(tempfile.TemporaryDirectory(prefix="recsvc-metrics-"))
        except OSError:  # also where no folder for temporary files can be written to
            yield None
        else:
            yield Path(made)
