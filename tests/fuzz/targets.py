"""Every reader of files: what it is given, and how it is called."""

import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from recsvc.access.certificates import identity_reader
from recsvc.access.keys_file import read_keys_file
from recsvc.access.token_verifier import TokenVerifier, parse_keys, published_keys, secret_key
from recsvc.access.watched import NamedFile
from recsvc.artifacts.experiment_shelf import read_running
from recsvc.artifacts.experiments import read_experiment
from recsvc.artifacts.format import MANIFEST_NAME, read_artifact, read_manifest
from recsvc.artifacts.registry import Registry
from recsvc.client import event_file, ingest
from recsvc.errors import RecsvcError
from recsvc.rules import _read as read_rules_file  # what every command of rules reads its file by
from tests.fuzz import forged, seeds
from training.events import read_customers, read_events, read_products, read_stores
from training.nightly_state import State
from training.settings_file import read_settings
from training.trial import Trial


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        name: of it.
        file: how a file is called that it reads.
        make: makes one that it should not be given.
        read: gives it one; what it raises may be one of ``allowed``.
        allowed: what it says that it raises.
        weight: how often it is called, beside the others.
    """

    name: str
    file: str
    make: forged.Make
    read: Callable[[Path], object]
    allowed: tuple[type[Exception], ...] = (RecsvcError,)
    weight: float = 1.0


def _abort(_: Path) -> object:
    os.abort()


def _spin(_: Path) -> object:
    while True:
        pass


def _grow(_: Path) -> object:
    return len(bytearray(_GROWN_BYTES))


_GROWN_BYTES: Final = 1 << 29
HARMFUL: Final = tuple(
    Target(name, name, lambda _: b"", read)
    for name, read in (("dies", _abort), ("hangs", _spin), ("grows", _grow))
)
"""Readers that do what none may: that this is noticed can be seen by naming them."""


def targets() -> Sequence[Target]:
    """All of them."""
    return (*_tables(), *_documents(), *_registry(), *_secrets())


def _tables() -> Iterator[Target]:
    """What the trainer and ``recsvc ingest`` read of a shop."""
    readers: Sequence[tuple[str, str, Callable[[Path], object]]] = (
        ("events", seeds.EVENTS, lambda path: read_events([path], now=seeds.NOW, trial=_trial())),
        ("products", seeds.PRODUCTS, lambda path: read_products(path, trial=_trial())),
        ("stores", seeds.STORES, lambda path: read_stores(path, trial=_trial())),
        ("customers", seeds.CUSTOMERS, lambda path: read_customers(path, trial=_trial())),
    )
    for name, text, read in readers:
        yield Target(f"{name}.csv", f"{name}.csv", forged.either(forged.csv(text), text), read)
        yield Target(f"{name}.parquet", f"{name}.parquet", forged.parquet(text), read)
    zipped = gzip.compress(seeds.EVENTS.encode(), mtime=0)
    yield Target(
        "events.csv.gz",
        "events.csv.gz",
        forged.any_of(forged.broken(zipped), forged.zipped(seeds.EVENTS)),
        lambda path: read_events([path], now=seeds.NOW),
    )
    for name, make in (
        ("ingest.csv", forged.either(forged.csv(seeds.EVENTS), seeds.EVENTS)),
        ("ingest.jsonl", forged.either(forged.json_lines(seeds.EVENT_LINES), seeds.EVENT_LINES)),
    ):
        yield Target(name, name, make, lambda path: list(event_file.read_events(path)), weight=2.0)
    yield _document("e.csv.sent", seeds.SENT, _sent)


@cache
def _trial() -> Trial:
    """One for all files: the process that it starts would take longer than most of them."""
    return Trial()


def _sent(marker: Path) -> object:
    """Go on with a file, where the marker says that it has come."""
    path = marker.with_name("e.csv")
    path.write_bytes(b"a\n1\n")
    os.utime(path, (0, 0))
    sent = ingest._recall(marker, path, None)  # what every run begins with
    return sent.n_rows + sent.n_skipped + sent.n_unreadable + sent.n_refused + sent.outcomes.total()


def _documents() -> Iterator[Target]:
    """What people write."""
    yield _document("rules.json", seeds.RULES, read_rules_file)
    yield Target(
        "rules.toml",
        "rules.toml",
        forged.either(forged.toml(seeds.RULES_TOML), seeds.RULES_TOML),
        read_rules_file,
        weight=2.0,
    )
    yield _document(
        "experiment.json",
        seeds.EXPERIMENT,
        lambda path: read_experiment(path.read_bytes(), str(path)),
    )
    yield Target(
        "settings.toml",
        "settings.toml",
        forged.either(forged.toml(seeds.SETTINGS), seeds.SETTINGS),
        read_settings,
        weight=2.0,
    )


def _registry() -> Iterator[Target]:
    """What a registry holds."""
    state = json.loads(seeds.night())
    yield Target(
        "state.json",
        "state.json",
        forged.either(forged.json_document(state), seeds.night()),
        lambda path: State.from_json(path.read_bytes()),
        allowed=(ValueError,),
    )
    for name, text, read in (
        ("current.json", seeds.pointer(), lambda registry: registry.pointer()),
        ("promotions.jsonl", seeds.journal(), lambda registry: registry.history()),
        ("ledger.jsonl", seeds.ledger(), lambda registry: registry.ledger.read(0)),
        ("secret", "ab" * 32, lambda registry: registry.secret()),
    ):
        make = (
            forged.either(forged.json_lines(text), text)
            if "json" in name
            else forged.broken(text.encode())
        )
        yield Target(name, name, make, _in_registry(read), weight=2.0 if "json" in name else 0.5)
    for kind, document in (("rules", seeds.RULES), ("experiments", {"experiments": []})):
        yield _document(f"{kind}-shelf.json", document, _on_shelf(kind))
    yield _document("running.json", {"experiments": [seeds.EXPERIMENT]}, _read_running)
    yield Target(
        "manifest.json", MANIFEST_NAME, forged.manifest, lambda path: read_manifest(path.parent)
    )
    yield Target("array.npy", "array.npy", forged.broken(seeds.npy()), _read_array, weight=2.0)


def _secrets() -> Iterator[Target]:
    """Keys and certificates."""
    yield _document("api-keys.json", json.loads(seeds.api_keys()), read_keys_file)
    yield _document(
        "web-keys.json", seeds.web_keys(), lambda path: parse_keys(path, path.read_bytes())
    )
    yield Target(
        "published-keys.json",
        "published-keys.json",
        forged.json_document(seeds.web_keys()),
        lambda path: published_keys(path.read_bytes()),
        allowed=(ValueError,),
    )
    verifier = TokenVerifier(
        [secret_key(seeds.TOKEN_SECRET)], issuer=seeds.TOKEN_ISSUER, audience=seeds.TOKEN_AUDIENCE
    )
    yield Target(
        "token.jwt",
        "token.jwt",
        forged.any_of(forged.token, forged.token, forged.broken(seeds.token())),
        lambda path: verifier.verify(path.read_text(errors="surrogateescape")),
        weight=4.0,
    )
    pair, public = seeds.pems()
    yield Target(
        "public.pem",
        "public.pem",
        forged.broken(public),
        lambda path: parse_keys(path, path.read_bytes()),
    )
    yield Target("pair.pem", "pair.pem", forged.pem(pair), _read_pair, weight=2.0)


def _document(name: str, document: Any, read: Callable[[Path], object]) -> Target:  # noqa: ANN401  # JSON
    return Target(
        name,
        name,
        forged.either(forged.json_document(document), json.dumps(document)),
        read,
        weight=2.0,
    )


def _read_array(path: Path) -> object:
    """Read it as an artifact does, whose manifest names it."""
    from recsvc.artifacts.manifest import ArtifactFile, Manifest  # noqa: PLC0415  # beside its use

    content = path.read_bytes()
    file = ArtifactFile(path.name, hashlib.sha256(content).hexdigest(), len(content))
    manifest = Manifest(1, "m", "v1", seeds.NOW, "1", {}, {}, {}, (file,))
    (path.parent / MANIFEST_NAME).write_text(manifest.to_json())
    _, arrays = read_artifact(path.parent)
    return arrays["array"].shape


def _in_registry(read: Callable[[Registry], object]) -> Callable[[Path], object]:
    def run(path: Path) -> object:
        (path.parent / "versions").mkdir(exist_ok=True)
        return read(Registry(path.parent))

    return run


def _on_shelf(kind: str) -> Callable[[Path], object]:
    def run(path: Path) -> object:
        shelf = Registry(path.parent).documents(kind)
        versions = shelf.root / "versions"
        versions.mkdir(parents=True, exist_ok=True)
        (versions / "v2.json").write_bytes(path.read_bytes())
        (shelf.root / "current.json").write_text(seeds.pointer())
        if kind == "experiments":
            from recsvc.artifacts.experiment_shelf import running  # noqa: PLC0415  # beside its use

            return running(shelf)
        from recsvc.artifacts.rules_check import rules_in_force  # noqa: PLC0415  # likewise

        return rules_in_force(shelf)

    return run


def _read_running(path: Path) -> object:
    return read_running(path.read_text(encoding="utf-8", errors="replace"))


def _read_pair(path: Path) -> object:
    """Read a certificate and its key that lie in one file."""
    file = NamedFile("RECSVC_TLS_CERT", path)
    content = file.content()

    def now() -> datetime:
        return datetime.now(seeds.NOW.tzinfo)

    return identity_reader(file, file, file, now)(content, content, content)
