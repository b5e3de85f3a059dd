"""A file of events, sent to a server: resumable, and safe to send again."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from recsvc.client import rejected_file
from recsvc.client.event_file import Unreadable, check_readable, read_events
from recsvc.client.rejected_file import Refused
from recsvc.errors import InputError
from recsvc.v1 import event_service_pb2 as api

BATCH = 500
N_FIRST = 5
"""Refused rows that are told one by one."""
_N_REASONS = 50
_OTHER = "other reasons"

Send = Callable[[api.IngestEventsRequest], api.IngestEventsResponse]


@dataclass(slots=True)
class Sent:
    """What came of a file, over all runs that it took.

    Attributes:
        n_rows: rows that were dealt with.
        n_skipped: those of them that were an earlier run's.
        outcomes: the server's outcome -> rows.
        n_unreadable: rows that are no events; they were not sent.
        first_refused: the first rows that were rejected or unreadable, at most ``N_FIRST``.
        reasons: reason -> refused rows.
    """

    n_rows: int = 0
    n_skipped: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    n_unreadable: int = 0
    first_refused: list[Refused] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def n_refused(self) -> int:
        """Rows that were rejected or unreadable."""
        return self.reasons.total()


def ingest(
    path: Path,
    send: Send,
    *,
    durable: bool,
    rejected: Path | None = None,
    tick: Callable[[int], object] = lambda _: None,
) -> Sent:
    """Send a file, in batches; a row that cannot be read or is rejected stops no other.

    How far it came, and what came of it, is kept beside the file, in ``.NAME.sent``, until all of
    it was sent: the same call goes on there.

    Args:
        path: a file as ``event_file.read_events`` reads it.
        send: sends a request: ``client.ingest_events.send``.
        durable: acknowledge only what is on the server's disk.
        rejected: where all refused rows are written, if anywhere.
        tick: told how many rows were dealt with.

    Raises:
        InputError: the file cannot be read as one of these, or not one of its rows.
        RecsvcError: the server refuses, or cannot be reached; run it again.
    """
    marker = path.with_name(f".{path.name}.sent")
    sent = _recall(marker, path, rejected)
    if not sent.n_skipped:
        check_readable(path)
    if rejected is not None:
        rejected_file.begin(rejected, sent.n_skipped)
    rows = read_events(path, sent.n_skipped)
    while batch := list(islice(rows, BATCH)):
        events = [row for row in batch if not isinstance(row, Unreadable)]
        results: Sequence[api.EventResult] = ()
        if events:
            results = send(api.IngestEventsRequest(events=events, durable=durable)).results
        refused = _count(sent, batch, results)
        if rejected is not None:
            rejected_file.add(rejected, refused)
        _remember(marker, path, rejected, sent)
        tick(len(batch))
    marker.unlink(missing_ok=True)
    return sent


def _count(
    sent: Sent, batch: Sequence[api.Event | Unreadable], results: Sequence[api.EventResult]
) -> list[Refused]:
    """Add to ``sent`` what came of a batch; returns the rows that were refused."""
    answers = iter(results)
    refused = []
    for number, row in enumerate(batch, start=sent.n_rows + 1):
        if isinstance(row, Unreadable):
            sent.n_unreadable += 1
            refused.append(Refused(number, row.reason))
            continue
        result = next(answers)
        sent.outcomes[api.EventOutcome.Name(result.outcome).removeprefix("EVENT_OUTCOME_")] += 1
        if result.outcome == api.EVENT_OUTCOME_REJECTED:
            refused.append(Refused(number, result.status.message))
    sent.n_rows += len(batch)
    sent.first_refused += refused[: N_FIRST - len(sent.first_refused)]
    for _, reason in refused:
        is_told = reason in sent.reasons or len(sent.reasons) < _N_REASONS
        sent.reasons[reason if is_told else _OTHER] += 1
    return refused


def _stamp(path: Path, rejected: Path | None) -> str:
    """What must be as it was for a run to go on: one that asks for other rejected rows begins."""
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}-{rejected or ''}"


def _recall(marker: Path, path: Path, rejected: Path | None) -> Sent:
    """What an earlier run has done; nothing where the file was changed since."""
    try:
        stamp, told = json.loads(marker.read_text(encoding="ascii"))
        if stamp != _stamp(path, rejected):
            return Sent()
        n_rows = _number(told["n_rows"])
        return Sent(
            n_rows=n_rows,
            n_skipped=n_rows,
            outcomes=_numbers(told["outcomes"]),
            n_unreadable=_number(told["n_unreadable"]),
            first_refused=[Refused(_number(row), str(why)) for row, why in told["first_refused"]],
            reasons=_numbers(told["reasons"]),
        )
    # None, or none of this version, or nothing that this has written.
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return Sent()


def _numbers(told: dict[str, object]) -> Counter[str]:
    return Counter({str(name): _number(number) for name, number in dict(told).items()})


def _number(told: object) -> int:
    if not isinstance(told, int) or isinstance(told, bool) or told < 0:
        raise ValueError(f"{told!r} is no number of rows")
    return told


def _remember(marker: Path, path: Path, rejected: Path | None, sent: Sent) -> None:
    staged = marker.with_name(marker.name + ".new")
    try:
        told = {
            "n_rows": sent.n_rows,
            "outcomes": sent.outcomes,
            "n_unreadable": sent.n_unreadable,
            "first_refused": sent.first_refused,
            "reasons": sent.reasons,
        }
        staged.write_text(json.dumps([_stamp(path, rejected), told]), encoding="ascii")
        staged.replace(marker)
    except OSError as error:
        raise InputError(
            f"{marker}: cannot be written ({error}), and says how far {path.name} was sent; "
            "put the file into a folder where you may write, and send it again"
        ) from error
