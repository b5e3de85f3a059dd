"""What a manifest refuses, and how it says so."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from typing import Any

import pytest

from recsvc.artifacts.manifest import SCHEMA_VERSION, ArtifactFile, Manifest
from recsvc.errors import ArtifactError
from tests.unit.artifacts.samples import NOW, without_seal

MANIFEST = Manifest(
    schema_version=SCHEMA_VERSION,
    model_id="demo",
    version_id="v1",
    train_time=NOW,
    code_version="0.1.0",
    parameters={"n_factors": 64},
    metrics={"ndcg_at_10": 0.4},
    data={"n_rows": 3},
    files=(ArtifactFile("items.ids.npy", "0" * 64, 12),),
)


def seal(document: dict[str, Any]) -> str:
    """Seal a document as the manifest's own docstring says a person can check it."""
    body = json.dumps(document, indent=2).removesuffix("\n}") + ",\n"
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{body}  "manifest_sha256": "{digest}"\n}}\n'


def refusal(text: str | bytes) -> str:
    """Return the one-line error that reading this text raises."""
    with pytest.raises(ArtifactError) as caught:
        Manifest.from_json(text, where="a/manifest.json")
    message = str(caught.value)
    assert message.startswith("a/manifest.json: ")
    assert "\n" not in message
    return message


def test_a_manifest_reads_as_it_was_written() -> None:
    """Nothing is lost between to_json and from_json."""
    assert Manifest.from_json(MANIFEST.to_json()) == MANIFEST
    assert seal(without_seal(MANIFEST.to_json())) == MANIFEST.to_json()


def test_the_array_name_is_the_file_name_without_its_suffix() -> None:
    """Only the last suffix goes."""
    assert MANIFEST.files[0].array_name == "items.ids"
    assert ArtifactFile("a.npy.npy", "0" * 64, 0).array_name == "a.npy"


def test_the_train_time_is_kept_as_utc() -> None:
    """A time in another zone is written as the same moment in UTC."""
    elsewhere = replace(MANIFEST, train_time=NOW.astimezone(timezone(timedelta(hours=2))))
    assert elsewhere.to_json() == MANIFEST.to_json()
    assert Manifest.from_json(elsewhere.to_json()).train_time.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [b"", b"\xff\xfe\x00", "{", "[" * 100_000, '"manifest"', "[]", "9" * 5000],
    ids=["empty", "binary", "cut", "deep", "string", "list", "huge number"],
)
def test_what_is_no_json_object_is_refused(text: str | bytes) -> None:
    """Unreadable JSON is named as such, however it is broken."""
    assert "unreadable" in refusal(text)


def test_a_newer_schema_asks_for_an_upgrade() -> None:
    """A newer manifest is not called corrupt, whatever else it holds."""
    assert refusal('{"schema_version": 2, "anything": []}') == (
        "a/manifest.json: written by a newer recsvc (schema 2, this one reads up to 1): "
        "upgrade the service"
    )


def test_an_older_schema_asks_for_a_refit() -> None:
    """A schema that is no longer read says what to do."""
    message = refusal('{"schema_version": 0}')
    assert "written by an older recsvc (schema 0" in message
    assert message.endswith("fit the model again")


@pytest.mark.parametrize(
    ("old", "new"),
    [("0.4", "0.5"), ("demo", "demO"), ('"n_rows": 3', '"n_rows":  3'), ("}\n", "}\n\n")],
)
def test_a_changed_manifest_is_refused(old: str, new: str) -> None:
    """The seal covers every byte, the white space too."""
    text = MANIFEST.to_json()
    assert old in text
    assert "corrupt" in refusal(text.replace(old, new))


def test_an_unsealed_manifest_is_refused() -> None:
    """A manifest written by hand without a seal does not pass."""
    assert "corrupt" in refusal(json.dumps(without_seal(MANIFEST.to_json())))


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("schema_version", None, "'schema_version' must be an integer"),
        ("schema_version", True, "'schema_version' must be an integer"),
        ("schema_version", -1, "'schema_version' must be at least 0"),
        ("model_id", 3, "'model_id' must be a string"),
        ("version_id", None, "'version_id' must be a string"),
        ("train_time", 20261122, "'train_time' must be a string"),
        ("train_time", "yesterday", "'train_time' must be an ISO 8601 time in UTC"),
        ("train_time", "2026-11-22T05:30:00+02:00", "'train_time' must be an ISO 8601 time in UTC"),
        ("train_time", "2026-11-22T05:30:00", "'train_time' must be an ISO 8601 time in UTC"),
        ("code_version", [], "'code_version' must be a string"),
        ("parameters", [], "'parameters' must be an object"),
        ("metrics", "good", "'metrics' must be an object"),
        ("data", None, "'data' must be an object"),
        ("files", {}, "'files' must be a list"),
        ("files", ["items.ids.npy"], "each of 'files' must be an object"),
        ("files", [{"name": "a.npy", "size_bytes": 1}], "'sha256' must be a string"),
        ("files", [{"name": "a.npy", "sha256": "0" * 64}], "'size_bytes' must be an integer"),
        (
            "files",
            [{"name": "a.npy", "sha256": "0" * 64, "size_bytes": -1}],
            "'size_bytes' must be at least 0",
        ),
        (
            "files",
            [{"name": "a.npy", "sha256": "F" * 64, "size_bytes": 1}],
            "the sha256 of 'a.npy' must be 64 hexadecimal digits",
        ),
        (
            "files",
            [{"name": "a.npy", "sha256": "0" * 64, "size_bytes": 1}] * 2,
            "a name occurs twice in 'files'",
        ),
    ],
)
def test_a_wrong_field_is_named(name: str, value: object, complaint: str) -> None:
    """A missing field or a field of the wrong type is refused, and the error names it."""
    document = without_seal(MANIFEST.to_json())
    document[name] = value
    assert complaint in refusal(seal(document))


@pytest.mark.parametrize(
    "name",
    [
        "../escape.npy",
        "/etc/passwd.npy",
        "a/b.npy",
        "..npy",
        "a..b.npy",
        ".npy",
        "Items.npy",
        "a b.npy",
        "manifest.json",
        "a.npy\n",
        "é.npy",
    ],
)
def test_no_file_name_leaves_the_directory(name: str) -> None:
    """Path traversal and odd names are refused before a path is made of them."""
    document = without_seal(MANIFEST.to_json())
    document["files"][0]["name"] = name
    assert "is not allowed" in refusal(seal(document))
