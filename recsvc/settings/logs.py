"""The log."""

from enum import StrEnum
from typing import Annotated

from recsvc.settings.base import Flag, Settings


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """From which level on lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogSettings(Settings):
    """What a process logs, and how."""

    log_level: Annotated[LogLevel, Flag("--log-level")] = LogLevel.INFO
    """``debug``, ``info``, ``warning`` or ``error``; one line a call is ``info``."""

    log_format: Annotated[LogFormat, Flag("--log-format")] = LogFormat.JSON
    """``json``, or ``console`` for eyes."""
