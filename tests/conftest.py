"""What all tests share."""

import gc
from collections.abc import Iterator

import pytest
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


@pytest.fixture(autouse=True, scope="module")
def _files_are_closed() -> Iterator[None]:
    """Let go of the models of a module's tests: each keeps a hundred files open.

    Test benches hold themselves through the clocks that they lend, and wait for the collector; with
    more than 1,024 files open the tests that use select() would fail for it.
    """
    yield
    gc.collect()
