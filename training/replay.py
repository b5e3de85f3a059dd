"""Served lists made again, with the models and rules of a registry: what ``replay`` does.

The service's own code makes them: this is the trainer's one door to its use cases.
"""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from recsvc import __version__
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.rules_check import rules_in_force
from recsvc.artifacts.rules_file import KIND
from recsvc.core.rules import NO_RULES
from recsvc.errors import InputError, NotFoundError
from recsvc.logs import make_logger
from recsvc.service.answers import Answers
from recsvc.service.live_catalogue import LiveCatalogue
from recsvc.service.models import LoadedModel, load_model
from recsvc.service.ports import CatalogueStore
from recsvc.service.replay import Replayed, Scene, replay
from recsvc.service.served import ServedList
from recsvc.service.standing import Standing
from recsvc.service.wording import Wording
from recsvc.settings.logs import LogFormat, LogLevel


def standing_of(registry: Registry) -> Standing:
    """What people have decided by now.

    Raises:
        OSError: the ledger cannot be read.
    """
    standing = Standing(
        registry.ledger,
        consents_by_default=os.environ.get("RECSVC_CONSENT_DEFAULT", "").lower() != "withdrawn",
        logger=make_logger(LogLevel.WARNING, LogFormat.CONSOLE, sys.stderr),
        now=lambda: datetime.now(UTC),
    )
    standing.refresh()
    return standing


class Replayer:
    """Makes lists again; models and rules are read once each.

    Args:
        registry: has the models, the rules and the ledger.
        catalogue: what the shop has said of its products since.
    """

    def __init__(self, registry: Registry, catalogue: CatalogueStore) -> None:
        self._registry = registry
        logger = make_logger(LogLevel.WARNING, LogFormat.CONSOLE, sys.stderr)
        self._live = LiveCatalogue(catalogue, catalogue, logger)
        self._live.follow()
        self._standing = standing_of(registry)
        self._answers = Answers(Wording.load())
        self._models: dict[str, LoadedModel] = {}
        self._scenes: dict[tuple[str, str], Scene] = {}

    def may_replay(self, served: ServedList) -> bool:
        """Whether whoever was served a list still agrees to be known."""
        if not served.shopper:
            return True
        if served.question.visitor_id:
            return self._standing.allows_visitor(served.shopper)
        return self._standing.allows(served.shopper)

    def replay(self, served: ServedList) -> Replayed:
        """Make a list again.

        Raises:
            InputError: the shopper has withdrawn consent since.
            NotFoundError: the registry has the model, or the rules, no more.
            ArtifactError: the model cannot be used.
        """
        if not self.may_replay(served):
            raise InputError(
                f"{served.recommendation_id}: the shopper does not consent to being known any "
                "more, so the list is not made again"
            )
        return replay(
            served,
            self._scene(served.version_id, served.rules_version_id),
            self._answers,
            withdrawn=self._standing.withdrawn,
            code_version=__version__,
        )

    def _scene(self, version_id: str, rules_version_id: str) -> Scene:
        key = (version_id, rules_version_id)
        if key not in self._scenes:
            loaded = self._models.get(version_id)
            if loaded is None:
                loaded = self._live.dressed(load_model(self._registry, version_id))
                self._models[version_id] = loaded
            shelf = self._registry.documents(KIND)
            book = rules_in_force(shelf, rules_version_id) if rules_version_id else NO_RULES
            self._scenes[key] = Scene.of(loaded, book)
        return self._scenes[key]


def replayed_json(found: Replayed) -> dict[str, Any]:
    """A list then and now, for a program."""
    served, answer = found.served, found.answer
    before = {product: rank for rank, product in enumerate(served.product_ids, 1)}
    then = dict(zip(served.product_ids, served.scores, strict=False))
    now = set(found.product_ids)
    return {
        "recommendation_id": served.recommendation_id,
        "identical": found.is_identical,
        "served_time": datetime.fromtimestamp(served.served_time, UTC).isoformat(),
        "surface": served.surface.name,
        "served_from": served.served_from.value,
        "degraded_reason": served.degraded_reason,
        "model": served.version_id,
        "rules": served.rules_version_id,
        "experiment": served.experiment_id,
        "variant": served.variant_id,
        "doubts": list(found.doubts),
        "products": [
            {
                "rank": item.rank,
                "rank_then": before.get(item.product_id),
                "product_id": item.product_id,
                "score": item.score,
                "score_then": then.get(item.product_id),
                "strategy": item.strategy.name,
                "reason": item.reason.text if item.reason else "",
                "rules": list(item.rules),
            }
            for item in answer.items
        ],
        "gone": [product for product in served.product_ids if product not in now],
    }


def replayed_lines(found: dict[str, Any]) -> list[str]:
    """The same for people."""
    identical = "identical" if found["identical"] else "DIFFERENT"
    variant = f", variant {found['variant']} of {found['experiment']}" if found["variant"] else ""
    how = ", ".join(filter(None, (found["served_from"].lower(), found["degraded_reason"])))
    lines = [
        f"{found['recommendation_id']}  {identical}",
        f"{found['surface'].lower()}, {found['served_time']}, from {how}",
        f"model {found['model']}, rules {found['rules'] or 'none'}{variant}",
        "",
        f"{'now':>4}{'then':>6}  {'product':20}{'score':>10}{'then':>10}  {'strategy':16}reason",
    ]
    lines += [
        f"{each['rank']:>4}{each['rank_then'] or '-':>6}  {each['product_id']:20}"
        f"{each['score']:>10.4f}{_score(each['score_then']):>10}  {each['strategy']:16}"
        f"{each['reason']}{_by_rules(each['rules'])}"
        for each in found["products"]
    ]
    lines += [f"gone: {product}" for product in found["gone"]]
    lines += [f"mind: {doubt}" for doubt in found["doubts"]]
    return lines


def _score(score: float | None) -> str:
    return "-" if score is None else f"{score:.4f}"


def _by_rules(rules: list[str]) -> str:
    return f" [{', '.join(rules)}]" if rules else ""


def found_or_refuse(recommendation_id: str, find: Callable[[str], ServedList | None]) -> ServedList:
    """The record of a list.

    Raises:
        NotFoundError: it is not kept.
    """
    served = find(recommendation_id)
    if served is None:
        raise NotFoundError(
            f"{recommendation_id}: no such list is kept; RECSVC_SERVED_SAMPLE says how many are, "
            "RECSVC_SERVED_DAYS how long, and those of erased people are not; --served finds those "
            "that were collected",
            reason="RECOMMENDATION_NOT_FOUND",
        )
    return served
