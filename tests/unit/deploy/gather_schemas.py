"""Writes ``schemas/`` anew, out of two wheels from PyPI; its README says which.

pip download --no-deps kubernetes-validate==1.37.0 check-jsonschema==0.39.0
python tests/unit/deploy/gather_schemas.py kubernetes_validate-*.whl check_jsonschema-*.whl
"""

import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).with_name("schemas")
KINDS = {
    "CronJob": "io.k8s.api.batch.v1.CronJob",
    "Deployment": "io.k8s.api.apps.v1.Deployment",
    "NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
    "PersistentVolumeClaim": "io.k8s.api.core.v1.PersistentVolumeClaim",
    "PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
    "Service": "io.k8s.api.core.v1.Service",
}
"""Those of deploy/kubernetes."""

_REFERENCE = re.compile(r'"(?:/api/_definitions\.json)?#/\$defs/([^"]+)"')


def kubernetes(definitions: str) -> str:
    """One schema for all kinds, strict: a field that Kubernetes does not know is an error.

    Args:
        definitions: kubernetes-validate's ``_definitions.json``.
    """
    everything = json.loads(definitions)["$defs"]
    waiting, found = list(KINDS.values()), {}
    while waiting:
        name = waiting.pop()
        if name not in found:
            text = json.dumps(_without_descriptions(everything[name]))
            found[name] = json.loads(_REFERENCE.sub(r'"#/$defs/\1"', text))
            waiting += _REFERENCE.findall(text)
    lines = [f"{json.dumps(name)}: {_dense(found[name])}" for name in sorted(found)]
    return '{"$defs": {\n' + ",\n".join(lines) + "\n}}\n"


def _without_descriptions(schema: Any) -> Any:  # noqa: ANN401  # any JSON
    """Leave out the prose, which is nine tenths; a field of that name is an object, and stays."""
    if isinstance(schema, list):
        return [_without_descriptions(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: _without_descriptions(part)
        for name, part in schema.items()
        if not (name == "description" and isinstance(part, str)) and not name.startswith("x-")
    }


def _dense(document: object) -> str:
    return json.dumps(document, separators=(",", ":"), sort_keys=True)


def main(kubernetes_validate: str, check_jsonschema: str) -> None:
    """Write both files."""
    with zipfile.ZipFile(kubernetes_validate) as wheel:
        folder = "kubernetes_validate/kubernetes-json-schema/v1.37.0-local-strict"
        text = wheel.read(f"{folder}/_definitions.json").decode()
    (SCHEMAS / "kubernetes.json").write_text(kubernetes(text))
    with zipfile.ZipFile(check_jsonschema) as wheel:
        text = wheel.read("check_jsonschema/builtin_schemas/vendor/compose-spec.json").decode()
    (SCHEMAS / "compose-spec.json").write_text(
        _dense(_without_descriptions(json.loads(text))) + "\n"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
