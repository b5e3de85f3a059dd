"""Which versions of the model stay: every night adds one, and no disk is endless."""

from collections.abc import Callable, Collection
from typing import Final

from recsvc.artifacts.experiment_shelf import KIND, running
from recsvc.artifacts.pointer import Pointer
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.removal import RemovedVersion
from recsvc.artifacts.version_ids import CURRENT

KEPT: Final = 7
"""Versions that stay unless somebody says otherwise: those of a week of nights."""


def prune(registry: Registry, keep: int, *, dry_run: bool = False) -> list[RemovedVersion]:
    """Remove the versions that nobody needs any more, the oldest first.

    The current one stays, the newest ``keep``, the ``keep`` that rollbacks would return to next,
    and those of experiments that run. What somebody is loading stays as well, until the next time;
    who has loaded one that goes has it as long as they like.

    Args:
        registry: of the versions.
        keep: how many of each, 1 or more.
        dry_run: remove nothing, and only say what would be.

    Raises:
        RegistryError: the registry, or the experiments, cannot be read; nothing is removed.
        RemovalError: a version cannot be removed; all the others are.
        InputError: the experiments were written by a newer recsvc; nothing is removed.
    """
    if keep < 1:
        raise ValueError("at least one version stays")
    return registry.remove(_unneeded(registry, keep), dry_run=dry_run)


def _unneeded(
    registry: Registry, keep: int
) -> Callable[[list[str], Pointer | None], Collection[str]]:
    def choose(version_ids: list[str], pointer: Pointer | None) -> list[str]:
        needed = set(version_ids[-keep:])
        if pointer is not None:
            there = set(version_ids)
            back = [version_id for version_id in pointer.previous if version_id in there]
            needed |= {pointer.version_id, *back[:keep]}
        refs = {
            variant.model
            for experiment in running(registry.documents(KIND))
            for variant in experiment.variants
            if variant.model != CURRENT
        }
        return [
            version_id
            for version_id in version_ids
            if version_id not in needed and not any(map(version_id.startswith, refs))
        ]

    return choose
