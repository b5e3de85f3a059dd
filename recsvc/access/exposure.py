"""Files that more people may read than should. Imports next to nothing."""

import stat
from collections.abc import Iterator
from contextlib import suppress

from recsvc.settings.access import AccessSettings


def exposed_files(settings: AccessSettings) -> Iterator[str]:
    """What is to be said of each file that every user of this machine may read: a sentence each.

    What they may write to is refused where it is read.
    """
    for setting, path, why in (
        ("RECSVC_TLS_KEY", settings.tls_key, "who has the private key can pass for this service"),
        (
            "RECSVC_API_KEYS_FILE",
            settings.api_keys_file,
            "it says which services there are, and what each may do",
        ),
    ):
        if path is None:
            continue
        with suppress(OSError):  # whoever reads it says so
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & stat.S_IROTH:
                yield (
                    f"{setting}: every user of this machine may read {path} (mode {mode:o}): "
                    f"{why}; chmod o-r {path}"
                )
