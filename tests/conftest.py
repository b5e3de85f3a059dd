"""What all tests share."""

import gc
from collections.abc import Generator, Iterator

import pytest
from coverage import Coverage
from hypothesis import HealthCheck, settings

# How long an example takes is the machine's business: with other work on its cores any
# deadline fails now and then, and says nothing of the code.
settings.register_profile(
    "shared-machine",
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,  # the coverage gate must not depend on luck
)
# To look further, with other examples each time: pytest --hypothesis-profile=thorough
settings.register_profile(
    "thorough",
    deadline=None,
    max_examples=1_000,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=False,
)
settings.load_profile("shared-machine")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep what all tests need out of the collector's sight.

    The libraries and thousands of tests are some million objects that stay to the end. A full
    collection of them takes a third of a second, and there is one after each module.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="module")
def unmeasured() -> Iterator[None]:
    """Count no lines while a module's tests run, nor in the processes that they start.

    Counting takes about as long again as what is counted. It is for modules that ask the same
    thing hundreds of times, of code that unit tests reach: nothing would be learnt from it.
    """
    stopped = []
    while running := Coverage.current():  # in a worker one lies below the other
        running.stop()
        stopped.append(running)
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield
    for running in reversed(stopped):
        running.start()


@pytest.fixture(autouse=True, scope="module")
def _files_are_closed() -> Iterator[None]:
    """Let go of the models of a module's tests: each keeps a hundred files open.

    Test benches hold themselves through the clocks that they lend, and wait for the collector; with
    more than 1,024 files open the tests that use select() would fail for it.
    """
    yield
    gc.collect()
