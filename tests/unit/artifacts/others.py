"""Folders of another user, as a process sees them."""

import errno
import os

import pytest


def not_ours(patch: pytest.MonkeyPatch, *names: str) -> None:
    """Let the system refuse to move folders of these names.

    Permissions would not do: tests may run as root, who is refused nothing.
    """
    rename = os.rename

    def refusing(source: os.PathLike[str], target: os.PathLike[str]) -> None:
        if os.path.basename(source) in names:  # noqa: PTH119  # what pathlib itself calls
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), os.fspath(source))
        rename(source, target)

    patch.setattr(os, "rename", refusing)
