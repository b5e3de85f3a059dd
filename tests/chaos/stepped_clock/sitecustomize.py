"""Steps the wall clock of a process by what lies in the file ``STEPPED_CLOCK``, seconds.

Python imports a module of this name by itself where its folder is on the path: so all processes of
a service have another time, and nothing else of them is changed. libfaketime would do it without
our help, but not with Python 3.11: its ``clock_nanosleep`` refuses the absolute times of
``time.sleep``. Monotonic time goes on, as it does where an administrator or NTP sets the clock.
"""

import datetime as dt
import mmap
import os
import sys
import time
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

with Path(os.environ["STEPPED_CLOCK"]).open("rb") as _file:
    _STEP = memoryview(mmap.mmap(_file.fileno(), 8, access=mmap.ACCESS_READ)).cast("d")

_time = time.time


def _stepped() -> float:
    return _time() + _STEP[0]


class _AnyDatetime(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _datetime)


class _SteppedDatetime(dt.datetime, metaclass=_AnyDatetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Any:  # noqa: ANN401  # as it is called
        return _datetime.fromtimestamp(_stepped(), tz)


class _TrueTime(ModuleType):
    """``time`` as gRPC has it: it compares Python's clock with that of its core, which stays."""

    def __init__(self) -> None:
        super().__init__("time")
        self.__dict__.update(vars(time))
        self.__dict__["time"] = _time


class _GrpcFinder(MetaPathFinder, Loader):
    """Gives gRPC's server the true time when it is imported; it is gone again then."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:  # noqa: ANN401  # the protocol's
        if name != "grpc._server":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.loader is not None
        run = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            run(module)
            module.time = _TrueTime()  # type: ignore[attr-defined]  # the module that it imported

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this one spec
        return spec


_datetime = dt.datetime
time.time = _stepped
dt.datetime = _SteppedDatetime  # type: ignore[misc]  # what this module is for
sys.meta_path.insert(0, _GrpcFinder())
