"""What a night's run leaves in the registry's folder, so that another one can go on.

::

    ROOT/nightly/
    ├── lock                    held by the process that runs; death unlocks
    └── KEY/                    of the files' bytes and the settings
        ├── state.json          what the gate has decided, what was published
        ├── trial-VERSION/      a registry of one: the trial to compare with VERSION
        └── candidate/          a registry of one: fitted on everything, not yet published

A fitted model is there as a whole or not at all, as in any registry, so its presence is the
record that its step is done.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from recsvc.artifacts.disk import fsync_directory, write_durably
from recsvc.artifacts.json_fields import count_field, field, parse_object
from recsvc.errors import PreconditionError, RegistryError
from training.gate import Decision


@dataclass(frozen=True, slots=True)
class State:
    """What a run remembers once the gate has decided.

    Attributes:
        generation: of the pointer that was current then; 0 if none was.
        yardstick: the version that the trial was compared with; empty if it was not.
        trial: version id of the trial; empty if there was none.
        decision: the gate's.
        version_id: of the published candidate; empty until then.
        refusal_recorded: whether the journal has the refusal.
    """

    generation: int
    yardstick: str
    trial: str
    decision: Decision
    version_id: str = ""
    refusal_recorded: bool = False

    def to_json(self) -> str:
        """Return the text of the state's file."""
        document = asdict(self) | {"decision": self.decision.to_json()}
        return json.dumps(document, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what ``to_json`` wrote.

        Raises:
            ValueError: it is damaged.
        """
        document = parse_object(text)
        try:
            decision = Decision.from_json(field(document, "decision", dict))
        except (KeyError, TypeError) as error:
            raise ValueError(f"field 'decision' is damaged ({error})") from error
        return cls(
            generation=count_field(document, "generation"),
            yardstick=field(document, "yardstick", str),
            trial=field(document, "trial", str),
            decision=decision,
            version_id=field(document, "version_id", str),
            refusal_recorded=document.get("refusal_recorded") is True,
        )


class Workspace:
    """The folder of one run.

    Args:
        folder: made if it is missing; runs of other keys beside it are removed, since their
            input is no longer tonight's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with writing(folder):
            for path in folder.parent.iterdir():
                if path.is_dir() and path != folder:
                    shutil.rmtree(path, ignore_errors=True)
            # A history of purchases lies here for a while.
            folder.mkdir(mode=0o700, exist_ok=True)

    @property
    def history(self) -> Path:
        """File of the purchases that a trial is fitted on."""
        return self.folder / "history.parquet"

    @property
    def candidate(self) -> Path:
        """Registry of the candidate."""
        return self.folder / "candidate"

    def trial(self, version_id: str) -> Path:
        """Registry of the trial that is compared with a version."""
        return self.folder / f"trial-{version_id}"

    def recalled(self) -> State | None:
        """What was remembered, if anything was.

        Raises:
            ValueError: the file is damaged.
        """
        try:
            return State.from_json(self._state.read_bytes())
        except FileNotFoundError:
            return None

    def remember(self, state: State) -> None:
        """Replace what was remembered, and wait until it is on the disk.

        Raises:
            RegistryError: it cannot be written.
        """
        partial = self._state.with_suffix(".partial")
        with writing(self.folder):
            partial.unlink(missing_ok=True)
            write_durably(partial, state.to_json().encode())
            partial.replace(self._state)
            fsync_directory(self.folder)

    def forget_trials(self) -> None:
        """Remove what the gate needs no more."""
        for path in self.folder.glob("trial-*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.folder.glob("history.*"):
            path.unlink(missing_ok=True)

    def forget_candidate(self) -> None:
        """Remove what is published."""
        shutil.rmtree(self.candidate, ignore_errors=True)

    @property
    def _state(self) -> Path:
        return self.folder / "state.json"


@contextmanager
def alone(root: Path) -> Iterator[Path]:
    """Let one run at a time work in a registry's folder; yields the folder of all runs.

    The kernel unlocks what a dead process held: there is no stale lock to remove.

    Raises:
        PreconditionError: another run is under way.
        RegistryError: the folder cannot be written.
    """
    folder = root / "nightly"
    with writing(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = (folder / "lock").open("a+", encoding="utf-8")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise PreconditionError(
                f"{folder}: another nightly run is under way ({lock.read().strip()}); "
                "wait until it has ended"
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC\n")
        lock.flush()
        yield folder


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Say in one line that a folder cannot be written."""
    try:
        yield
    except OSError as error:
        raise RegistryError(
            f"{folder}: cannot be written ({error.strerror or error}); "
            "check its permissions and the disk's free space"
        ) from error
