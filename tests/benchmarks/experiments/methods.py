"""Ways to look at an experiment more than once: what each costs, and when it breaks.

An estimate that grows surer is Brownian motion in its information, whatever the metric, so that is
what is simulated. Sizes are multiples of what a test of one look needs.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm

from training.experiments.moments import Float
from training.experiments.power import LOOKS
from training.experiments.sequential import Mixture

ALPHA, POWER = 0.05, 0.8
PATHS = 20_000
DRIFT = float(norm.ppf(1 - ALPHA / 2) + norm.ppf(POWER))
"""The lift, in standard errors at the size that a test of one look needs."""

Bound = Callable[[Float], Float]
"""From sizes so far to the standard errors that call a lift."""


def methods(size: float) -> Mapping[str, Bound]:
    """Each method, planned for so many times the size of one look."""
    mixture = Mixture.for_lift(float(np.expm1(DRIFT)), ALPHA)
    flat = _flat()
    return {
        "one look, looked at every day": lambda sizes: np.full(len(sizes), norm.ppf(1 - ALPHA / 2)),
        "Bonferroni over the looks": lambda sizes: np.full(
            len(sizes), norm.ppf(1 - ALPHA / 2 / LOOKS)
        ),
        "O'Brien-Fleming": lambda sizes: flat / np.sqrt(np.minimum(sizes / size, 1.0)),
        "normal mixture": lambda sizes: mixture.bound(1 / sizes) * np.sqrt(sizes),
    }


def compare() -> dict[str, dict[str, float]]:
    """What every method needs, and how often it raises a false alarm."""
    found = {}
    for name in methods(1.0):
        size = float(brentq(lambda size, of=name: _power(of, size) - POWER, 0.5, 8, xtol=1e-3))
        if name.startswith("one look"):
            size = 1.0
        found[name] = {
            "size": size,
            "mean_size_with_the_lift": _mean_size(name, size, DRIFT),
            "mean_size_with_twice_the_lift": _mean_size(name, size, 2 * DRIFT),
            "false_alarms": _called(name, size, LOOKS, 1.0),
            "false_alarms_looked_at_every_hour": _called(name, size, 24 * LOOKS, 1.0),
            "false_alarms_run_on_twice_as_long": _called(name, size, 2 * LOOKS, 2.0),
        }
    return found


def _paths(looks: int, length: float, drift: float) -> tuple[Float, Float]:
    """Sizes, and z-values of many experiments at each of them."""
    sizes = np.arange(1, looks + 1) / looks * length
    random = np.random.default_rng(0)
    walks = np.zeros((PATHS, looks), np.float32)
    random.standard_normal(out=walks, dtype=np.float32)
    walks *= np.float32(np.sqrt(length / looks))
    np.cumsum(walks, axis=1, out=walks)
    z: Float = (walks + drift * sizes) / np.sqrt(sizes)
    return sizes, z


def _power(name: str, size: float) -> float:
    sizes, z = _paths(LOOKS, size, DRIFT)
    return float((np.abs(z) > methods(size)[name](sizes)).any(axis=1).mean())


def _mean_size(name: str, size: float, drift: float) -> float:
    sizes, z = _paths(LOOKS, size, drift)
    is_called = np.abs(z) > methods(size)[name](sizes)
    return float(np.where(is_called.any(axis=1), sizes[is_called.argmax(axis=1)], size).mean())


def _called(name: str, size: float, looks: int, longer: float) -> float:
    sizes, z = _paths(looks, size * longer, 0.0)
    return float((np.abs(z) > methods(size)[name](sizes)).any(axis=1).mean())


def _flat() -> float:
    """The flat bound on Brownian motion that ``ALPHA`` of the paths cross."""
    sizes, z = _paths(LOOKS, 1.0, 0.0)
    return float(np.quantile(np.abs(z * np.sqrt(sizes)).max(axis=1), 1 - ALPHA))
