"""The commands about settings: ``settings`` prints them, ``tune`` searches for better ones."""

import sys
from pathlib import Path
from shlex import quote
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from training.answers import JsonOption, print_result
from training.events import MAX_QUARANTINED_SHARE
from training.options import (
    ConfigOption,
    EventsOption,
    MapOption,
    MapProductsOption,
    MapStoresOption,
    MaxQuarantinedOption,
    NoQuarantineOption,
    PresetOption,
    ProductsOption,
    SeedOption,
    StoresOption,
    TimezoneOption,
    check_writable,
    reporting,
    source_of,
)
from training.purchases import read
from training.settings_file import (
    DEFAULT_PRESET,
    differences,
    preset_of,
    read_settings,
)
from training.settings_text import brief, complete

if TYPE_CHECKING:  # Optuna takes a second to import, which other commands do without
    from training.tuning import Tuned, Verdict


def settings_command(config: ConfigOption = None, preset: PresetOption = None) -> None:
    """Print all settings of fit with what each is for, as a file for fit --config.

    To change some: recsvc-train settings > my.toml, edit it, recsvc-train fit --config my.toml.
    """
    settings = read_settings(config, preset)
    sys.stdout.write(complete(settings, preset_of(config, preset)))


def tune_command(
    events: EventsOption,
    study: Annotated[
        Path,
        typer.Option(
            "--study",
            help="File that keeps the trials, an SQLite database; made if it is not there, gone "
            "on with if it is.",
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", help="TOML file of settings to write, for fit --config.")
    ],
    *,
    products: ProductsOption = None,
    stores: StoresOption = None,
    column_map: MapOption = None,
    map_products: MapProductsOption = None,
    map_stores: MapStoresOption = None,
    timezone: TimezoneOption = "UTC",
    quarantine: NoQuarantineOption = None,
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    minutes: Annotated[
        float,
        typer.Option(
            "--minutes",
            min=0,
            help="How long to search. Reading before it and the comparison after it, about two "
            "runs of fit, come on top; 0 only compares what an earlier search has found.",
        ),
    ] = 30.0,
    trials: Annotated[
        int,
        typer.Option(
            "--trials",
            min=1,
            help="Most trials of each part of the trainer, those of earlier runs included.",
        ),
    ] = 60,
    preset: PresetOption = None,
    seed: SeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Search for settings that suit your data better than the defaults.

    Each part of the trainer is measured by itself, on the weeks before the last: its trials take
    seconds, where a fit takes minutes. At the end the best of all parts and the defaults are
    compared on the last weeks, which the search has not seen, and the better ones are written.

    Ctrl-C loses nothing but the trial at hand: the same command goes on where it stopped.

    An evening's use: recsvc-train tune --events purchases.csv --minutes 120 --study study.db
    --out tuned.toml, then recsvc-train fit --events purchases.csv --config tuned.toml.
    """
    import optuna  # noqa: PLC0415  # takes a second, which other commands do without

    from training.tuning import Budget, tune  # noqa: PLC0415  # imports Optuna too: a second

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    for option, path in (("--study", study), ("--out", out)):
        check_writable(option, path)
    settings = read_settings(None, preset, seed=seed)
    source = source_of(
        events,
        column_map,
        timezone,
        quarantine,
        max_quarantined,
        products=(products, map_products),
        stores=(stores, map_stores),
    )
    with reporting() as reporter:
        purchases = read(source, reporter)
        tuned = tune(purchases, settings, study, Budget(minutes * 60, trials, monotonic), reporter)
    name = preset or DEFAULT_PRESET
    changes = differences(read_settings(None, preset), tuned.settings)
    lines = _lines(tuned)
    out.write_text(brief(changes, name, ["Written by recsvc-train tune.", *lines]), "utf-8")
    result = _as_json(tuned) | {"study": str(study), "out": str(out), "changes": changes}
    if all(each.trials >= trials for each in tuned.found):
        lines.append(f"each part has had its {trials} trials; --trials allows more")
    command = f"to train with them: recsvc-train fit --config {quote(str(out))}"
    print_result(result, "\n".join([*lines, f"wrote {out}; {command}"]), as_json)


def _lines(tuned: "Tuned") -> list[str]:
    """What was found, for people."""
    lines = []
    for each in tuned.found:
        reached = "not measured" if each.start is None else f"nDCG@10 {each.start:.4f}"
        if each.is_better:
            reached += f" -> {each.best:.4f}"
        lines.append(f"{each.part}: {each.trials} trials, {reached}")
    if tuned.verdict is None:
        return [*lines, "nothing better was found: these are the settings of the start"]
    last = "On the last weeks, which the search has not seen:"
    ending = (
        "the settings found are the better ones"
        if tuned.is_better
        else "what was found is no better there: these are the settings of the start"
    )
    return [*lines, last, *_verdict_lines(tuned.verdict), ending]


def _verdict_lines(verdict: "Verdict") -> list[str]:
    return [
        f"  {task.value}: nDCG@10 {verdict.start[task]:.4f} -> {verdict.tuned[task]:.4f}, "
        f"{gain.mean:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}]"
        for task, gain in verdict.gain.items()
    ]


def _as_json(tuned: "Tuned") -> dict[str, Any]:
    verdict = tuned.verdict
    compared = verdict and {
        task.value: {
            "start": round(verdict.start[task], 5),
            "tuned": round(verdict.tuned[task], 5),
            "gain": [round(each, 5) for each in (gain.mean, gain.low, gain.high)],
        }
        for task, gain in verdict.gain.items()
    }
    return {
        "is_better": tuned.is_better,
        "compared": compared,
        "parts": [
            {"part": each.part, "trials": each.trials, "start": each.start, "best": each.best}
            for each in tuned.found
        ],
    }
