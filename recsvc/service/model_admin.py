"""Listing, activating and rolling back models."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from recsvc.artifacts.manifest import Manifest
from recsvc.artifacts.pointer import Pointer
from recsvc.artifacts.registry import VersionInfo
from recsvc.artifacts.version_ids import CURRENT
from recsvc.errors import (
    ArtifactError,
    InvalidRequestError,
    NotFoundError,
    PreconditionError,
    UnavailableError,
)
from recsvc.logs import note
from recsvc.service.models import LoadedModel, ModelSlot
from recsvc.service.questions import listed


class ModelState(StrEnum):
    """What a version can be used for."""

    AVAILABLE = "AVAILABLE"
    CURRENT = "CURRENT"
    LOADING = "LOADING"
    UNUSABLE = "UNUSABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDescription:
    """One version, as its manifest and the registry describe it.

    Attributes:
        version_id: the version.
        state: what it can be used for.
        generation: the registry's, if it is the current one, else 0.
        model_id, train_time, code_version: empty where the manifest cannot be read.
        metrics: by name, ``ndcg@10/all``.
        counts: ``n_customers``, ``n_products``, ``n_interactions`` and ``n_stores``.
        data_start, data_end: first and last event, None where unknown.
    """

    version_id: str
    state: ModelState
    generation: int = 0
    model_id: str = ""
    train_time: datetime | None = None
    code_version: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    data_start: datetime | None = None
    data_end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPage:
    """Some versions, the newest first.

    Attributes:
        models: the versions.
        last_version_id: where the next page goes on; ``""`` on the last page.
    """

    models: tuple[ModelDescription, ...]
    last_version_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChange:
    """What is current now, and what was before (``""``: nothing)."""

    model: ModelDescription
    previous_version_id: str


class ModelAdmin:
    """The use cases of whoever runs the service.

    Args:
        slot: this process's model.
        now: the time, with a zone.
        monotonic: monotonic seconds, those of every ``deadline``.
    """

    def __init__(
        self,
        slot: ModelSlot,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._slot = slot
        self._registry = slot.registry
        self._now = now
        self._monotonic = monotonic

    def versions(self, page_size: int, after_version_id: str = "") -> ModelPage:
        """List the versions that come after one, the newest first.

        Raises:
            InvalidRequestError: the page size is negative.
        """
        size = listed(page_size)
        pointer = self._registry.pointer()
        infos = [
            info
            for info in self._registry.versions()
            if not after_version_id or info.version_id < after_version_id
        ]
        page = infos[:size]
        return ModelPage(
            models=tuple(self._describe(info, pointer) for info in page),
            last_version_id=page[-1].version_id if len(infos) > size else "",
        )

    def version(self, version_ref: str) -> ModelDescription:
        """Describe one version; ``current`` is the one that the registry points to.

        Raises:
            NotFoundError: there is no such version (MODEL_NOT_FOUND).
            ArtifactError: its manifest cannot be read.
        """
        _require(version_ref)
        with _worded_for_callers(version_ref):
            manifest = self._registry.manifest(version_ref)
        info = VersionInfo(manifest.version_id, manifest, None, is_current=False)
        return self._describe(info, self._registry.pointer())

    def activate(self, version_ref: str, deadline: float) -> ModelChange:
        """Make a version current, and answer once this process serves it.

        It is loaded and tried before anything changes.

        Raises:
            NotFoundError: there is no such version (MODEL_NOT_FOUND).
            ArtifactError: it cannot be used; the current one goes on serving.
            UnavailableError: loading took longer than the caller waits; nothing changed.
        """
        _require(version_ref)
        with self._slot.exclusively(), _worded_for_callers(version_ref):
            version_id = self._registry.manifest(version_ref).version_id
            before = self._registry.pointer()
            self._change(
                version_id, deadline, lambda: self._registry.promote(version_id, self._now())
            )
        return self._changed(before)

    def roll_back(self, deadline: float) -> ModelChange:
        """Make the version before the current one current again, likewise.

        Raises:
            PreconditionError: there is none, or not any more (NO_PREVIOUS_MODEL).
            ArtifactError: it cannot be used; the current one goes on serving.
            UnavailableError: loading took longer than the caller waits; nothing changed.
        """
        with self._slot.exclusively():
            before = self._registry.pointer()
            if before is None or not before.previous:
                raise _no_previous()
            version_id = before.previous[0]
            try:
                with _worded_for_callers(version_id):
                    self._change(version_id, deadline, lambda: self._registry.rollback(self._now()))
            except NotFoundError as error:  # was removed, as old ones are
                raise _no_previous() from error
        return self._changed(before)

    def _change(self, version_id: str, deadline: float, change: Callable[[], object]) -> None:
        loaded = self._slot.loaded
        prepared: LoadedModel | None = None
        if loaded is None or loaded.reference.version_id != version_id:
            prepared = self._slot.prepare(version_id)
        if self._monotonic() >= deadline:
            raise UnavailableError(
                "loading the model took longer than the call's deadline; nothing was changed",
                reason="DEADLINE_EXCEEDED",
            )
        change()
        self._slot.refresh(prepared)

    def _changed(self, before: Pointer | None) -> ModelChange:
        return ModelChange(
            model=self.version(CURRENT),
            previous_version_id=before.version_id if before else "",
        )

    def _describe(self, info: VersionInfo, pointer: Pointer | None) -> ModelDescription:
        is_chosen = pointer is not None and pointer.version_id == info.version_id
        if info.manifest is None:
            return ModelDescription(version_id=info.version_id, state=ModelState.UNUSABLE)
        manifest = info.manifest
        return ModelDescription(
            version_id=manifest.version_id,
            state=self._state(manifest, is_chosen=is_chosen),
            generation=pointer.generation if is_chosen and pointer else 0,
            model_id=manifest.model_id,
            train_time=manifest.train_time,
            code_version=manifest.code_version,
            metrics=_metrics(manifest.metrics),
            counts={
                name: value
                for name in ("n_customers", "n_products", "n_interactions", "n_stores")
                if isinstance(value := manifest.data.get(name), int)
            },
            data_start=_time(manifest.data.get("start_time")),
            data_end=_time(manifest.data.get("end_time")),
        )

    def _state(self, manifest: Manifest, *, is_chosen: bool) -> ModelState:
        if not is_chosen:
            return ModelState.AVAILABLE
        loaded = self._slot.loaded
        is_served = loaded is not None and loaded.reference.version_id == manifest.version_id
        return ModelState.CURRENT if is_served else ModelState.LOADING


@contextmanager
def _worded_for_callers(version_ref: str) -> Iterator[None]:
    """Say the registry's errors without its paths and shell commands, which the log line gets.

    Of what is not there it gets nothing: that is a text of the caller's, and may be anybody's id.
    """
    shown = version_ref[:80]
    try:
        yield
    except NotFoundError as error:
        raise NotFoundError(
            f"model {shown!r} is not in the registry; list what there is with ListModels",
            reason=error.reason,
            metadata=error.metadata,
        ) from error
    except ArtifactError as error:
        note(cause=str(error))
        raise ArtifactError(
            f"model {shown!r} is corrupt or was not made for this recsvc, the server's log says "
            "which; choose another one with ListModels"
        ) from error
    except PreconditionError as error:  # another process has rolled back meanwhile
        raise _no_previous() from error


def _no_previous() -> PreconditionError:
    return PreconditionError(
        "there is no previous model to roll back to; choose one with ListModels and activate it",
        reason="NO_PREVIOUS_MODEL",
    )


def _require(version_ref: str) -> None:
    if not version_ref:
        raise InvalidRequestError("version_id", "is empty; ListModels names the versions")


def _metrics(metrics: Mapping[str, Any]) -> dict[str, float]:
    """``metric/task`` of the model's own test, from the manifest's tree."""
    tree: Any = metrics
    for name in ("test", "rankers", "recsvc"):
        tree = tree.get(name) if isinstance(tree, dict) else None
    found = {}
    for task, values in (tree if isinstance(tree, dict) else {}).items():
        for name, value in (values if isinstance(values, dict) else {}).items():
            if isinstance(value, float):
                found[f"{name}/{task}"] = value
    return found


def _time(text: object) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
