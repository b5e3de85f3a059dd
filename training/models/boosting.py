"""Gradient-boosted trees by LightGBM, handed over as tables of the ranking core."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import lightgbm
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, PositiveInt

from recsvc.core.trees import Tree, Trees
from recsvc.errors import InputError
from training.ranges import PositiveShare

SAMPLE = 100_000
"""Rows that deviations are estimated from, about."""
SMALLEST_DEVIATION = 1e-9
"""Below it all rows are alike to a fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoostingSettings:
    """What LightGBM is told; the defaults were measured on two years of purchases.

    Attributes:
        n_rounds: trees of each fit.
        learning_rate: share of each tree's step that is taken.
        n_leaves: most leaves of a tree; above 32 serving needs words of twice the width.
        max_bin: most bins, and so one more than most thresholds, of a feature.
        min_data_in_leaf: fewest rows that a leaf may stand on.
        feature_fraction: share of the features that each tree may use.
        lambda_l2: penalty on the squares of leaf values.
        pairwise: whether there is a second fit, of pairs; it takes twice as long as the first, and
            learns nothing more from a thousand lists.
        truncation: places of a list whose pairs the second fit looks at.
        n_threads: threads of the fit. They wait for each other at every split, so that fits
            side by side are the better use of cores.
    """

    n_rounds: PositiveInt = 80
    learning_rate: PositiveShare = 0.1
    n_leaves: Annotated[int, Field(ge=2, le=64)] = 31
    max_bin: Annotated[int, Field(ge=2, le=255)] = 63
    min_data_in_leaf: PositiveInt = 100
    feature_fraction: PositiveShare = 0.5
    lambda_l2: NonNegativeFloat = 5.0
    pairwise: bool = True
    truncation: PositiveInt = 30
    n_threads: PositiveInt = 1


def fit_trees(
    features: NDArray[np.float32],
    labels: NDArray[np.bool_],
    lengths: NDArray[np.int32],
    settings: BoostingSettings,
    seed: int,
) -> Trees:
    """Fit trees that rank the rows of each list. The same seed gives the same trees.

    They are the mean of two fits: of log-odds, row by row, and of LambdaMART (Burges 2010), which
    looks at what each pair of a list's rows adds to nDCG. The two err differently, and the second,
    whose scale means nothing, is brought to the deviation of the first. Learnt from 1,400 lists the
    mean is no better than the first alone beside a regression (nDCG@10 of new gifts, mean of four
    months, .1444 and .1449; of new groceries .0549 and .0547).

    Args:
        features: shape ``(n, n_features)``, without NaN.
        labels: shape ``(n,)``.
        lengths: shape ``(n_lists,)``: rows of each list, which stand together.
        settings: what LightGBM is told.
        seed: of the choice of features that each tree may use.
    """
    parameters = {
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.n_leaves,
        "max_bin": settings.max_bin,
        "min_data_in_leaf": settings.min_data_in_leaf,
        "feature_fraction": settings.feature_fraction,
        "lambda_l2": settings.lambda_l2,
        "lambdarank_truncation_level": settings.truncation,
        "num_threads": settings.n_threads,
        "seed": seed,
        # Sums in an order of their own for each number of threads would move splits.
        "deterministic": True,
        "force_row_wise": True,
        "use_missing": False,
        "verbosity": -1,
    }
    rows = lightgbm.Dataset(features, labels, group=lengths, params=parameters)

    def fitted(objective: str) -> lightgbm.Booster:
        return lightgbm.train(parameters | {"objective": objective}, rows, settings.n_rounds)

    first = fitted("binary")
    if not settings.pairwise:
        return as_trees((first, 1.0))
    second = fitted("lambdarank")
    sample = features[:: max(1, len(features) // SAMPLE)]
    scale, other = (_deviation(fit, sample, settings.n_threads) for fit in (first, second))
    return as_trees((first, 0.5), (second, 0.5 * scale / max(other, SMALLEST_DEVIATION)))


def _deviation(fitted: lightgbm.Booster, rows: NDArray[np.float32], n_threads: int) -> float:
    # The number of threads is LightGBM's global: left to its default here, it would change under
    # a fit on another thread, which then writes past its buffers.
    scores = fitted.predict(rows, raw_score=True, num_threads=n_threads)
    return float(np.asarray(scores).std())


def as_trees(*shares: tuple[lightgbm.Booster, float]) -> Trees:
    """Tables of fitted boosters, each with its share of what they predict together.

    That is what they predict with ``raw_score=True``, times the shares, summed. One value alone
    differs: LightGBM reads -1e-35, a threshold of its own, as 0.

    Raises:
        InputError: a split is by category or sends missing values a way of their own.
    """
    trees = [
        _as_tree(tree["tree_structure"], share)
        for booster, share in shares
        for tree in booster.dump_model()["tree_info"]
    ]
    return Trees.from_trees(trees, shares[0][0].num_feature())


def _as_tree(root: Mapping[str, Any], share: float) -> Tree:
    nodes: dict[int, Mapping[str, Any]] = {}
    values: dict[int, float] = {}
    pending = [root]
    while pending:
        node = pending.pop()
        if "leaf_value" in node:
            # The only leaf of a tree without splits carries no number.
            values[node.get("leaf_index", 0)] = node["leaf_value"]
            continue
        if (node["decision_type"], node["missing_type"]) != ("<=", "None"):
            raise InputError(
                f"a tree splits by '{node['decision_type']}' with missing values as"
                f" '{node['missing_type']}': fit numbers only, with use_missing=False"
            )
        nodes[node["split_index"]] = node
        pending += node["left_child"], node["right_child"]
    ordered = [nodes[index] for index in range(len(nodes))]
    return Tree(
        np.array([node["split_feature"] for node in ordered], np.int32),
        np.array([node["threshold"] for node in ordered], np.float64),
        np.array([_reference(node["left_child"]) for node in ordered], np.int32),
        np.array([_reference(node["right_child"]) for node in ordered], np.int32),
        np.array([values[index] for index in range(len(values))], np.float64) * share,
    )


def _reference(node: Mapping[str, Any]) -> int:
    """Number of a node, or ``~leaf``."""
    return int(node["split_index"]) if "split_index" in node else ~int(node["leaf_index"])
