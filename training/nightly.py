"""A night's run: validate, fit, evaluate, gate, publish, promote.

A run with the same files and settings goes on where the last one ended, however that was:
:mod:`training.nightly_state` says what is left on the disk, :mod:`training.yardstick` what the
candidate is compared with.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from recsvc import __version__
from recsvc.artifacts.journal import Gate, Note
from recsvc.artifacts.manifest import Manifest
from recsvc.artifacts.pointer import Pointer
from recsvc.artifacts.registry import Registry
from recsvc.errors import NotFoundError, PreconditionError
from training.compare import compare
from training.gate import (
    DEFAULT,
    NOTHING_CURRENT,
    Decision,
    Policy,
    decide,
    lines,
    unmeasured,
    verdict,
)
from training.nightly_state import State, Workspace, alone, writing
from training.options import load
from training.pipeline import fit
from training.progress import Reporter
from training.purchases import FitInput, read
from training.reading import digest, input_files
from training.settings import TrainingSettings
from training.yardstick import find_yardstick, history_of, require_whole

Fit = Callable[[FitInput, TrainingSettings, Registry, Reporter], Manifest]


class Step(StrEnum):
    """The steps of a night, as the log names them."""

    VALIDATE = "validate"
    FIT = "fit"
    EVALUATE = "evaluate"
    GATE = "gate"
    PUBLISH = "publish"
    PROMOTE = "promote"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a night ended.

    Attributes:
        promoted: whether the candidate is current; else it was refused.
        version_id: the candidate; of a refused one its trial, which was not published.
        generation: of the pointer.
        state: what the gate has decided, and against what.
        resumed: whether something of an earlier run was used.
    """

    promoted: bool
    version_id: str
    generation: int
    state: State
    resumed: bool


def nightly(
    source: FitInput,
    settings: TrainingSettings,
    registry: Registry,
    reporter: Reporter,
    *,
    note: Note,
    force: bool = False,
    policy: Policy = DEFAULT,
    fit: Fit = fit,
) -> Outcome:
    """Bring a new model into service if it is not worse, or go on with a run that has crashed.

    Args:
        source: all files, the whole history.
        settings: of the training.
        registry: of the models.
        reporter: told of each step.
        note: who runs this, for the journal.
        force: promote what the gate refuses.
        policy: when the gate refuses.
        fit: trains and publishes into the registry that it is given.

    Raises:
        InputError: the files cannot be used.
        PreconditionError: another run is under way, or the current version was changed.
        RegistryError: the registry cannot be written.
        ArtifactError: the version to compare with is damaged.
    """
    registry.prepare()
    source = replace(source, registry=registry)
    with alone(registry.root) as folder:
        work = Workspace(folder / run_key(source, settings))
        return _Run(source, settings, registry, reporter, note, force, policy, fit, work).go()


