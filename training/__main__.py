"""``recsvc-train`` and ``python -m training``: the command line, where its libraries are.

A command imports what it needs when it is called, so ``models`` and ``rollback`` work without them.
"""

import os
import sys

from training.cli import main as run

_EXTRA = frozenset({"polars", "implicit", "lightgbm", "optuna", "threadpoolctl"})


def main() -> None:
    """Run the command line; without the extra's libraries, say how to get them."""
    # Threads that wait for each other must not spin: other work may need the core. OpenMP reads
    # this when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        run()
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        sys.stderr.write(f'error: the trainer needs {error.name}: pip install "recsvc[training]"\n')
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
