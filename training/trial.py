"""Parquet files are read by a process of their own first, which may end of it.

Of a page that says it has -5 values Polars asks the system for 2^61 bytes, and as it gets none it
ends the process, whatever would be caught: a damaged file must not do that to who needs it.
"""

import json
import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from signal import Signals
from threading import Thread
from typing import Self

from recsvc.errors import InputError
from training.reading import open_source, readable, shown

_LAST_LINES = 20
"""Of what the process says on standard error: shown where it ends for a reason of ours. What Polars
says there of its panics is for its makers."""


class Trial:
    """Lets a process beside this one read Parquet files whole.

    It begins with the first file, anew after one that it ended of, and ends with the trial.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._said = deque[str](maxlen=_LAST_LINES)
        self._listener = Thread()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._ended(self._process)

    def check(self, path: Path) -> None:
        """Read a file there.

        Raises:
            InputError: it cannot be read, or who tried has ended of it.
        """
        process = self._process = self._process or self._begun()
        answer = _asked(process, json.dumps(os.fspath(path)))
        if not answer:
            code = self._ended(process)
            if code >= 0:
                raise RuntimeError(
                    f"who reads Parquet first ended with {code}\n{''.join(self._said)}"
                )
            raise InputError(
                f"{shown(path)}: Polars ended with {Signals(-code).name} when it read this: it is "
                "damaged, or unpacks to more than the memory holds; write it anew"
            )
        if said := json.loads(answer):
            raise InputError(said)

    def _begun(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            # -P: a folder of data may hold a training/ or a select.py of its own.
            [sys.executable, "-P", "-m", "training.trial"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        assert process.stderr is not None  # noqa: S101  # a pipe
        self._said.clear()
        # While it lives: who fills a pipe that nobody reads from waits for ever.
        self._listener = Thread(target=self._said.extend, args=(process.stderr,), daemon=True)
        self._listener.start()
        return process

    def _ended(self, process: "subprocess.Popen[str]") -> int:
        self._listener.join()
        process.communicate()
        self._process = None
        return process.returncode


def _asked(process: "subprocess.Popen[str]", question: str) -> str:
    """The line that a process answers with; none of one that has ended."""
    assert process.stdin is not None  # noqa: S101  # both are pipes
    assert process.stdout is not None  # noqa: S101  # likewise
    with suppress(BrokenPipeError):
        process.stdin.write(f"{question}\n")
        process.stdin.flush()
    return process.stdout.readline()


def answers(questions: Iterable[str]) -> Iterable[str]:
    """Read files whole, and say of each what is wrong with it: what the process beside does.

    Args:
        questions: a path each, as JSON.

    Yields:
        An error, or ``""``, as JSON.
    """
    for question in questions:
        path, said = Path(json.loads(question)), ""
        try:
            source = open_source(path)
            with readable(path):
                source.frame.sink_ipc(os.devnull)
        except InputError as error:
            said = str(error)
        yield json.dumps(said)


if __name__ == "__main__":
    for answer in answers(sys.stdin):
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()
