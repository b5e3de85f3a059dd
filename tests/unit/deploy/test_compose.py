"""The compose file: against the Compose Specification, and against the code."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from recsvc.launch import EXTRA_GRACE_SECONDS
from tests.deployment import DEPLOY, documents, faults, parsed, schema, usable

COMPOSE = documents(DEPLOY / "compose.yaml")[0]
SERVICES = COMPOSE["services"]
OURS = {"server": "recsvc", "nightly": "recsvc-train"}
"""Services of our images, by the entry point that the Containerfile gives them."""

DIGEST = "sha256:" + "0" * 64

_VARIABLE = re.compile(r"(?<!\$)\$\{[A-Z_]+(?::-(?P<default>[^}]*)|:\?[^}]*)\}")


def filled(text: str) -> str:
    """A value as Compose hands it on: the default of a variable, or a word for one that must be."""
    return _VARIABLE.sub(lambda match: match["default"] or "hush", text)


def test_the_file_fits_the_specification() -> None:
    """A key that Compose does not know is an error as well."""
    compose = schema("compose-spec.json")
    assert faults(compose, COMPOSE) == []
    wrong = {"services": {"server": {"image": "x", "readonly": True}}}
    assert len(faults(compose, wrong)) == 1


@pytest.mark.parametrize("name", OURS)
def test_every_setting_exists_and_can_be_used(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what stands there for what deploy/.env does not say."""
    given = {key: filled(value) for key, value in SERVICES[name]["environment"].items()}
    settings = usable({"RECSVC_REGISTRY": "/registry"} | given, monkeypatch)
    assert settings.redis_url == "redis://:hush@valkey:6379/0"


@pytest.mark.parametrize("name", OURS)
def test_every_command_and_flag_exists(name: str) -> None:
    """As the image's entry point reads them; without a command the image has its own."""
    parsed([OURS[name], *SERVICES[name].get("command", ["serve"])])


@pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
def test_no_container_may_more_than_it_needs(service: dict[str, Any]) -> None:
    """No capability, no way to get one, and a root that cannot be written."""
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_plain_text_stays_on_this_machine() -> None:
    """What is published is for this machine's processes, and Valkey for nobody's."""
    published = {name: each["ports"] for name, each in SERVICES.items() if "ports" in each}
    assert set(published) == {"server"}
    assert all(port.startswith("127.0.0.1:") for port in published["server"])
    assert SERVICES["valkey"]["networks"] == ["store"]
    assert COMPOSE["networks"]["store"]["internal"] is True


def test_the_server_may_take_as_long_to_end_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it is killed, with the calls that it still works on."""
    server = SERVICES["server"]
    given = {key: filled(value) for key, value in server["environment"].items()}
    grace = usable({"RECSVC_REGISTRY": "/registry"} | given, monkeypatch).grace_seconds
    assert int(server["stop_grace_period"].removesuffix("s")) > grace + EXTRA_GRACE_SECONDS


def test_the_log_of_valkey_is_on_the_disk_and_is_not_evicted() -> None:
    """Events wait in it."""
    *_, script = SERVICES["valkey"]["command"]
    settings = dict(
        line.split(maxsplit=1) for line in script.splitlines() if len(line.split()) == 2
    )
    assert settings["appendonly"] == "yes"
    assert settings["maxmemory-policy"].startswith("volatile-")
    assert SERVICES["valkey"]["volumes"] == ["valkey:/data"]


def test_images_of_others_can_be_pinned(tmp_path: Path) -> None:
    """By the commands of the README, which ask for the tags that are built and started."""
    text = (DEPLOY / "README.md").read_text().partition("### Digests")[2].partition("\n## ")[0]
    script = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    (tmp_path / "deploy").mkdir()
    docker = tmp_path / "docker"
    # What `imagetools inspect` prints of an image of several platforms begins so.
    docker.write_text(
        '#!/bin/sh\n[ "$1 $2 $3" = "buildx imagetools inspect" ] || exit 1\n'
        f'printf "Name:      $4\\nDigest:    {DIGEST}\\n \\nManifests:\\n  Name:  x\\n"\n'
    )
    docker.chmod(0o700)
    path = f"{tmp_path}:{os.environ['PATH']}"
    subprocess.run(["/bin/sh", "-euc", script], cwd=tmp_path, env={"PATH": path}, check=True)

    build = [SERVICES[name]["build"]["args"]["PYTHON"] for name in OURS]
    assert build[0] == build[1]
    of_python, of_valkey = filled(build[0]), filled(SERVICES["valkey"]["image"])
    assert f"ARG PYTHON={of_python}\n" in (DEPLOY / "Containerfile").read_text()
    assert (tmp_path / "deploy" / ".env").read_text().splitlines() == [
        f"PYTHON_IMAGE={of_python}@{DIGEST}",
        f"VALKEY_IMAGE={of_valkey}@{DIGEST}",
    ]
    assert build[0].startswith("${PYTHON_IMAGE:-")
    assert SERVICES["valkey"]["image"].startswith("${VALKEY_IMAGE:-")
