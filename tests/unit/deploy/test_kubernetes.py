"""The manifests of Kubernetes: against its schemas, against each other, and against the code."""

from collections.abc import Iterator
from typing import Any

import pytest

from recsvc.launch import EXTRA_GRACE_SECONDS
from recsvc.server.server import SERVICES
from recsvc.settings.addresses import split_address
from tests.deployment import DEPLOY, documents, faults, parsed, schema, usable
from tests.unit.deploy.gather_schemas import KINDS

BASE = DEPLOY / "kubernetes"
KUSTOMIZATION = documents(BASE / "kustomization.yaml")[0]
OBJECTS = {
    f"{document['kind']} {document['metadata']['name']}": document
    for path in sorted(BASE.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for document in documents(path)
}
SECRETS = {"redis-url": "rediss://:hush@valkey:6379/0", "hash-key": "hush"}
"""What deploy/README.md asks for."""

ENTRYPOINTS = {"recsvc": "recsvc", "recsvc-nightly": "recsvc-train"}
"""Of the images, as the Containerfile has them."""


def pod_templates() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in OBJECTS.items():
        spec = document["spec"]
        if document["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if "template" in spec:
            yield name, spec["template"]


TEMPLATES = dict(pod_templates())
CONTAINERS = {
    container["name"]: container
    for template in TEMPLATES.values()
    for container in template["spec"]["containers"]
}


def environment(container: dict[str, Any]) -> dict[str, str]:
    """A container's variables, with an example of what a Secret holds."""
    return {
        entry["name"]: entry["value"]
        if "value" in entry
        else SECRETS[entry["valueFrom"]["secretKeyRef"]["key"]]
        for entry in container["env"]
    }


@pytest.mark.parametrize("name", OBJECTS)
def test_every_object_fits_the_schema_of_its_kind(name: str) -> None:
    """A field that Kubernetes does not know is an error as well."""
    document = OBJECTS[name]
    reference = {"$ref": f"#/$defs/{KINDS[document['kind']]}"}
    assert faults(schema("kubernetes.json") | reference, document) == []


def test_a_misspelt_field_would_be_noticed() -> None:
    """The schemas are strict, in depth too."""
    template = {"spec": {"containers": [{"name": "x", "readinesProbe": {}}]}}
    found = faults(
        schema("kubernetes.json") | {"$ref": "#/$defs/io.k8s.api.core.v1.PodTemplateSpec"}, template
    )
    assert len(found) == 1
    assert "readinesProbe" in found[0]


def test_the_base_holds_every_file_and_names_every_image() -> None:
    """What lies in the folder and in no list would be forgotten without a word."""
    files = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(KUSTOMIZATION["resources"]) == files
    images = {image["name"] for image in KUSTOMIZATION["images"]}
    assert images == {container["image"] for container in CONTAINERS.values()} == set(ENTRYPOINTS)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_pod_may_more_than_it_needs(name: str) -> None:
    """What Pod Security calls restricted, and a root that cannot be written."""
    spec = TEMPLATES[name]["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_what_a_pod_mounts_is_there(name: str) -> None:
    """Each volume is a claim of the base or an empty folder, and /tmp can be written."""
    spec = TEMPLATES[name]["spec"]
    mounted = {volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
    assert mounted <= {"recsvc-api-keys"}  # deploy/README.md asks for it
    claims = {
        volume["persistentVolumeClaim"]["claimName"]
        for volume in spec["volumes"]
        if "persistentVolumeClaim" in volume
    }
    assert {f"PersistentVolumeClaim {claim}" for claim in claims} <= set(OBJECTS)
    for container in spec["containers"]:
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert set(mounts) == {volume["name"] for volume in spec["volumes"]}
        assert mounts["tmp"] == "/tmp"  # noqa: S108  # the path in the container


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_every_command_and_flag_exists(container: dict[str, Any]) -> None:
    """As the image's entry point reads them."""
    parsed([ENTRYPOINTS[container["image"]], *container["args"]])


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_every_setting_exists_and_can_be_used(
    container: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A misspelt variable would be ignored by the server, in silence."""
    usable({"RECSVC_REGISTRY": "/registry"} | environment(container), monkeypatch)


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_secrets_come_by_reference_and_are_not_optional(container: dict[str, Any]) -> None:
    """The URL has a password in it; without its key a server would hash people anew."""
    for entry in container["env"]:
        is_secret = entry["name"] in {"RECSVC_REDIS_URL", "RECSVC_HASH_KEY"}
        assert is_secret == ("valueFrom" in entry)
        assert not is_secret or set(entry["valueFrom"]["secretKeyRef"]) == {"name", "key"}


def test_ports_are_those_that_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what probes, services and policies name is among them."""
    server = CONTAINERS["server"]
    settings = usable(environment(server), monkeypatch)
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert ports == {
        "grpc": split_address(settings.listen)[1],
        "metrics": split_address(settings.metrics_listen)[1],
    }
    for service_port in OBJECTS["Service recsvc"]["spec"]["ports"]:
        assert service_port["targetPort"] in ports
    for rule in OBJECTS["NetworkPolicy recsvc-server"]["spec"]["ingress"]:
        assert {port["port"] for port in rule["ports"]} <= set(ports)


@pytest.mark.parametrize("kind", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_ask_what_the_server_answers(kind: str) -> None:
    """Only readiness depends on a model: a server without one must not be restarted for it."""
    asked = CONTAINERS["server"][kind]["grpc"]
    assert asked["port"] == 50051
    service = asked.get("service", "")
    assert service in {"", *SERVICES}
    assert (service == "") == (kind == "readinessProbe")


def test_a_pod_may_take_as_long_to_end_as_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the kubelet kills it, with the calls that it still works on."""
    server = CONTAINERS["server"]
    before = server["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace = usable(environment(server), monkeypatch).grace_seconds
    spec = TEMPLATES["Deployment recsvc"]["spec"]
    assert spec["terminationGracePeriodSeconds"] > before + grace + EXTRA_GRACE_SECONDS


def test_what_selects_pods_selects_these() -> None:
    """A policy or a budget whose labels fit nobody protects nobody."""
    labels = {name: template["metadata"]["labels"] for name, template in TEMPLATES.items()}
    server, nightly = labels["Deployment recsvc"], labels["CronJob recsvc-nightly"]
    assert OBJECTS["Deployment recsvc"]["spec"]["selector"]["matchLabels"] == server
    assert OBJECTS["PodDisruptionBudget recsvc"]["spec"]["selector"]["matchLabels"] == server
    assert OBJECTS["Service recsvc"]["spec"]["selector"] == server
    for name, chosen in (("recsvc-server", server), ("recsvc-nightly", nightly)):
        policy = OBJECTS[f"NetworkPolicy {name}"]["spec"]
        assert policy["podSelector"]["matchLabels"] == chosen
        assert policy["policyTypes"] == ["Ingress", "Egress"]
    spread = TEMPLATES["Deployment recsvc"]["spec"]["topologySpreadConstraints"]
    assert [each["labelSelector"]["matchLabels"] for each in spread] == [server]
