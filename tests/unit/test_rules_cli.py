"""``recsvc rules``: from a file to what is in force."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.artifacts.rules_check import rules_in_force
from recsvc.cli import app
from recsvc.terminal import run, whoami
from tests.serving import small_registry

RULES = """
[[rules]]
rule_id = "bag"
action = "pin"
position = 1
select = { product_ids = ["bag", "bga"] }

[[rules]]
rule_id = "less-coffee"
action = "bury"
factor = 100
select = { categories = ["Drinks > Coffee"] }
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_registry(tmp_path_factory.mktemp("rules") / "models").root


@pytest.fixture
def registry(template: Path, tmp_path: Path) -> Path:
    """A registry of its own, whose models are those of the template."""
    root = tmp_path / "models"
    root.mkdir()
    for path in template.iterdir():
        if path.name in {"versions", "current.json", "promotions.jsonl"}:
            (root / path.name).symlink_to(path)
    (root / "staging").mkdir()
    return root


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    return path


def rules(capsys: pytest.CaptureFixture[str], registry: Path, *arguments: object) -> Any:  # noqa: ANN401  # what JSON holds
    """Run a command that succeeds, and return what it prints as JSON."""
    capsys.readouterr()
    given = ["rules", *map(str, arguments), "--registry", str(registry), "--json"]
    assert run(app, given) == 0
    return json.loads(capsys.readouterr().out)


def told(capsys: pytest.CaptureFixture[str], registry: Path, *arguments: object) -> str:
    """The same as text."""
    capsys.readouterr()
    assert run(app, ["rules", *map(str, arguments), "--registry", str(registry)]) == 0
    return capsys.readouterr().out


def test_a_file_becomes_what_is_in_force_and_comes_back(
    capsys: pytest.CaptureFixture[str], registry: Path, file: Path
) -> None:
    """Published, activated, replaced, rolled back; the list says who did."""
    assert told(capsys, registry, "list") == "no rules yet\n"
    one = rules(capsys, registry, "publish", file)["version_id"]
    assert not rules(capsys, registry, "list")["versions"][0]["active"]
    assert rules(capsys, registry, "activate", one) == {"version_id": one}
    two = rules(capsys, registry, "publish", file, "--activate")["version_id"]
    listed = {row["version_id"]: row for row in rules(capsys, registry, "list")["versions"]}
    assert (listed[two]["active"], listed[one]["active"]) == (True, False)
    assert listed[two]["activated_by"] == whoami()
    assert f"* {two}  {whoami()}" in told(capsys, registry, "list")
    assert rules(capsys, registry, "rollback") == {"version_id": one}
    shown = json.loads(told(capsys, registry, "show"))
    assert [rule["rule_id"] for rule in shown["rules"]] == ["bag", "less-coffee"]
    assert told(capsys, registry, "show", two) == told(capsys, registry, "show", one)


def test_unknown_names_are_warnings(
    capsys: pytest.CaptureFixture[str], registry: Path, file: Path
) -> None:
    """With the rule and the field; the file is usable all the same."""
    warning = "rule 'bag', select.product_ids: 'bga' not in the catalogue"
    found = rules(capsys, registry, "validate", file)
    assert found == {"rules": 2, "warnings": [warning]}
    assert told(capsys, registry, "validate", file) == f"2 rules, usable\nwarning: {warning}\n"
    (registry / "current.json").unlink()
    assert "names were not checked" in told(capsys, registry, "validate", file)


def test_unknown_segments_are_warnings(
    capsys: pytest.CaptureFixture[str], registry: Path, file: Path
) -> None:
    """A rule for them never holds."""
    file.write_text(RULES + '[rules.when]\nsegments = ["anonymous", "goldd"]\n')
    (_, warning) = sorted(rules(capsys, registry, "validate", file)["warnings"])
    assert warning == "rule 'less-coffee', when.segments: 'goldd' is no segment of the model"


def test_unknown_stores_are_warnings(
    capsys: pytest.CaptureFixture[str], registry: Path, file: Path
) -> None:
    """As segments are: a rule for them holds nowhere until something is sold there."""
    places = '[{ store_id = "leeds-1" }, { store_id = "leds-1" }, { country_code = "GB" }]'
    file.write_text(f"{RULES}[rules.when]\nplaces = {places}\n")
    (_, warning) = sorted(rules(capsys, registry, "validate", file)["warnings"])
    assert warning == (
        "rule 'less-coffee', when.places: 'leds-1' is no store of the model; right if the shop has "
        "described it since (BatchUpsertStores)"
    )


def test_a_file_that_says_nothing_takes_back_the_first_rules(
    capsys: pytest.CaptureFixture[str], registry: Path, file: Path
) -> None:
    """There is none before it to roll back to, and the error says what to do instead."""
    one = rules(capsys, registry, "publish", file, "--activate")["version_id"]
    assert run(app, ["rules", "rollback", "--registry", str(registry)]) == 1
    assert "publish and activate a file that says nothing" in capsys.readouterr().err
    file.write_text("")
    rules(capsys, registry, "publish", file, "--activate")
    assert json.loads(told(capsys, registry, "show")) == {}
    assert not rules_in_force(Registry(registry).documents("rules")).rules
    assert rules(capsys, registry, "rollback") == {"version_id": one}


