"""What all tests share."""

from hypothesis import HealthCheck, settings

# How long an example takes is the machine's business: with other work on its cores any
# deadline fails now and then, and says nothing of the code.
settings.register_profile(
    "shared-machine",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,  # the coverage gate must not depend on luck
)
settings.load_profile("shared-machine")