def run_key(source: FitInput, settings: TrainingSettings) -> str:
    """What names a run: 16 hexadecimal digits of its files' bytes, the settings and the release.

    Raises:
        InputError: a file cannot be read.
    """
    described = {
        "events": digest(input_files(source.events, ignore=source.quarantine)),
        "products": digest([source.products] if source.products else []),
        "stores": digest([source.stores] if source.stores else []),
        "segments": sorted(source.segments.items()),
        "mappings": [
            dict(source.mapping),
            dict(source.product_mapping),
            dict(source.store_mapping),
        ],
        "reading": [source.timezone, source.max_quarantined_share],
        "settings": asdict(settings),
        # Who may be learnt from is as much a part of the input as the files are.
        "ledger": source.registry.ledger.end() if source.registry else 0,
        "code": __version__,
    }
    text = json.dumps(described, sort_keys=True, default=sorted)  # a frozenset
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(slots=True)
class _Run:
    """One run; the fields are :func:`nightly`'s arguments and the folder of the run."""

    source: FitInput
    settings: TrainingSettings
    registry: Registry
    reporter: Reporter
    note: Note
    force: bool
    policy: Policy
    fit: Fit
    work: Workspace
    resumed: bool = False

    def go(self) -> Outcome:
        """All steps that are not done."""
        pointer = self.registry.pointer()
        state = self._recalled()
        self.resumed = state is not None
        if state and pointer and pointer.version_id == state.version_id:
            self.reporter.log(f"nightly: {state.version_id} of these files is current already")
            self.work.forget_candidate()
            return self._outcome(state, pointer.generation, promoted=True)
        if state is None or state.generation != _generation(pointer):
            judged = self._judged(pointer)
            state = replace(judged, version_id=state.version_id) if state else judged
            self.work.remember(state)
        self.work.forget_trials()
        if state.decision.passed or self.force:
            state = self._published(state)
        if not state.decision.passed and not self.force:
            return self._refused(state)
        return self._promoted(state)

    def _judged(self, pointer: Pointer | None) -> State:
        """Validate, fit a trial, evaluate it beside the version to beat, and decide."""
        generation = _generation(pointer)
        self._log(Step.VALIDATE)
        with self.reporter.stage("read and check the files"):
            purchases = read(self.source, self.reporter).interactions
        if pointer is None:
            return self._unjudged(generation, NOTHING_CURRENT)
        if not self.force:
            require_whole(self.registry, pointer.version_id, purchases)
        if not purchases.has_times:
            return self._unjudged(generation, "the events have no times, so none is known as fresh")
        yardstick, passed_over = find_yardstick(
            self.registry, pointer, purchases, self.policy.min_customers
        )
        if yardstick is None:
            return self._unjudged(generation, *passed_over)
        self._log(Step.FIT)
        folder = self.work.trial(yardstick.version_id)
        until = yardstick.recommender.model.data_end
        trial = self._fitted(folder, lambda: history_of(self.source, until, self.work.history))
        self._log(Step.EVALUATE)
        _, candidate = load(str(folder), trial.version_id)
        comparison = compare(candidate, yardstick.recommender, purchases, self.reporter)
        self._log(Step.GATE)
        decision = decide(comparison, self.policy)
        decision = replace(decision, warnings=(*passed_over, *decision.warnings))
        for line in lines(decision):
            self.reporter.log(line)
        said = "passed" if decision.passed else "refused"
        self.reporter.log(f"  {said}, against {yardstick.version_id}")
        return State(generation, yardstick.version_id, trial.version_id, decision)

    def _unjudged(self, generation: int, *why: str) -> State:
        self._log(Step.GATE)
        decision = Decision.unjudged(*why)
        for line in lines(decision):
            self.reporter.log(line)
        return State(generation, "", "", decision)

    def _refused(self, state: State) -> Outcome:
        if not state.refusal_recorded:
            note = replace(self.note, gate=Gate.REFUSED, reasons=state.decision.reasons)
            self.registry.record_refusal(state.trial, _now(), note)
            state = replace(state, refusal_recorded=True)
            self.work.remember(state)
        return self._outcome(state, state.generation, promoted=False)

    def _published(self, state: State) -> State:
        """Fit on everything, unless it was, and publish that, unless it is or that is refused."""
        is_published = self._is_published(state.version_id)
        if is_published:
            manifest = self.registry.manifest(state.version_id)
        else:
            self._log(Step.PUBLISH)
            manifest = self._fitted(self.work.candidate, lambda: self.source)
            is_published = self._is_published(manifest.version_id)
        # Whatever has been published before: the gate may have judged it beside another version.
        refusal = None if state.decision.is_judged else unmeasured(manifest.metrics)
        if refusal:
            for line in lines(refusal):
                self.reporter.log(line)
            state = replace(state, trial=manifest.version_id, decision=refusal)
            self.work.remember(state)
            if not self.force:
                return state
        if not is_published:
            _, arrays = Registry(self.work.candidate).load(manifest.version_id)
            gate = {"yardstick": state.yardstick} | state.decision.to_json()
            self.registry.publish(
                arrays,
                model_id=manifest.model_id,
                train_time=manifest.train_time,
                parameters=manifest.parameters,
                metrics=manifest.metrics | {"gate": gate},
                data=manifest.data,
                code_version=manifest.code_version,
                version_id=manifest.version_id,
            )
        state = replace(state, version_id=manifest.version_id)
        self.work.remember(state)
        return state

    def _promoted(self, state: State) -> Outcome:
        self._log(Step.PROMOTE)
        if _generation(self.registry.pointer()) != state.generation:
            raise PreconditionError(
                f"{self.registry.root}: another version was made current while this ran; "
                "run the same command again, it goes on with the gate"
            )
        gate = verdict(state.decision, force=self.force)
        note = replace(self.note, gate=gate, reasons=state.decision.said)
        pointer = self.registry.promote(state.version_id, _now(), note)
        self.work.forget_candidate()
        return self._outcome(state, pointer.generation, promoted=True)

    def _fitted(self, folder: Path, source: Callable[[], FitInput]) -> Manifest:
        """The model in the registry of one at ``folder``, fitted now if there is none."""
        registry = Registry(folder)
        registry.prepare()
        for info in registry.versions():
            if info.manifest is not None:
                self.reporter.log(f"  {info.version_id} was fitted by an earlier run")
                self.resumed = True
                return info.manifest
        with writing(folder):
            given = source()
        return self.fit(given, self.settings, registry, self.reporter)

    def _is_published(self, version_id: str) -> bool:
        if not version_id:
            return False
        try:
            return self.registry.manifest(version_id).version_id == version_id
        except NotFoundError:
            return False

    def _recalled(self) -> State | None:
        try:
            return self.work.recalled()
        except ValueError as error:
            self.reporter.log(f"nightly: {self.work.folder}: {error}; the gate decides anew")
            return None

    def _outcome(self, state: State, generation: int, *, promoted: bool) -> Outcome:
        version_id = state.version_id if promoted else state.trial
        return Outcome(promoted, version_id, generation, state, self.resumed)

    def _log(self, step: Step) -> None:
        self.reporter.log(f"nightly: {step}")


def _generation(pointer: Pointer | None) -> int:
    return pointer.generation if pointer else 0


def _now() -> datetime:
    return datetime.now(UTC)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The outcome as ``recsvc-train nightly --json`` prints it."""
    return {
        "outcome": "promoted" if outcome.promoted else "refused",
        "version_id": outcome.version_id,
        "generation": outcome.generation,
        "resumed": outcome.resumed,
        "compared_with": outcome.state.yardstick or None,
        "gate": outcome.state.decision.to_json(),
    }