def test_each_fault_is_a_line(
    capsys: pytest.CaptureFixture[str], registry: Path, file: Path
) -> None:
    """Under the name of the file, with the line that it is on."""
    file.write_text(RULES.replace("position = 1", "").replace("100", "0.5"))
    assert run(app, ["rules", "validate", str(file), "--registry", str(registry)]) == 1
    assert capsys.readouterr().err.splitlines() == [
        f"error: {file}: cannot be used",
        "  line 3, rule 'bag', rule: pin needs position",
        "  line 9, rule 'less-coffee', factor: must be above 1",
    ]


def test_a_preview_says_what_would_change(
    capsys: pytest.CaptureFixture[str], registry: Path, file: Path
) -> None:
    """By rule and product, against what is in force; nothing is published by it."""
    found = rules(capsys, registry, "preview", file, "--customers", 5, "--page-size", 3)
    assert (found["lists"], found["changed"], found["shorter"]) == (5, 5, 0)
    assert found["came"]["bag"] == 5
    assert found["rules"]["bag"] == {"lists": 5, "moved": 5, "in": 5}
    assert found["mean_score_given_up"] > 0
    text = told(capsys, registry, "preview", file, "--customers", 5, "--page-size", 3)
    assert "5 of 5 lists change, 0 are shorter" in text
    assert "rule bag: touches 5 lists, moves 5 products, 5 of them onto a list" in text
    assert rules(capsys, registry, "list")["versions"] == []
    rules(capsys, registry, "publish", file, "--activate")
    again = rules(capsys, registry, "preview", file, "--customers", 5, "--page-size", 3)
    assert (again["changed"], again["mean_score_given_up"]) == (0, 0)
    assert "come: none" in told(capsys, registry, "preview", file, "--customers", 1)


ON_SURFACES = """
[defaults]
in_stock_only = true
diversity = "high"

[[rules]]
rule_id = "bag"
action = "pin"
position = 1
select = { product_ids = ["bag"] }
when = { surfaces = ["similar", "together"] }

[[rules]]
rule_id = "no-coffee"
action = "exclude"
select = { categories = ["Drinks > Coffee"] }
when = { surfaces = ["buy_again"] }
"""


@pytest.mark.parametrize(
    ("surface", "touched"),
    [("recommend", ""), ("similar", "bag"), ("together", "bag"), ("buy_again", "no-coffee")],
)
def test_a_preview_is_of_the_surface_that_is_asked_for(
    capsys: pytest.CaptureFixture[str], registry: Path, file: Path, surface: str, touched: str
) -> None:
    """Each rule acts on its own; what a preview does not know of is a warning."""
    file.write_text(ON_SURFACES)
    found = rules(capsys, registry, "preview", file, "--customers", 5, "--surface", surface)
    touching = [rule_id for rule_id, each in found["rules"].items() if each["lists"]]
    assert (found["surface"], touching) == (surface, [touched] * bool(touched))
    assert found["changed"] > 0
    assert any("what is in stock" in warning for warning in found["warnings"])


def test_a_preview_is_as_varied_as_the_shops_lists(
    capsys: pytest.CaptureFixture[str],
    registry: Path,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rules that ask for what the shop has anyway change nothing."""
    file.write_text('[defaults]\ndiversity = "high"\n')
    assert rules(capsys, registry, "preview", file, "--customers", 5)["changed"] > 0
    monkeypatch.setenv("RECSVC_DIVERSITY", "high")
    assert rules(capsys, registry, "preview", file, "--customers", 5)["changed"] == 0


def test_each_kind_of_list_is_made_as_it_is_served(
    capsys: pytest.CaptureFixture[str], registry: Path, file: Path
) -> None:
    """What one rule takes from each differs: they answer different questions."""
    file.write_text(
        '[[rules]]\nrule_id = "dry"\naction = "exclude"\nselect = { categories = ["Drinks"] }\n'
    )
    asked = ("preview", file, "--customers", 5, "--page-size", 4, "--surface")
    went = [
        rules(capsys, registry, *asked, surface)["went"]
        for surface in ("recommend", "similar", "together", "buy_again")
    ]
    assert all(went)
    assert all(one != other for one, other in combinations(went, 2))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["validate", "{missing}"], "cannot be read"),
        (["validate", "{bad}"], "is no JSON"),
        (["preview", "{file}", "--stage", "asleep"], "--stage asleep: take one of any, discover"),
        (["preview", "{file}", "--channel", "app"], "--channel app: take one of WEB, APP"),
        (["preview", "{file}", "--surface", "home"], "--surface home: take one of recommend, sim"),
        (["activate", "2026"], "no such version"),
        (["rollback"], "no previous version"),
        (["show"], "no version is activated yet"),
    ],
)
def test_what_cannot_be_done_is_said(
    capsys: pytest.CaptureFixture[str],
    registry: Path,
    file: Path,
    arguments: list[str],
    said: str,
) -> None:
    """One error, exit code 1, and nothing has changed."""
    bad = file.with_name("bad.json")
    bad.write_text("{")
    names = {"file": file, "bad": bad, "missing": file.with_name("missing.json")}
    given = [argument.format(**names) for argument in arguments]
    assert run(app, ["rules", *given, "--registry", str(registry)]) == 1
    assert said in capsys.readouterr().err
    assert not (registry / "rules" / "current.json").exists()


def test_there_must_be_a_registry(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, file: Path
) -> None:
    """A path that was mistyped is not made."""
    wrong = tmp_path / "nowhere"
    assert run(app, ["rules", "publish", str(file), "--registry", str(wrong)]) == 1
    assert "there is no registry here" in capsys.readouterr().err
    assert not wrong.exists()
