"""The command that decides what is served, ``promote``."""

from datetime import UTC, datetime
from pathlib import Path
from shlex import join
from typing import Annotated, Any

import typer

from recsvc.artifacts.journal import Action, Gate, Note
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.version_ids import CURRENT
from recsvc.errors import InputError
from recsvc.terminal import whoami
from training.answers import REFUSED, JsonOption, RegistryOption, print_result
from training.compare import compare
from training.events import MAX_QUARANTINED_SHARE
from training.gate import NOTHING_CURRENT, Decision, decide, lines, unmeasured, verdict, why_refused
from training.options import (
    MapOption,
    MaxQuarantinedOption,
    NoQuarantineOption,
    TimezoneOption,
    load,
    origin_of,
    reporting,
    source_of,
)
from training.progress import Reporter
from training.purchases import FitInput, read
from training.reading import input_files

_OF_EVENTS = {
    "column_map": "--map",
    "timezone": "--timezone",
    "quarantine": "--quarantine",
    "max_quarantined": "--max-quarantined",
}
"""Options that say how --events is read."""

ForceOption = Annotated[
    bool,
    typer.Option(
        "--force", help="Promote also what the gate refuses; the history keeps who did and why."
    ),
]


def promote_command(
    context: typer.Context,
    registry: RegistryOption,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A version, or its beginning.")],
    *,
    events: Annotated[
        list[Path] | None,
        typer.Option(
            "--events",
            help="CSV or Parquet file of purchases later than the data of this version and of "
            "the current one, or a folder of them: compares the two first; may be repeated.",
        ),
    ] = None,
    column_map: MapOption = None,
    timezone: TimezoneOption = "UTC",
    quarantine: NoQuarantineOption = None,
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make a version the one that is served; running servers follow by themselves.

    With --events the gate decides: it compares the version with the current one on the later
    purchases among them, and refuses one that is significantly worse in total or on a large
    slice. Without, it is your word, except that what the gate has refused beside the version
    that is still current stays refused. The first version has nothing to beat. What nobody could
    be found to measure on is refused, unless the gate has judged it by --events.

    Exit codes: 0 promoted, 3 refused, 1 failed.
    """
    if not events:
        for name, option in _OF_EVENTS.items():
            if origin_of(context, name) == "COMMANDLINE":
                raise InputError(f"{option}: says how --events is read; give that too, or neither")
    store = Registry.open(registry)
    remembered = _refusal_of(store, version)
    decision = standing = unmeasured(store.manifest(version).metrics) or remembered
    if events:
        source = source_of(events, column_map, timezone, quarantine, max_quarantined)
        input_files(events, ignore=quarantine)  # though nothing may be compared
        with reporting() as reporter:
            judged = _judged(store, version, source, reporter)
        # Too few customers to tell anything take no refusal back.
        decision = judged if judged.is_judged else standing or judged
    gate = verdict(decision, force=force)
    found = decision or Decision.unjudged()
    note = Note(whoami(), gate, found.said)
    if gate is Gate.REFUSED:
        version_id, pointer = store.manifest(version).version_id, store.pointer()
        current = pointer.version_id if pointer else ""
        if remembered is None or decision is not standing:
            store.record_refusal(version_id, datetime.now(UTC), note)
        overrule = ["recsvc-train", "promote", version_id, "--registry", registry, "--force"]
        answer: dict[str, Any] = {"version_id": version_id, "promoted": False}
        text = [
            f"refused {version_id}: {why_refused(found, current)}"
            + (f"; {current} stays current" if current else ""),
            *lines(found),
            f"to promote it all the same: {join(overrule)}",
        ]
    else:
        pointer = store.promote(version, datetime.now(UTC), note)
        answer = {"version_id": pointer.version_id, "promoted": True}
        answer["generation"] = pointer.generation
        text = [f"current is {pointer.version_id}, generation {pointer.generation}"]
        if decision is not None:
            text += [f"gate: {gate}", *lines(found)]
    answer |= {"verdict": gate.value, "gate": decision and decision.to_json()}
    print_result(answer, "\n".join(text), as_json)
    if gate is Gate.REFUSED:
        raise typer.Exit(REFUSED)


def _judged(store: Registry, version: str, source: FitInput, reporter: Reporter) -> Decision:
    """Compare a version with the current one on purchases that are later than the data of both."""
    if store.pointer() is None:
        return Decision.unjudged(NOTHING_CURRENT)
    a, candidate = load(str(store.root), version)
    b, current = load(str(store.root), CURRENT)
    if a.version_id == b.version_id:
        return Decision.unjudged(f"{a.version_id} is current already")
    purchases = read(source, reporter)
    if not purchases.interactions.has_times:
        for manifest in (a, b):
            if manifest.data.get("events_sha256") == purchases.report.digest:
                raise InputError(
                    f"--events: {manifest.version_id} was fitted on these very purchases, and "
                    "none has a time to tell later ones by; give purchases made after both"
                )
    return decide(compare(candidate, current, purchases.interactions, reporter))


def _refusal_of(store: Registry, version: str) -> Decision | None:
    """The gate's refusal of a version, if that was beside what is current now."""
    pointer = store.pointer()
    before = pointer.version_id if pointer else ""
    version_id = store.manifest(version).version_id
    for entry in reversed(store.history()):
        if entry.version_id == version_id and entry.before == before:
            is_refusal = entry.action is Action.REFUSED
            return Decision(passed=False, reasons=entry.note.reasons) if is_refusal else None
    return None
