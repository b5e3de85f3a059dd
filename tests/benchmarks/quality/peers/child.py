"""Run one contestant on one data set in this process: ``python -m ....child JOB.json``.

The job says which module and model, where the files are, and how much memory and CPU it may take.
Written: ``all.parquet`` and ``new.parquet`` beside the job, then ``timing.json``.
"""

import importlib
import json
import os
import resource
import sys
from pathlib import Path
from time import perf_counter

from tests.benchmarks.quality.peers.purchases import Contestant, Files

LIST_SIZE = 20
GRACE_SECONDS = 10
"""Between the signal that names the reason and the one that cannot be outlived."""


def main(job_path: Path) -> None:
    """Fit, ask for both kinds of lists, and note the seconds of each step."""
    job = json.loads(job_path.read_text())
    memory, cpu = int(job["memory_bytes"]), int(job["cpu_seconds"])
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + GRACE_SECONDS))
    folder = job_path.parent
    files = Files(
        history=Path(job["history"]),
        products=Path(job["products"]) if job["products"] else None,
        customers=Path(job["customers"]),
        scratch=folder,
    )
    module = importlib.import_module(f"{__package__}.{job['module']}")
    contestant: Contestant = module.create(job["model"])
    started = perf_counter()
    contestant.fit(files)
    fitted, used = perf_counter(), os.times()
    for name in ("all", "new"):
        lists = contestant.recommend(files, size=LIST_SIZE, only_new=name == "new")
        lists.write_parquet(folder / f"{name}.parquet")
    timing = {
        "fit_seconds": fitted - started,
        # With the imports, and what its children took.
        "fit_cpu_seconds": used.user + used.system + used.children_user + used.children_system,
        "recommend_seconds": perf_counter() - fitted,
    }
    (folder / "timing.json").write_text(json.dumps(timing))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
