"""Real models in a tenth of a second: what tests of the registry's business are made with."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from threadpoolctl import threadpool_limits

from recsvc import __version__
from recsvc.artifacts.manifest import Manifest
from recsvc.artifacts.registry import Registry
from tests.purchases import SMALL
from training.build import build_whole
from training.pipeline import MODEL_ID
from training.progress import Reporter
from training.purchases import FitInput, read
from training.settings import TrainingSettings
from training.sources import suitable

QUICK = replace(
    SMALL,
    without=frozenset(
        {"collaborative", "neighbours", "ease", "spectral", "transitions", "like_customers"}
    ),
)
"""Own purchases, popularity and place: what needs no model to be fitted."""


def quick_fit(
    source: FitInput,
    settings: TrainingSettings,
    registry: Registry,
    reporter: Reporter,
    metrics: Mapping[str, Any] = MappingProxyType({}),
) -> Manifest:
    """Fit and publish as ``training.pipeline.fit`` does, with the rankers that need no learning.

    Its metrics are made up, and as they are given.
    """
    registry.prepare()
    with threadpool_limits(1, "blas"):
        purchases = read(source, reporter)
        interactions = purchases.interactions
        sources = suitable(interactions, settings)
        model = build_whole(interactions, purchases.products, sources, settings)
    return registry.publish(
        model.to_arrays(),
        model_id=MODEL_ID,
        train_time=datetime.now(UTC),
        parameters=model.to_parameters(),
        metrics=dict(metrics),
        data={
            "events_sha256": purchases.report.digest,
            "n_interactions": interactions.lines.height,
        },
        code_version=__version__,
    )
