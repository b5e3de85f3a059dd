"""Files of rules: what is read, and what is said of faults."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recsvc.artifacts.contradictions import may_coincide
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.rules_check import read_rules, rules_in_force
from recsvc.artifacts.rules_file import RulesFile
from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.diversity import Diversity
from recsvc.core.place_sets import PlaceSet
from recsvc.core.places import Location
from recsvc.core.recommendation_id import Surface
from recsvc.core.rules import NO_RULES, Effect, Rule, Selection
from recsvc.core.stages import Stage
from recsvc.errors import FaultyFileError, InputError

TOML = """
[defaults]
exclude_purchased = true
diversity = "low"
buy_again_sensitive = false

[[rules]]
rule_id = "tea-week"
note = "agreed with the buyers"
action = "pin"
position = 2
says = { de = "Die Teewoche.", en = "Tea week." }

[rules.select]
categories = ["Drinks > Tea"]
price_max = 5
currency = "EUR"
attributes = { label = ["organic"] }

[rules.when]
places = [{ store_id = "leeds-1" }, { postal_code = "LS1", country_code = "GB" }]
channels = ["APP", "WEB"]
placement_ids = ["home"]
stages = ["discover"]
segments = ["anonymous"]
from = 2026-07-01T00:00:00Z
to = 2026-07-08T00:00:00+02:00
days = ["sat", "sun"]
hours = "18:00-24:00"
time_zone = "Europe/Berlin"

