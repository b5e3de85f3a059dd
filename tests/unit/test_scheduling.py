"""Who chose how threads take turns is not overruled."""

import os
import threading

import pytest

from recsvc.app.scheduling import let_threads_run_on

if not hasattr(os, "SCHED_BATCH"):
    pytest.skip("only Linux schedules batches", allow_module_level=True)


def policy_after(policy: int | None) -> int:
    """The policy of a thread that had this one, or that of the tests, and was let run on.

    It is a thread's own, and the system lets nobody go back to the usual one who left it.
    """
    found: list[int] = []

    def run() -> None:
        if policy is not None:
            os.sched_setscheduler(0, policy, os.sched_param(0))
        let_threads_run_on()
        found.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return found[0]


def test_the_usual_policy_gives_way() -> None:
    """Threads become a batch, unless the tests themselves were started otherwise."""
    mine = os.sched_getscheduler(0)
    assert policy_after(None) == (os.SCHED_BATCH if mine == os.SCHED_OTHER else mine)


def test_a_policy_that_was_chosen_stays() -> None:
    """Who starts a worker as idle, or in real time, knows why."""
    assert policy_after(os.SCHED_IDLE) == os.SCHED_IDLE


def test_a_system_that_forbids_it_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sandbox may refuse the call."""

    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert policy_after(None) == os.sched_getscheduler(0)
