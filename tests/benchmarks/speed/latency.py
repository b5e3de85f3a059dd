"""How long callers wait at half and at four fifths of the greatest load.

Calls are sent when they are due, whether earlier ones were answered or not, up to 800 under way;
the service refuses those beyond its ``RECSVC_MAX_CONCURRENT``, which ``not_ok`` counts.
"""

import statistics
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.speed.load import Load, run
from tests.benchmarks.speed.paths import (
    LOAD_CORE,
    PATHS,
    RECOMMEND,
    Side,
    ask,
    counted,
    echoing,
    pinned_valkey,
    question,
    serving,
    somebody,
)

SHARES = (0.5, 0.8)


def measure(
    registry: Path, work: Path, *, rounds: int, seconds: int
) -> dict[str, dict[str, float]]:
    """A list of each path beside an echo of its bytes at the same rate, milliseconds.

    Returns:
        For each path and share of its greatest rate the medians over the rounds, and the medians of
        the ratios of each round.
    """
    one = question(*somebody(registry, 1)[0])
    table: dict[str, dict[str, float]] = {}
    for name, env in PATHS.items():
        with ExitStack() as stack:
            valkey = stack.enter_context(pinned_valkey(work))
            service, port, pids = stack.enter_context(serving(registry, work, valkey, env))
            reply = ask(service.target, one)
            ours = Side(port, RECOMMEND, one.SerializeToString(), pids)
            echo = replace(stack.enter_context(echoing(reply, work)), message=ours.message)
            most = statistics.median(_load(ours, work, seconds=seconds).rate for _ in range(rounds))
            for share in SHARES:
                rate, refused = round(most * share), counted(service)
                turns = [
                    (
                        _load(ours, work, seconds=seconds, rate=rate),
                        _load(echo, work, seconds=seconds, rate=rate),
                    )
                    for _ in range(rounds)
                ]
                row = _row(turns) | {"rate_asked": rate, "not_ok": counted(service) - refused}
                table[f"{name}, {share:.0%} of {most:.0f} a second"] = row
    return table


def _load(side: Side, work: Path, *, seconds: int, rate: int | None = None) -> Load:
    return run(
        side.port,
        side.path,
        side.message,
        side.pids,
        work,
        seconds=seconds,
        rate=rate,
        core=LOAD_CORE,
    )


def _row(turns: list[tuple[Load, Load]]) -> dict[str, float]:
    return {
        "p50_ms": statistics.median(ours.p50_ms for ours, _ in turns),
        "echo_p50_ms": statistics.median(echo.p50_ms for _, echo in turns),
        "p50_of_echo": statistics.median(ours.p50_ms / echo.p50_ms for ours, echo in turns),
        "p99_ms": statistics.median(ours.p99_ms for ours, _ in turns),
        "echo_p99_ms": statistics.median(echo.p99_ms for _, echo in turns),
        "p99_of_echo": statistics.median(ours.p99_ms / echo.p99_ms for ours, echo in turns),
        "rate_reached": statistics.median(ours.rate for ours, _ in turns),
        "failed": float(sum(ours.failed + echo.failed for ours, echo in turns)),
    }
