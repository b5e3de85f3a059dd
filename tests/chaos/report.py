"""What a run saw: whether it is as promised, and a table for people."""

from collections.abc import Iterator
from typing import Any

from tests.chaos.faults import SURVIVOR

MAX_GROWTH = 1.10
LASTING = ("supervisor", f"worker {SURVIVOR}")
"""Processes that no fault ends while memory is watched. What Valkey has grows with the event ids
that it remembers."""

LONG_SECONDS = 240.0
"""Memory is judged of runs that last so long at least: before, caches are filling."""


def broken(found: dict[str, Any]) -> list[str]:
    """The promises that were not kept, in words.

    Args:
        found: of ``run``.
    """
    load, events = found["load"], found["events"]
    wrong = [
        f"{number:,} {what}"
        for number, what in (
            (load["failed"].get("recommend", 0), "questions were not answered in time"),
            (load["failed"].get("batch", 0), "lists of batches were not there in time"),
            (load["n_wrong"], "answers break a promise"),
            (len(events["lost"]), "acknowledged events are lost"),
            (len(events["twice"]), "events are in the history twice"),
            (events["n_erased_rows"], "rows of the history are of who was erased"),
            (load["n_unfinished"], "writes were never acknowledged"),
            (len(load["errors"]), "errors of the load itself"),
        )
        if number
    ]
    if found["seconds"] >= LONG_SECONDS:
        wrong += [
            f"{name} takes {of['ratio']:.2f} times the memory of minute two"
            for name, of in found["memory"].items()
            if name in LASTING and of["ratio"] > MAX_GROWTH
        ]
    return wrong


def table(found: dict[str, Any]) -> str:
    """All of it for a terminal."""
    lines = [
        f"chaos: seed {found['seed']}, {found['seconds']:.0f} s; "
        + ", ".join(f"{name} {n}x" for name, n in sorted(found["faults"].items())),
        *(f"left out, as no disk may be mounted here: {name}" for name in found["left_out"]),
        *_calls(found["recommend"], found["load"]),
        *_events(found["events"]),
        *(
            f"memory of {name}: {of['minute_two_mib']:.0f} MiB at minute two, "
            f"{of['end_mib']:.0f} at the end"
            for name, of in found["memory"].items()
        ),
        *_failures(found["load"]),
        *(f"NOT AS PROMISED: {what}" for what in broken(found)),
    ]
    return "\n".join(lines) + "\n"


def _calls(asked: dict[str, Any], load: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Recommend: {asked['answered_in_time']:,} of {asked['asked']:,} answered in time, "
        f"{asked['availability_percent']:.4f} %; {load['n_wrong']} break a promise"
    )
    yield "  " + "; ".join(f"{how} {n:,}" for how, n in sorted(load["served"].items()))
    for kind, times in sorted(load["milliseconds"].items()):
        yield (
            f"  {kind:10}{load['answered'].get(kind, 0):7,} answered, "
            f"{load['failed'].get(kind, 0):4,} attempts failed; "
            + ", ".join(f"{name} {ms:.0f} ms" for name, ms in times.items())
        )


def _events(events: dict[str, Any]) -> Iterator[str]:
    yield (
        f"events: {events['n_acknowledged']:,} acknowledged, {events['n_found']:,} found, "
        f"{len(events['lost'])} lost, {len(events['twice'])} twice"
    )
    yield (
        f"  Redis was wiped or filled {events['n_wipes']}x: {events['n_wiped']:,} waited there, "
        f"{events['n_repeated_after_wipe']} were sent again across that and count twice"
    )
    yield f"erased: {events['n_erased']} people, {events['n_erased_rows']} rows of theirs left"


def _failures(load: dict[str, Any]) -> Iterator[str]:
    if load["n_late_starts"]:
        yield f"calls that the load itself began late: {load['n_late_starts']:,}"
    for when, number in load["failed_when"].items():
        yield f"  unanswered {when}: {number:,}"
    for name in ("failures", "wrong"):
        for when, what in load[name][:5]:
            yield f"  {name} at {when}: {what}"
    yield from (f"  error: {what}" for what in load["errors"][:5])
