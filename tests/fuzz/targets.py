"""Every reader of files: what it is given, and how it is called."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

import polars as pl

from recsvc.access.certificates import identity_reader
from recsvc.access.keys_file import read_keys_file
from recsvc.access.token_verifier import TokenVerifier, parse_keys, published_keys, secret_key
from recsvc.access.watched import NamedFile
from recsvc.artifacts.experiment_shelf import read_running
from recsvc.artifacts.experiments import read_experiment
from recsvc.artifacts.format import MANIFEST_NAME, read_artifact, read_manifest
from recsvc.artifacts.registry import Registry
from recsvc.client import event_file
from recsvc.errors import RecsvcError
from recsvc.rules import _read as read_rules_file  # what every command of rules reads its file by
from tests.fuzz import seeds
from tests.fuzz.structure import mutated_csv, mutated_json, mutated_toml
from tests.fuzz.wire import mutated
from training.events import read_customers, read_events, read_products, read_stores
from training.settings_file import read_settings
from training.trial import Trial

_SEAL: Final = '  "manifest_sha256": "'
Make = Callable[[random.Random], bytes]


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
    make: Make
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
        yield Target(f"{name}.csv", f"{name}.csv", _either(_csv(text), text), read)
        yield Target(f"{name}.parquet", f"{name}.parquet", _parquet(text), read)
    zipped = gzip.compress(seeds.EVENTS.encode(), mtime=0)
    yield Target(
        "events.csv.gz",
        "events.csv.gz",
        _any_of(_bytes(zipped), lambda chance: gzip.compress(_csv(seeds.EVENTS)(chance), 1)),
        lambda path: read_events([path], now=seeds.NOW),
    )
    for name, make in (
        ("ingest.csv", _either(_csv(seeds.EVENTS), seeds.EVENTS)),
        ("ingest.jsonl", _either(_json_lines(seeds.EVENT_LINES), seeds.EVENT_LINES)),
    ):
        yield Target(name, name, make, lambda path: list(event_file.read_events(path)), weight=2.0)


@cache
def _trial() -> Trial:
    """One for all files: the process that it starts would take longer than most of them."""
    return Trial()


def _documents() -> Iterator[Target]:
    """What people write."""
    yield _document("rules.json", seeds.RULES, read_rules_file)
    yield Target(
        "rules.toml",
        "rules.toml",
        _either(lambda chance: _utf8(mutated_toml(seeds.RULES_TOML, chance)), seeds.RULES_TOML),
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
        _either(lambda chance: _utf8(mutated_toml(seeds.SETTINGS, chance)), seeds.SETTINGS),
        read_settings,
        weight=2.0,
    )


def _registry() -> Iterator[Target]:
    """What a registry holds."""
    for name, text, read in (
        ("current.json", seeds.pointer(), lambda registry: registry.pointer()),
        ("promotions.jsonl", seeds.journal(), lambda registry: registry.history()),
        ("ledger.jsonl", seeds.ledger(), lambda registry: registry.ledger.read(0)),
        ("secret", "ab" * 32, lambda registry: registry.secret()),
    ):
        make = _either(_json_lines(text), text) if "json" in name else _bytes(text.encode())
        yield Target(name, name, make, _in_registry(read), weight=2.0 if "json" in name else 0.5)
    for kind, document in (("rules", seeds.RULES), ("experiments", {"experiments": []})):
        yield _document(f"{kind}-shelf.json", document, _on_shelf(kind))
    yield _document("running.json", {"experiments": [seeds.EXPERIMENT]}, _read_running)
    yield Target("manifest.json", MANIFEST_NAME, _manifest, lambda path: read_manifest(path.parent))
    yield Target("array.npy", "array.npy", _bytes(seeds.npy()), _read_array, weight=2.0)


def _secrets() -> Iterator[Target]:
    """Keys and certificates."""
    yield _document("api-keys.json", json.loads(seeds.api_keys()), read_keys_file)
    yield _document(
        "web-keys.json", seeds.web_keys(), lambda path: parse_keys(path, path.read_bytes())
    )
    yield Target(
        "published-keys.json",
        "published-keys.json",
        _json(seeds.web_keys()),
        lambda path: published_keys(path.read_bytes()),
        allowed=(ValueError,),
    )
    verifier = TokenVerifier([secret_key(seeds.TOKEN_SECRET)], issuer="shop", audience="recsvc")
    yield Target(
        "token.jwt",
        "token.jwt",
        _any_of(_token, _token, _bytes(seeds.token())),
        lambda path: verifier.verify(path.read_text(errors="surrogateescape")),
        weight=4.0,
    )
    pair, public = seeds.pems()
    yield Target(
        "public.pem", "public.pem", _bytes(public), lambda path: parse_keys(path, path.read_bytes())
    )
    yield Target("pair.pem", "pair.pem", _pem(pair), _read_pair, weight=2.0)


def _document(name: str, document: Any, read: Callable[[Path], object]) -> Target:  # noqa: ANN401  # JSON
    return Target(name, name, _either(_json(document), json.dumps(document)), read, weight=2.0)


def _either(made: Make, text: str) -> Make:
    """Mostly what is well-formed and wrong, else broken bytes."""
    return _any_of(made, made, _bytes(text.encode()))


def _any_of(*makes: Make) -> Make:
    return lambda chance: chance.choice(makes)(chance)


def _bytes(data: bytes) -> Make:
    return lambda chance: mutated(data, [data], chance)


def _utf8(text: str) -> bytes:
    return text.encode(errors="surrogatepass")


def _csv(text: str) -> Make:
    return lambda chance: _utf8(mutated_csv(text, chance))


def _json(document: Any) -> Make:  # noqa: ANN401  # JSON
    return lambda chance: _utf8(mutated_json(document, chance))


def _json_lines(text: str) -> Make:
    lines = [json.loads(line) for line in text.splitlines()] if "\n{" in text else None

    def make(chance: random.Random) -> bytes:
        if lines is None:
            return _utf8(mutated_json(json.loads(text), chance))
        changed = chance.randrange(len(lines))
        return b"".join(
            _utf8(mutated_json(line, chance) if number == changed else json.dumps(line)) + b"\n"
            for number, line in enumerate(lines)
        )

    return make


_TYPES: Final = (
    *(pl.Int8, pl.UInt64, pl.Float32, pl.Float64, pl.String, pl.Binary, pl.Boolean, pl.Date),
    *(pl.Time, pl.Datetime("ns"), pl.Datetime("ms", "Asia/Kathmandu"), pl.Duration("us")),
    *(pl.Decimal(38, 9), pl.Categorical, pl.Null, pl.List(pl.String), pl.Struct({"a": pl.Int8})),
)


def _parquet(text: str) -> Make:
    def make(chance: random.Random) -> bytes:
        frame = seeds.frame(text)
        for name in chance.sample(frame.columns, chance.choice((0, 0, 1, 2))):
            column = pl.Series(name, [None] * frame.height, chance.choice(_TYPES))
            # What cannot be cast is left out.
            with contextlib.suppress(pl.exceptions.PolarsError):
                column = frame[name].cast(column.dtype, strict=False)
            frame = frame.with_columns(column.alias(name))
        file = io.BytesIO()
        frame.write_parquet(file, compression=chance.choice(("uncompressed", "zstd", "snappy")))
        return (
            mutated(file.getvalue(), [], chance) if chance.random() < 0.7 else file.getvalue()
        )  # mostly broken

    return make


@cache
def _sealed_manifest() -> str:
    from recsvc.artifacts.manifest import ArtifactFile, Manifest  # noqa: PLC0415  # beside its use

    file = ArtifactFile("array.npy", "0" * 64, 1)
    return Manifest(
        schema_version=1, model_id="m", version_id="v1", train_time=seeds.NOW, code_version="1",
        parameters={"a": [1]}, metrics={"ndcg": 0.5}, data={"n": 3}, files=(file,),
    ).to_json()  # fmt: skip


def _manifest(chance: random.Random) -> bytes:
    text = _sealed_manifest()
    if chance.random() < 0.3:  # mostly with a seal that holds
        return mutated(text.encode(), [], chance)
    document = json.loads(text)
    del document["manifest_sha256"]
    body = _utf8(mutated_json(document, chance).rstrip().removesuffix("}")) + b",\n"
    return body + _SEAL.encode() + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


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


def _token(chance: random.Random) -> bytes:
    """A token that is signed as it should be, and says what it should not."""
    header, claims = json.dumps(seeds.TOKEN_HEADER), json.dumps(seeds.TOKEN_CLAIMS)
    if chance.random() < 0.3:  # the claims have more to get wrong
        header = mutated_json(seeds.TOKEN_HEADER, chance)
    else:
        claims = mutated_json(seeds.TOKEN_CLAIMS, chance)
    return seeds.signed(_utf8(header), _utf8(claims))


def _pem(data: bytes) -> Make:
    """Broken PEM, and whole PEM of broken DER."""
    import base64  # noqa: PLC0415  # beside its use

    def make(chance: random.Random) -> bytes:
        if chance.random() < 0.3:  # the text around is soon seen through
            return mutated(data, [data], chance)
        blocks = data.decode().split("-----")
        # BEGIN X, base64, END X, blank, again.
        number = chance.choice(range(2, len(blocks), 4))
        der = mutated(base64.b64decode(blocks[number]), [], chance)
        blocks[number] = f"\n{base64.encodebytes(der).decode()}"
        return "-----".join(blocks).encode()

    return make


def _read_pair(path: Path) -> object:
    """Read a certificate and its key that lie in one file."""
    file = NamedFile("RECSVC_TLS_CERT", path)
    content = file.content()

    def now() -> datetime:
        return datetime.now(seeds.NOW.tzinfo)

    return identity_reader(file, file, file, now)(content, content, content)
