"""Who competes, in which environment."""

import hashlib
import json
import platform
from dataclasses import dataclass
from pathlib import Path

OURS = "recsvc"
_POLARS = "polars==2.1.0"  # reads and writes the files
# Where the registry offers none without CUDA under this number, it brings several GB.
_TORCH = "torch==2.13.0"

ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "implicit": ("implicit==0.7.3", _POLARS),
    "RecTools": ("RecTools==0.19.0", _POLARS),
    # The last one for Python 3.11; those of 2026 need 3.12.5.
    "LensKit": ("lenskit==2025.8.1", _TORCH, _POLARS),
    # Does not name what it imports.
    "LibRecommender": (
        "LibRecommender==1.5.2",
        "pandas==2.3.3",
        "scikit-learn==1.8.0",
        "tensorflow-cpu==2.21.0",
        _TORCH,
        _POLARS,
    ),
}
"""Packages by environment; those that are not here run in the project's own."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row of the tables.

    Attributes:
        library: whose it is.
        model: which of the library's; known to the module.
        module: in ``peers``, what runs it.
        can_hide: its library leaves out what the customer bought unless told otherwise,
            or asks each time.
    """

    library: str
    model: str
    module: str
    can_hide: bool

    @property
    def name(self) -> str:
        """As in the tables."""
        return f"{self.library} {self.model}"

    @property
    def packages(self) -> tuple[str, ...]:
        """What its environment needs; empty for the project's own."""
        return ENVIRONMENTS.get(self.library, ())


def _all(library: str, module: str, *models: str, can_hide: bool = True) -> list[Contestant]:
    return [Contestant(library, model, module, can_hide) for model in models]


CONTESTANTS: tuple[Contestant, ...] = (
    *_all(OURS, "recsvc_cli", "balanced", "fast", can_hide=False),
    *_all("baseline", "baselines", "popularity", "own frequency", can_hide=False),
    *_all("implicit", "implicit_models", "ALS", "BPR", "BM25", "TF-IDF", "cosine"),
    *_all("RecTools", "rectools_models", "popular", "EASE", "PureSVD", "item kNN", "ALS"),
    *_all("LensKit", "lenskit_models", "implicit MF", "item kNN", "user kNN", "EASE"),
    *_all("LibRecommender", "libreco_models", "ALS", "item CF", "user CF"),
)


def key(contestant: Contestant, data_digest: str, root: Path) -> str:
    """Changes when the result may: data, versions, parameters, or our code for our own.

    Args:
        contestant: whose result.
        data_digest: of the data set.
        root: the checkout.
    """
    peers = Path(__file__).parent / "peers"
    sources = [peers / "purchases.py", peers / f"{contestant.module}.py"]
    if contestant.library == OURS:
        for folder in ("recsvc", "training"):
            sources += sorted((root / folder).rglob("*.py"))
    runtime = contestant.packages or (platform.python_version(),)
    used = [data_digest, contestant.model, *runtime]
    used += [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources]
    return hashlib.sha256(json.dumps(used).encode()).hexdigest()[:16]
