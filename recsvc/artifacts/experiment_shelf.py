"""The experiments of a registry: which run and ran, and how they are started and stopped.

Those that run are one document of the registry's shelf ``experiments``, so that starting and
stopping is one step, and the journal says who did it.
"""

from datetime import datetime
from typing import Final

from pydantic import ValidationError

from recsvc.artifacts.documents import Documents
from recsvc.artifacts.experiments import Experiment, Strict, complaints
from recsvc.artifacts.journal import Note
from recsvc.artifacts.pointer import Pointer
from recsvc.errors import InputError, NotFoundError, PreconditionError

KIND: Final = "experiments"
"""Of the shelf that experiments lie on."""


class Running(Strict):
    """The document of the shelf: every experiment that runs, in the order of their ids."""

    experiments: tuple[Experiment, ...] = ()


def read_running(text: str) -> tuple[Experiment, ...]:
    """Read a document of the shelf.

    Raises:
        InputError: it was not written by this or an older recsvc.
    """
    try:
        return Running.model_validate_json(text).experiments
    except ValidationError as error:
        raise InputError(f"experiments: {'; '.join(complaints(error, Running))}") from None


def running(shelf: Documents) -> tuple[Experiment, ...]:
    """The experiments that run, in the order in which they are asked whether a request is theirs.

    Raises:
        RegistryError: the shelf cannot be read.
        InputError: as for ``read_running``.
    """
    return read_running(shelf.read()[1]) if shelf.pointer() else ()


def known(shelf: Documents) -> dict[str, Experiment]:
    """Every experiment that ever ran, by id.

    Raises:
        RegistryError: the shelf cannot be read.
        InputError: as for ``read_running``.
    """
    return {
        experiment.experiment_id: experiment
        for version_id in shelf.versions()
        for experiment in read_running(shelf.read(version_id)[1])
    }


def find(shelf: Documents, experiment_id: str) -> Experiment:
    """An experiment that runs or ran.

    Raises:
        NotFoundError: there is none of that id (EXPERIMENT_NOT_FOUND).
        RegistryError: the shelf cannot be read.
    """
    try:
        return known(shelf)[experiment_id]
    except KeyError:
        raise NotFoundError(
            f"experiment {experiment_id[:80]!r} never ran here; "
            f"see which did: recsvc-train experiment list --registry {shelf.registry}",
            reason="EXPERIMENT_NOT_FOUND",
            metadata={"experiment_id": experiment_id[:80]},
        ) from None


def activate(shelf: Documents, experiment: Experiment, now: datetime, note: Note) -> Pointer:
    """Let an experiment run.

    Raises:
        PreconditionError: it runs already, or another one was called so; nothing was changed.
        RegistryError: the shelf cannot be written.
    """
    before = known(shelf)
    same = before.get(experiment.experiment_id)
    if same is not None and same != experiment:
        raise PreconditionError(
            f"experiment {experiment.experiment_id!r} ran before with another definition, and its "
            "lists go by that name; give this one another experiment_id",
            reason="EXPERIMENT_EXISTS",
        )
    if experiment.number in {other.number for other in before.values() if other != experiment}:
        raise PreconditionError(
            f"experiment_id {experiment.experiment_id!r} has the same short number as another one; "
            "change a letter of it",
            reason="EXPERIMENT_EXISTS",
        )

    def add(text: str | None) -> str:
        others = read_running(text) if text else ()
        if experiment in others:
            raise PreconditionError(
                f"experiment {experiment.experiment_id!r} runs already", reason="EXPERIMENT_EXISTS"
            )
        return _written((*others, experiment))

    return shelf.edit(add, now, note)


def stop(shelf: Documents, experiment_id: str, now: datetime, note: Note) -> Pointer:
    """Let an experiment run no more; its lists keep their names.

    Raises:
        NotFoundError: it does not run (EXPERIMENT_NOT_FOUND); nothing was changed.
        RegistryError: the shelf cannot be written.
    """

    def remove(text: str | None) -> str:
        others = read_running(text) if text else ()
        left = tuple(other for other in others if other.experiment_id != experiment_id)
        if len(left) == len(others):
            raise NotFoundError(
                f"experiment {experiment_id[:80]!r} does not run; "
                f"see which do: recsvc-train experiment list --registry {shelf.registry}",
                reason="EXPERIMENT_NOT_FOUND",
                metadata={"experiment_id": experiment_id[:80]},
            )
        return _written(left)

    return shelf.edit(remove, now, note)


def _written(experiments: tuple[Experiment, ...]) -> str:
    ordered = tuple(sorted(experiments, key=lambda each: each.experiment_id))
    return Running(experiments=ordered).model_dump_json(indent=1) + "\n"
