"""The ``recsvc rules`` commands: what a merchant does with a file of rules."""

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsvc.errors import InputError
from recsvc.terminal import new_app, whoami

if TYPE_CHECKING:
    from recsvc.artifacts.documents import Documents
    from recsvc.artifacts.rules_file import RulesFile
    from recsvc.core.recommender import Recommender

# The model's libraries are imported by the commands that need them: --help must be quick.

app = new_app(
    "Merchandising rules: pin, boost, bury, cap and exclude products, by place, channel, segment "
    "and time. docs/rules.md has examples to copy."
)

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="Rules, JSON or TOML.")]
RegistryOption = Annotated[
    str,
    typer.Option(
        "--registry", metavar="PATH", envvar="RECSVC_REGISTRY", help="Folder of the models."
    ),
]
N_NAMED = 5
"""Unknown names that are told of one field."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
VersionArgument = Annotated[
    str, typer.Argument(metavar="VERSION", help="A version, the beginning of one, or current.")
]


@app.command("validate")
def validate_command(
    file: FileArgument, registry: RegistryOption, *, as_json: JsonOption = False
) -> None:
    """Check a file of rules, and its names against the catalogue of the current model.

    Faults are errors, with their line; names that the catalogue does not have are warnings.

    Example: recsvc rules validate rules.toml --registry models
    """
    rules = _read(file)
    warnings = _warnings(rules, registry)
    _print(
        {"rules": len(rules.rules), "warnings": warnings},
        _warned(f"{len(rules.rules)} rules, usable", warnings),
        as_json=as_json,
    )


@app.command("publish")
def publish_command(
    file: FileArgument,
    registry: RegistryOption,
    *,
    activate: Annotated[bool, typer.Option("--activate", help="Put it in force too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Keep a file of rules as a new version, which never changes.

    Example: recsvc rules publish rules.toml --registry models
    """
    from recsvc.artifacts.journal import Note

    rules = _read(file)
    warnings = _warnings(rules, registry)
    shelf, now = _shelf(registry), datetime.now(UTC)
    version_id = shelf.publish(rules.to_json(), now)
    if activate:
        shelf.activate(version_id, now, Note(whoami()))
    state = "in force" if activate else f"to put it in force: recsvc rules activate {version_id}"
    _print(
        {"version_id": version_id, "active": activate, "warnings": warnings},
        _warned(f"published {version_id} ({state})", warnings),
        as_json=as_json,
    )


@app.command("list")
def list_command(registry: RegistryOption, *, as_json: JsonOption = False) -> None:
    """List all versions, the newest first, and who put which in force.

    Example: recsvc rules list --registry models
    """
    shelf = _shelf(registry)
    pointer = shelf.pointer()
    current = pointer.version_id if pointer else ""
    changes = {entry.version_id: entry for entry in shelf.history()}
    rows = [
        {
            "version_id": version_id,
            "active": version_id == current,
            "activated_by": changes[version_id].note.by if version_id in changes else "",
        }
        for version_id in shelf.versions()
    ]
    lines = [
        f"{'*' if row['active'] else ' '} {row['version_id']}  {row['activated_by']}".rstrip()
        for row in rows
    ]
    _print({"versions": rows}, "\n".join(lines) or "no rules yet", as_json=as_json)


@app.command("show")
def show_command(registry: RegistryOption, version_ref: VersionArgument = "current") -> None:
    """Print a version as it is kept, JSON.

    Example: recsvc rules show --registry models
    """
    sys.stdout.write(_shelf(registry).read(version_ref)[1])


@app.command("activate")
def activate_command(
    version_ref: VersionArgument, registry: RegistryOption, *, as_json: JsonOption = False
) -> None:
    """Put a version in force; every process follows within a second.

    Example: recsvc rules activate 20261126T0812 --registry models
    """
    from recsvc.artifacts.journal import Note

    pointer = _shelf(registry).activate(version_ref, datetime.now(UTC), Note(whoami()))
    _print({"version_id": pointer.version_id}, f"{pointer.version_id} is in force", as_json=as_json)


@app.command("rollback")
def rollback_command(registry: RegistryOption, *, as_json: JsonOption = False) -> None:
    """Put the version before the current one in force again.

    Example: recsvc rules rollback --registry models
    """
    from recsvc.artifacts.journal import Note

    pointer = _shelf(registry).rollback(datetime.now(UTC), Note(whoami()))
    _print({"version_id": pointer.version_id}, f"{pointer.version_id} is in force", as_json=as_json)


