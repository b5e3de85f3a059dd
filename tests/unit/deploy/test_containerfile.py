"""The images: that what they are made of is there, is of the lock, and is all that they need."""

import json
import re
from collections.abc import Iterator
from importlib.metadata import distribution

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deployment import DEPLOY, ROOT, parsed

TEXT = re.sub(r"\\\n", " ", (DEPLOY / "Containerfile").read_text())
LOCK = (ROOT / "requirements.lock").read_text()


def instructions(stage: str) -> list[tuple[str, str]]:
    """Name and argument of each instruction of a stage."""
    found, current = [], ""
    for line in TEXT.splitlines():
        if match := re.match(r"([A-Z]+)\s+(.+)", line):
            if match[1] == "FROM":
                current = match[2].partition(" AS ")[2]
            elif current == stage:
                found.append((match[1], match[2]))
    return found


def listed(name: str) -> set[str]:
    """The lines of a list of packages: ``name==version``."""
    lines = (DEPLOY / "packages" / f"{name}.txt").read_text().splitlines()
    return {line.split()[0] for line in lines}


def needed(requirement: Requirement) -> Iterator[str]:
    """A distribution that is installed here, and all that it needs on this system."""
    waiting, seen = [(requirement.name, frozenset({"", *requirement.extras}))], set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        yield canonicalize_name(name)
        for text in distribution(name).requires or ():
            needs = Requirement(text)
            if needs.marker is None or any(
                needs.marker.evaluate({"extra": extra}) for extra in extras
            ):
                waiting.append((needs.name, frozenset({"", *needs.extras})))


@pytest.mark.parametrize(
    ("name", "requirement"),
    [
        ("build", "hatchling"),
        ("server", "recsvc"),
        ("nightly", "recsvc[training]"),
    ],
)
def test_a_list_is_what_is_needed_and_of_the_lock(name: str, requirement: str) -> None:
    """Nothing is missing on this system, and each line is a line of the lock."""
    packages = {line.partition("==")[0] for line in listed(name)}
    assert set(needed(Requirement(requirement))) - {"recsvc"} <= packages
    assert listed(name) <= {line.split()[0] for line in LOCK.splitlines() if "==" in line}


def test_the_server_has_nothing_of_the_trainer_nor_of_developers() -> None:
    """What is not there needs no update."""
    packages = {line.partition("==")[0] for line in listed("server")}
    assert not packages & {"polars", "implicit", "lightgbm", "faiss-cpu", "pytest", "mypy", "mcp"}


def test_packages_are_installed_by_hash_and_never_built() -> None:
    """Each command that takes something from an index."""
    commands = [part for part in re.split("&&|\n", TEXT) if re.search(r"\bpip .*install ", part)]
    assert len(commands) == 5
    for command in commands:
        by_hash = "--require-hashes" in command and "--only-binary :all:" in command
        assert by_hash or "--no-index" in command
        assert "--no-deps" in command


def test_what_is_copied_is_there() -> None:
    """And would not be kept from the builder."""
    kept = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    for name, argument in instructions("build"):
        if name == "COPY":
            for source in argument.split()[:-1]:
                assert list(ROOT.glob(source)), source
                assert any(source == each[1:] or source.startswith(f"{each[1:]}/") for each in kept)


@pytest.mark.parametrize(
    ("stage", "entry_point"), [("server", "recsvc"), ("nightly", "recsvc-train")]
)
def test_an_image_runs_a_command_of_ours_as_nobody(stage: str, entry_point: str) -> None:
    """By a number, so that Kubernetes can see that it is not root."""
    said = dict(instructions("runtime") + instructions(stage))  # the last of each counts
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", said["USER"])
    assert json.loads(said["ENTRYPOINT"]) == [entry_point]
    if stage == "server":
        parsed([entry_point, *json.loads(said["CMD"])])
        parsed(json.loads(said["HEALTHCHECK"].partition(" CMD ")[2]))
