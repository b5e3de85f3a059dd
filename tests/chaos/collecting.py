"""``python -m tests.chaos.collecting``: drains the event log on and on, until it is killed.

As a timer would that starts ``recsvc-train collect``, without what it takes to start.
"""

import json
import sys
import time
from pathlib import Path

from recsvc.errors import RecsvcError
from training.cli_collect import drained


def collect(redis: str, history: Path, registry: Path, runs: Path) -> None:
    """Drain the log once, and note when that began and ended, monotonic seconds.

    Raises:
        RecsvcError: the log cannot be read, or the history not written.
    """
    began = time.monotonic()
    found = drained(redis, "recsvc", history, registry=str(registry))
    with runs.open("a") as file:
        file.write(json.dumps([began, time.monotonic(), found.events.n_entries]) + "\n")


def main() -> None:
    """Drain every few seconds."""
    redis, (history, registry, runs), seconds = sys.argv[1], map(Path, sys.argv[2:5]), sys.argv[5]
    while True:
        try:
            collect(redis, history, registry, runs)
        except (RecsvcError, OSError) as error:
            sys.stderr.write(f"{error}\n")
        time.sleep(float(seconds))  # the pace of a shop's timer, asked for by who runs it


if __name__ == "__main__":
    main()
