"""Ctrl-C that a library has lost is heeded at the next look."""

import ctypes
import signal
from collections.abc import Iterator

import pytest

from training.interruptions import interruptions


@pytest.fixture(autouse=True)
def _heeded() -> Iterator[None]:
    """Also where these tests ignore Ctrl-C, as in the background."""
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, previous)


def test_an_interruption_that_c_has_lost_is_heeded() -> None:
    """What is raised in a callback of C is printed there and goes nowhere."""
    interrupted = ctypes.CFUNCTYPE(None)(lambda: signal.raise_signal(signal.SIGINT))
    with interruptions() as heed:
        heed()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.unraisablehook", lambda _: None)  # pytest's own would warn
            interrupted()
        with pytest.raises(KeyboardInterrupt):
            heed()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_heeds_ctrl_c_in_another_way_is_left_alone() -> None:
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptions() as heed:
            signal.raise_signal(signal.SIGINT)
            heed()
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, previous)
