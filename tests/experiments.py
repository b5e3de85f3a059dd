"""Experiments as tests need them."""

from typing import Any

from recsvc.artifacts.experiments import Experiment

CONTROL = {"variant_id": "control", "weight": 0.5}
OTHER = {"variant_id": "other", "weight": 0.5, "model": "v2"}


def experiment(experiment_id: str = "summer", **fields: Any) -> Experiment:
    """An experiment of the current model against ``v2``."""
    given = {"experiment_id": experiment_id, "variants": [CONTROL, OTHER], **fields}
    return Experiment.model_validate(given)
