"""The trials of ``tune``: for each part of the trainer a study, kept in a file.

What a part is worth does not depend on the others, so a search may end at any moment, and go on
later as if it had not.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from recsvc.errors import InputError, SettingsError
from training.search_space import Part, Values, value_of, with_values
from training.settings import TrainingSettings
from training.settings_file import as_document
from training.trials import Trials

_BUSY_SECONDS = 30.0
_DONE = (TrialState.COMPLETE, TrialState.FAIL)


@dataclass(frozen=True, slots=True)
class Found:
    """What the trials of one part have shown.

    Attributes:
        part: which one.
        trials: finished ones.
        start: nDCG@10 where the search started, ``None`` if that was not measured.
        best: the highest, ``None`` without a trial.
        values: of the knobs, where it was reached.
    """

    part: str
    trials: int
    start: float | None
    best: float | None
    values: Values

    @property
    def is_better(self) -> bool:
        """Whether something was found that is above the start."""
        return self.best is not None and self.start is not None and self.best > self.start


class Studies:
    """The trials of all parts, in one file of SQLite.

    Args:
        storage: of the file.
        parts: what is searched.
        start: settings that the search starts from.
        digest: of the events.
        path: of the file, for errors.

    Raises:
        InputError: the file holds trials of other data or other settings.
    """

    def __init__(
        self,
        storage: RDBStorage,
        parts: Sequence[Part],
        start: TrainingSettings,
        digest: str,
        path: Path,
    ) -> None:
        self.parts = tuple(parts)
        self._start = start
        self._studies = {
            part.name: optuna.create_study(
                storage=storage,
                study_name=part.name,
                direction="maximize",
                load_if_exists=True,
            )
            for part in parts
        }
        of = {"events_sha256": digest, "settings": json.dumps(as_document(start), sort_keys=True)}
        for study in self._studies.values():
            _check(study.user_attrs, of, path)
            for name, value in of.items():
                study.set_user_attr(name, value)

    def n_done(self, part: Part) -> int:
        """Trials of a part that have ended, those of earlier runs included."""
        return len(self._trials(part, _DONE))

    def seconds(self, part: Part) -> float:
        """Time that its trials took, those of earlier runs included."""
        durations = [trial.duration for trial in self._trials(part, _DONE)]
        return sum(each.total_seconds() for each in durations if each is not None)

    def try_next(self, part: Part, trials: Trials) -> float | None:
        """Make one trial of a part; returns what it is worth, ``None`` if it cannot be fitted.

        A trial depends on the trials before it and on the seed, not on when it is made: a
        search that was interrupted goes on as if it had not been.
        """
        study = self._studies[part.name]
        done = self._trials(part, _DONE)
        study.sampler = optuna.samplers.TPESampler(
            seed=self._start.seed + len(done),
            constant_liar=False,  # a trial that was killed is no reason to look elsewhere
        )
        if not done:
            study.enqueue_trial(self._values(part))
        trial = study.ask(dict(part.knobs))
        try:
            value = trials.value(part, with_values(self._start, trial.params))
        except SettingsError:
            study.tell(trial, state=TrialState.FAIL)
            return None
        study.tell(trial, value)
        return value

    def found(self, part: Part) -> Found:
        """What the trials of a part have shown so far."""
        trials = self._trials(part, (TrialState.COMPLETE,))
        start = next((t.value for t in trials if t.params == self._values(part)), None)
        # Of equals the first, which is the start if nothing is above it.
        best = max(trials, key=_worth, default=None)
        return Found(
            part.name,
            self.n_done(part),
            start,
            None if best is None else best.value,
            {} if best is None else best.params,
        )

    def _values(self, part: Part) -> dict[str, Any]:
        return {key: value_of(self._start, key) for key in part.knobs}

    def _trials(self, part: Part, states: tuple[TrialState, ...]) -> list[FrozenTrial]:
        return self._studies[part.name].get_trials(deepcopy=False, states=states)


@contextmanager
def opened(
    path: Path, parts: Sequence[Part], start: TrainingSettings, digest: str
) -> Iterator[Studies]:
    """The trials in a file, made if it is not there.

    Raises:
        InputError: the file is of something else, or cannot be written.
    """

    def connection() -> sqlite3.Connection:
        found = sqlite3.connect(path, timeout=_BUSY_SECONDS, check_same_thread=False)
        # A crash of this process loses nothing; awaiting the disk took longer than a trial.
        found.execute("PRAGMA synchronous = OFF")
        return found

    try:
        storage = RDBStorage("sqlite://", {"creator": connection, "poolclass": QueuePool})
    except (SQLAlchemyError, RuntimeError, AssertionError) as error:
        raise InputError(
            f"--study {path}: is no file of trials, or cannot be written "
            f"({type(error).__name__}); give another"
        ) from None
    try:
        yield Studies(storage, parts, start, digest, path)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _check(stored: Mapping[str, Any], of: Mapping[str, str], path: Path) -> None:
    for name, kind in (("events_sha256", "events"), ("settings", "settings")):
        if name in stored and stored[name] != of[name]:
            raise InputError(
                f"--study {path}: its trials are of other {kind}; give another file, or the same "
                f"{kind} as then"
            )


def _worth(trial: FrozenTrial) -> tuple[float, int]:
    return (trial.value or 0.0, -trial.number)
