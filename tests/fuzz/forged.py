"""Files that no reader should be given: mostly well-formed and wrong, else broken bytes."""

import base64
import contextlib
import gzip
import hashlib
import io
import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import polars as pl

from recsvc.artifacts.manifest import ArtifactFile, Manifest
from tests.fuzz import seeds
from tests.fuzz.structure import mutated_csv, mutated_json, mutated_toml
from tests.fuzz.wire import mutated

Make = Callable[[random.Random], bytes]
"""Makes a file."""

_SEAL: Final = '  "manifest_sha256": "'


def either(made: Make, text: str) -> Make:
    """Mostly what is well-formed and wrong, else broken bytes."""
    return any_of(made, made, broken(text.encode()))


def any_of(*makes: Make) -> Make:
    """One of these, as chance has it."""
    return lambda chance: chance.choice(makes)(chance)


def broken(data: bytes) -> Make:
    """Bytes that some were changed in, put in or cut out of."""
    return lambda chance: mutated(data, [data], chance)


def csv(text: str) -> Make:
    """A table with odd cells, lines and quotes."""
    return lambda chance: _utf8(mutated_csv(text, chance))


def zipped(text: str) -> Make:
    """Such a table, compressed as it should be."""
    return lambda chance: gzip.compress(csv(text)(chance), 1)


def toml(text: str) -> Make:
    """TOML with odd keys and values."""
    return lambda chance: _utf8(mutated_toml(text, chance))


def json_document(document: Any) -> Make:  # noqa: ANN401  # JSON
    """JSON with odd keys and values."""
    return lambda chance: _utf8(mutated_json(document, chance))


def json_lines(text: str) -> Make:
    """JSON on lines, one of which is odd; a text of one line is a document."""
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


def parquet(text: str) -> Make:
    """Mostly broken Parquet, else with columns of other types than they should be."""

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
        return mutated(file.getvalue(), [], chance) if chance.random() < 0.7 else file.getvalue()

    return make


@cache
def _sealed_manifest() -> str:
    file = ArtifactFile("array.npy", "0" * 64, 1)
    return Manifest(
        schema_version=1, model_id="m", version_id="v1", train_time=seeds.NOW, code_version="1",
        parameters={"a": [1]}, metrics={"ndcg": 0.5}, data={"n": 3}, files=(file,),
    ).to_json()  # fmt: skip


def manifest(chance: random.Random) -> bytes:
    """A manifest that says odd things, mostly under a seal that holds."""
    text = _sealed_manifest()
    if chance.random() < 0.3:
        return mutated(text.encode(), [], chance)
    document = json.loads(text)
    del document["manifest_sha256"]
    body = _utf8(mutated_json(document, chance).rstrip().removesuffix("}")) + b",\n"
    return body + _SEAL.encode() + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


def token(chance: random.Random) -> bytes:
    """A token that is signed as it should be, and says what it should not."""
    header, claims = json.dumps(seeds.TOKEN_HEADER), json.dumps(seeds.TOKEN_CLAIMS)
    if chance.random() < 0.3:  # the claims have more to get wrong
        header = mutated_json(seeds.TOKEN_HEADER, chance)
    else:
        claims = mutated_json(seeds.TOKEN_CLAIMS, chance)
    return seeds.signed(_utf8(header), _utf8(claims))


def pem(data: bytes) -> Make:
    """Broken PEM, and whole PEM of broken DER."""

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


def _utf8(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
