"""Small artifacts to test with."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsvc.artifacts.format import Manifest, write_artifact
from recsvc.artifacts.registry import Registry

NOW = datetime(2026, 11, 22, 5, 30, tzinfo=UTC)


class Facts(NamedTuple):
    """What a manifest says beside its names and files."""

    train_time: datetime = NOW
    code_version: str = "0.1.0"
    parameters: dict[str, Any] = {"n_factors": 64, "regularization": 0.1, "sources": ["als"]}  # noqa: RUF012  # never written to
    metrics: dict[str, Any] = {"ndcg_at_10": {"all": 0.4, "new": 1e-05}}  # noqa: RUF012  # never written to
    data: dict[str, Any] = {"events_sha256": "0f", "n_rows": 3, "title": "Brot für Zürich"}  # noqa: RUF012  # never written to


def sample_arrays(name: str = "bread") -> dict[str, npt.NDArray[Any]]:
    """Return one array of each layout that training writes, one of them with a word of yours."""
    return {
        "items.ids": np.array([name, "milk", "Käse"]),
        "items.factors": np.asfortranarray(np.arange(6, dtype=np.float32).reshape(3, 2)),
        "places.store.indptr": np.array([0, 2, 3], dtype=np.int32),
        "places.cell.data": np.empty(0, dtype=np.float32),
    }


def write_sample(directory: Path, facts: Facts | None = None, version_id: str = "v1") -> Manifest:
    """Write the sample arrays as an artifact."""
    return write_artifact(
        directory,
        sample_arrays(),
        model_id="demo",
        version_id=version_id,
        **(facts or Facts())._asdict(),
    )


def publish_sample(
    registry: Registry, day: int = 0, version_id: str | None = None, name: str = "bread"
) -> str:
    """Publish the sample arrays as trained some days after ``NOW``; return the version id."""
    facts = Facts(train_time=NOW + timedelta(days=day))
    return registry.publish(
        sample_arrays(name), model_id="demo", version_id=version_id, **facts._asdict()
    ).version_id


def without_seal(text: str) -> dict[str, Any]:
    """Return a manifest's fields for a test to change."""
    document: dict[str, Any] = json.loads(text)
    del document["manifest_sha256"]
    return document