[[rules]]
rule_id = "mixed"
action = "at_most"
limit = 2
first = 10
per = "category:1"
"""


def faults(*rules: object, **rest: object) -> list[str]:
    """What is said of a file, a line each."""
    with pytest.raises(FaultyFileError) as caught:
        read_rules(json.dumps({"rules": rules, **rest}, indent=1), name="r.json")
    assert caught.value.headline == "r.json: cannot be used"
    assert "\n" not in str(caught.value)
    return list(caught.value.faults)


def rule(action: str = "exclude", **more: object) -> dict[str, Any]:
    return {"rule_id": "x", "action": action, "select": {"brands": ["Alta"]}, **more}


def test_everything_that_is_written_arrives() -> None:
    """In TOML, with the defaults of what is not."""
    book = read_rules(TOML, name="r.toml", is_toml=True).rulebook("v1")
    assert (book.version_id, book.in_stock_only, book.exclude_purchased) == ("v1", None, True)
    assert (book.diversity, book.sensitive_again) == (Diversity.LOW, False)
    tea, mixed = book.rules
    assert (tea.rule_id, tea.effect, tea.position) == ("tea-week", Effect.PIN, 2)
    assert tea.says == {"de": "Die Teewoche.", "en": "Tea week."}
    assert tea.selection == Selection(
        wanted=CatalogueFilter(
            category_paths=("Drinks > Tea",),
            price_max=5,
            currency="EUR",
            attributes={"label": ("organic",)},
        )
    )
    when = tea.conditions
    assert when.places == PlaceSet.of(
        [Location(store_id="leeds-1"), Location(postal_code="LS1", country_code="GB")]
    )
    assert when.channels == {"APP", "WEB"}
    assert when.placement_ids == {"home"}
    assert when.stages == {Stage.DISCOVER}
    assert when.segments == {"anonymous"}
    assert when.hours is not None
    assert when.hours.starts == datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    assert when.hours.ends == datetime(2026, 7, 7, 22, tzinfo=UTC).timestamp()
    assert when.hours.days == {5, 6}
    assert (when.hours.opens, when.hours.closes) == (18 * 60, 0)
    assert str(when.hours.zone) == "Europe/Berlin"
    assert mixed == Rule(
        rule_id="mixed",
        effect=Effect.AT_MOST,
        conditions=mixed.conditions,
        limit=2,
        first=10,
        per="category:1",
    )
    assert mixed.conditions.surfaces == set(Surface)
    assert mixed.conditions.hours is None


def test_what_a_registry_keeps_reads_as_what_was_written() -> None:
    """As JSON, whatever the file was."""
    rules = read_rules(TOML, name="r.toml", is_toml=True)
    assert read_rules(rules.to_json(), name="kept") == rules
    assert RulesFile().to_json() == "{}\n"


@pytest.mark.parametrize(
    ("action", "surfaces"),
    [
        ({"action": "pin", "position": 1}, {Surface.RECOMMEND}),
        ({"action": "boost", "factor": 2}, {Surface.RECOMMEND}),
        ({"action": "bury", "factor": 2}, {Surface.RECOMMEND}),
        ({"action": "at_most", "limit": 1, "first": 5}, set(Surface)),
        ({"action": "exclude"}, set(Surface)),
    ],
)
def test_where_a_rule_holds_that_does_not_say(
    action: dict[str, Any], surfaces: set[Surface]
) -> None:
    """What forbids holds everywhere, what promotes on the main list."""
    book = read_rules(json.dumps({"rules": [rule(**action)]}), name="r").rulebook()
    assert book.rules[0].conditions.surfaces == surfaces
    given = rule(**action, when={"surfaces": ["similar"]})
    book = read_rules(json.dumps({"rules": [given]}), name="r").rulebook()
    assert book.rules[0].conditions.surfaces == {Surface.SIMILAR}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (rule(factor=2), "exclude has no factor; leave it out"),
        (rule("pin"), "pin needs position"),
        (rule("boost", factor=1), "factor: must be above 1"),
        (rule("at_most", limit=2), "at_most needs first"),
        (
            rule("at_most", limit=2, first=9, per="price"),
            "per: must be category, category:1 to category:9, brand, or attribute",
        ),
        (rule("boost", factor=2, says={"en": "x"}), "boost has no says; leave it out"),
        (rule("explode"), "action: must be 'pin', 'boost'"),
        (rule(select={}), "exclude selects nothing; give select"),
        (
            rule(select={"brand": ["x"]}),
            "select.brand: is no field that is known here; write one of product_ids, ",
        ),
        (
            rule(when={"places": [{"store": "1"}]}),
            "when.places.0.store: is no field that is known here; write one of store_id, ",
        ),
        (rule(when={"start": "2026-01-01T00:00:00Z"}), ", stages, segments, from, to, days, "),
        (rule(select={"price_max": 3}), "a price needs a currency"),
        (rule(select={"brands": ["x"], "currency": "EUR"}), "and a currency a price"),
        (
            rule(select={"price_min": 3, "price_max": 2, "currency": "EUR"}),
            "price_min is above price_max",
        ),
        (rule(select={"attributes": {"a": []}}), "an attribute has no values"),
        (rule(when={"places": [{}]}), "names no place"),
        (rule(when={"places": [{"country_code": "gb"}]}), "must be two capital letters, as in GB"),
        (rule(when={"places": [{"subdivision_code": "Bavaria"}]}), "in capitals, as in GB-ENG"),
        (rule(select={"price_max": 3, "currency": "€"}), "must be three capital letters, as in"),
        (rule("pin", position=1, says={"!": "x"}), "must be the code of a language, as in en or"),
        (rule(note=3), "note: must be text, in quotes"),
        (rule(select={"brands": "Alta"}), "select.brands: must be a list, in [ ]"),
        (rule(select=3), "select: must be a group of fields, in { }"),
        (rule(when={"segments": [""]}), "when.segments.0: is empty; write something"),
        (rule(when={"segments": ["x" * 257]}), "is too long; write at most 256 characters"),
        (rule("pin", position=0), "position: must be at least 1"),
        (rule("pin", position=101), "position: must be at most 100"),
        (rule("pin", position="two"), "position: must be a whole number"),
        (rule(when={"from": "soon"}), "when.from: is no time; write it as 2026-07-01T09:00:00Z"),
        (rule(when={"places": [{"postal_code": "1"}]}), "a postal_code needs its country_code"),
        (rule(when={"channels": ["FAX"]}), "when.channels.0: must be 'WEB'"),
        (rule(when={"hours": "9-18"}), "when.hours: must be two times of a day, as in 09:00-18:00"),
        (
            rule(when={"from": "2026-01-01T00:00:00"}),
            "when.from: has no time zone; write it as 2026-07-01T",
        ),
        (
            rule(when={"from": "2026-01-02T00:00:00Z", "to": "2026-01-02T00:00:00Z"}),
            "'to' is not after 'from'",
        ),
        (rule(when={"time_zone": "Mars/Base"}), "'Mars/Base' is no time zone"),
        (rule(when={"time_zone": "../x"}), "'../x' is no time zone"),
        (
            rule("pin", position=1, when={"surfaces": ["buy_again"]}),
            "pin does not act on buy_again",
        ),
    ],
)
def test_faults_are_told_with_their_line(wrong: dict[str, Any], said: str) -> None:
    """The line and name of the rule, the field, and what to do."""
    good = {"rule_id": "good", "action": "exclude", "select": {"brands": ["Alta"]}}
    (line,) = faults(good, wrong)
    assert line.startswith("line 13, rule 'x', ")
    assert said in line


def test_all_faults_are_told_at_once() -> None:
    """Also of what is no rule, and of a rule without a name."""
    lines = faults({"action": "exclude"}, rule("pin"), 3, default={}, defaults={"x": 1})
    assert len(lines) == 5
    assert "rules[2], rule: must be a group of fields, in { }" in lines
    (default,) = (line for line in lines if line.startswith("default: is no field that is known"))
    assert default.endswith("; write one of defaults, rules, or leave it out")
    assert any(line.startswith("defaults.x: is no field") for line in lines)
    assert any("rule_id: is required" in line for line in lines)


def test_ever_so_many_faults_are_told() -> None:
    """Each in its turn: what grew with the square of their number would not end."""
    numbers = {"product_ids": list(range(1_000))}
    lines = faults(*(rule(rule_id=f"r{number}", select=numbers) for number in range(40)))
    assert len(lines) == 40_000
    assert lines[-1].endswith("rule 'r39', select.product_ids.999: must be text, in quotes")


@pytest.mark.parametrize(("text", "is_toml"), [("{", False), ("a = ?", True), ("[1", False)])
def test_what_is_no_file_of_rules_says_where(text: str, *, is_toml: bool) -> None:
    """The line and column, as the parser has them."""
    with pytest.raises(InputError, match=r"r: is no (JSON|TOML): .*line 1"):
        read_rules(text, name="r", is_toml=is_toml)
    with pytest.raises(FaultyFileError, match="file: must be a group of fields"):
        read_rules("[]", name="r")


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_file_of_rules_that_is_nested_too_deeply_is_refused(opening: str) -> None:
    """In words, whether it is JSON or TOML."""
    with pytest.raises(InputError, match="r: is no JSON: maximum recursion depth"):
        read_rules(opening * 100_000, name="r")
    with pytest.raises(InputError, match="r: is no TOML: "):
        read_rules(f"a = {opening.replace(':', ' = ') * 5_000}", name="r", is_toml=True)


def test_a_name_is_given_once() -> None:
    """Responses name rules by it."""
    (line,) = faults(rule(), rule())
    assert line.endswith("rule_id: is the name of a rule above; rename it")


def pins(first: dict[str, Any], second: dict[str, Any], position: int = 1) -> list[dict[str, Any]]:
    """Two pins of two products, to place 1 and another, each with its conditions."""
    return [
        {"rule_id": "a", "action": "pin", "position": 1, "when": first,
         "select": {"product_ids": ["tea"]}},
        {"rule_id": "b", "action": "pin", "position": position, "when": second,
         "select": {"product_ids": ["jam"]}},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "contradict"),
    [
        ({}, {}, True),
        ({"channels": ["APP"]}, {"channels": ["WEB"]}, False),
        ({"channels": ["APP"]}, {}, True),
        ({"segments": ["new"]}, {"segments": ["gold"]}, True),  # one may be in both
        ({"places": [{"store_id": "a"}]}, {"places": [{"store_id": "b"}]}, False),
        ({"places": [{"store_id": "a"}]}, {"places": [{"country_code": "GB"}]}, True),
        ({"days": ["mon"]}, {}, True),
        ({"days": ["mon"]}, {"days": ["tue"]}, False),
        ({"days": ["mon"]}, {"days": ["mon", "tue"]}, True),
        ({"hours": "09:00-12:00"}, {"hours": "12:00-18:00"}, False),
        ({"hours": "09:00-12:00"}, {"hours": "11:00-18:00"}, True),
        ({"hours": "09:00-12:00"}, {"hours": "12:00-18:00", "time_zone": "Asia/Tokyo"}, True),
        ({"hours": "22:00-02:00"}, {"hours": "12:00-18:00"}, True),  # told apart within a day alone
        ({"to": "2026-01-01T00:00:00Z"}, {"from": "2026-01-01T00:00:00Z"}, False),
        ({"to": "2026-01-02T00:00:00Z"}, {"from": "2026-01-01T00:00:00Z"}, True),
    ],
)
def test_pins_to_one_place_contradict_where_both_may_hold(
    first: dict[str, Any], second: dict[str, Any], *, contradict: bool
) -> None:
    """Told when written, and not found out by shoppers."""
    rules = pins(first, second)
    if contradict:
        (line,) = faults(*rules)
        assert "rule 'b', position: pins to place 1 as 'a' does, at times when both hold" in line
    else:
        parsed = read_rules(json.dumps({"rules": rules}), name="r").rulebook()
        one, other = (each.conditions for each in parsed.rules)
        assert not may_coincide(one, other)


def test_one_product_has_one_place() -> None:
    """Pinned to two, one of the pins would do nothing; other places suit other products."""
    rules = pins({}, {}, position=2)
    assert len(read_rules(json.dumps({"rules": rules}), name="r").rules) == 2
    rules[1]["select"] = rules[0]["select"]
    (line,) = faults(*rules)
    assert "pins the product of 'a' to another place; leave one out" in line


def test_of_a_pin_the_first_contradiction_is_told() -> None:
    """A line a pin, on its own line of the file, however many others it contradicts."""
    third = {**pins({}, {})[1], "rule_id": "c", "select": {"brands": ["Alta"]}}
    lines = faults(*pins({}, {}), third)
    assert [line.partition(", ")[0] for line in lines] == ["line 15", "line 26"]
    assert ["as 'a' does" in line for line in lines] == [True, True]


def test_what_was_published_is_not_looked_at_for_contradictions_again(tmp_path: Path) -> None:
    """A server reads what somebody has checked; what it cannot understand it still refuses."""
    shelf = Registry(tmp_path).documents("rules")
    assert rules_in_force(shelf) == NO_RULES
    now = datetime(2026, 7, 1, tzinfo=UTC)
    version_id = shelf.publish(json.dumps({"rules": pins({}, {})}), now)
    assert [each.rule_id for each in rules_in_force(shelf, version_id).rules] == ["a", "b"]
    odd = shelf.publish('{"rules": [{}]}', now)
    with pytest.raises(InputError, match=rf"rules {odd}: cannot be used"):
        rules_in_force(shelf, odd)


def test_the_file_to_copy_is_usable() -> None:
    """What docs/rules.md shows."""
    page = Path(__file__).parents[3] / "docs" / "rules.md"
    text = page.read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]
    rules = read_rules(text, name="rules.md", is_toml=True).rulebook()
    assert {rule.effect for rule in rules.rules} == set(Effect)