@app.command("preview")
def preview_command(
    file: FileArgument,
    registry: RegistryOption,
    *,
    customers: Annotated[
        int, typer.Option("--customers", metavar="N", min=1, help="Customers drawn at random.")
    ] = 200,
    size: Annotated[int, typer.Option("--page-size", min=1, max=100, help="Products a list.")] = 20,
    channel: Annotated[str, typer.Option(help="Channel of the lists, such as APP.")] = "",
    placement: Annotated[str, typer.Option(help="Placement id of the lists.")] = "",
    stage: Annotated[str, typer.Option(help="Journey stage, such as discover.")] = "any",
    surface: Annotated[
        str,
        typer.Option(
            "--surface",
            help="Kind of list: recommend, similar (to what each has bought last), together (with "
            "it), or buy_again.",
        ),
    ] = "recommend",
    as_json: JsonOption = False,
) -> None:
    """Show what a file of rules would change on the lists of some customers, now and at home.

    Compared with the rules in force. Nothing is published.

    Example: recsvc rules preview rules.toml --customers 500 --registry models
    """
    import numpy as np

    from recsvc.artifacts.rules_check import rules_in_force
    from recsvc.artifacts.rules_file import CHANNELS, SURFACES
    from recsvc.core.conditions import Occasion
    from recsvc.core.stages import Stage
    from recsvc.service.defaults import Defaults
    from recsvc.service.rules_preview import preview
    from recsvc.settings.lists import ListSettings

    if stage not in set(Stage):
        raise InputError(f"--stage {stage}: take one of {', '.join(Stage)}")
    if channel and channel not in CHANNELS:
        raise InputError(f"--channel {channel}: take one of {', '.join(CHANNELS)}")
    if surface not in SURFACES:
        raise InputError(f"--surface {surface}: take one of {', '.join(SURFACES)}")
    rules = _read(file)
    defaults = Defaults.of(ListSettings.load())
    recommender = _recommender(registry)
    before = rules_in_force(_shelf(registry))
    n_known = len(recommender.model.customers)
    drawn = np.random.default_rng(0).permutation(n_known)[:customers].astype(np.int32)
    occasion = Occasion(
        surface=SURFACES[surface],
        channel=channel,
        placement_id=placement,
        stage=Stage(stage),
        now=time.time(),
    )
    found = preview(
        recommender, before, rules.rulebook(), drawn, occasion, size=size, defaults=defaults
    ).to_json()
    warnings = _warnings(rules, registry)
    if rules.defaults.in_stock_only:
        warnings.append("defaults.in_stock_only: a preview does not know what is in stock")
    found = {"surface": surface} | found
    _print(found | {"warnings": warnings}, _warned(_told(found), warnings), as_json=as_json)


def _told(found: dict[str, Any]) -> str:
    def counted(products: dict[str, int]) -> str:
        return ", ".join(f"{name} ({n})" for name, n in products.items()) or "none"

    lines = [
        f"{found['changed']} of {found['lists']} lists change, {found['shorter']} are shorter",
        f"mean score given up: {found['mean_score_given_up']:.3f} deviations",
        f"come: {counted(found['came'])}",
        f"go: {counted(found['went'])}",
    ]
    for rule_id, each in found["rules"].items():
        lines.append(
            f"rule {rule_id}: touches {each['lists']} lists, moves {each['moved']} products, "
            f"{each['in']} of them onto a list"
        )
    return "\n".join(lines)


def _read(file: Path) -> "RulesFile":
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read ({error}); give a file of rules") from None
    return _parse(text, str(file), is_toml=file.suffix == ".toml")


def _parse(text: str, name: str, *, is_toml: bool = False) -> "RulesFile":
    from recsvc.artifacts.rules_check import read_rules

    return read_rules(text, name=name, is_toml=is_toml)


def _shelf(registry: str) -> "Documents":
    from recsvc.artifacts.registry import Registry
    from recsvc.artifacts.rules_file import KIND

    opened = Registry.open(registry)
    opened.pointer()  # a wrong path must be said
    return opened.documents(KIND)


def _recommender(registry: str) -> "Recommender":
    from recsvc.artifacts.registry import Registry
    from recsvc.artifacts.version_ids import CURRENT
    from recsvc.service.models import load_model

    return load_model(Registry.open(registry), CURRENT).recommender


def _warnings(rules: "RulesFile", registry: str) -> list[str]:
    """Names that the current model does not know."""
    from recsvc.artifacts.registry import Registry
    from recsvc.core.conditions import ANONYMOUS
    from recsvc.core.places import Level
    from recsvc.core.ruling import unknown_names
    from recsvc.core.vocabulary import MISSING

    if Registry.open(registry).pointer() is None:
        return ["there is no current model, so names were not checked"]
    recommender = _recommender(registry)
    assortment = recommender.assortment
    known = {ANONYMOUS, *recommender.model.segments.names.ids}
    segments = [
        f"rule {rule.rule_id!r}, when.segments: {name!r} is no segment of the model"
        for rule in rules.rulebook().rules
        for name in sorted(rule.conditions.segments - known)
    ]
    keys = recommender.model.places.levels[Level.STORE].keys
    stores = [
        f"rule {part.rule_id!r}, when.places: {name!r} is no store of the model; "
        "right if the shop has described it since (BatchUpsertStores)"
        for part in rules.rules
        for name in sorted({place.store_id.strip() for place in part.when.places} - {""})
        if keys.index(name) == MISSING
    ]
    return [*segments, *stores] + [
        f"rule {rule.rule_id!r}, select.{field}: {', '.join(map(repr, names[:N_NAMED]))}"
        f"{' and more' * (len(names) > N_NAMED)} not in the catalogue"
        for rule in rules.rulebook().rules
        for field, names in unknown_names(rule.selection, assortment).items()
    ]


def _warned(text: str, warnings: list[str]) -> str:
    return "\n".join([text, *(f"warning: {warning}" for warning in warnings)])


def _print(result: dict[str, Any], text: str, *, as_json: bool) -> None:
    sys.stdout.write((json.dumps(result, indent=2) if as_json else text) + "\n")
