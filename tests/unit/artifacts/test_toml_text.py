"""TOML: what parsers give up on, or never end with, is refused in words."""

import pytest

from recsvc.artifacts.toml_text import MAX_STEPS, parse_toml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = ?", "Invalid value"),
        (f"a = {'[' * 5_000}", "it is nested too deeply"),
        (f"a = {'{a=' * 5_000}", "it is nested too deeply"),
        (f"a = {'9' * 5_000}", "digits"),
        (f"a = [{{b = 0x{'f' * 4_000}}}]", "a whole number is beyond the 64 bits"),
        (f"a = {2**63}", "a whole number is beyond the 64 bits"),
        (f"b = 1\n{'.'.join('a' * 100_000)} = 1", "line 2: a key has more than 100 steps"),
        (f"[{'.'.join('a' * 100_000)}]", "line 1: a key has more than 100 steps"),
        (f"b = {{c = 1, {'.'.join('a' * 100_000)} = 1}}", "line 1: a key has more than 100 steps"),
    ],
)
def test_what_is_no_sensible_toml_is_one_line(text: str, said: str) -> None:
    """Depths, lengths and what else is none; in no time."""
    with pytest.raises(ValueError, match=said) as caught:
        parse_toml(text)
    assert "\n" not in str(caught.value)


def test_whole_numbers_are_those_of_toml() -> None:
    """64 bits, one of which is the sign."""
    parsed = parse_toml(f"a = {2**63 - 1}\nb = [{-(2**63)}]\nc.d = true\n")
    assert parsed == {"a": 2**63 - 1, "b": [-(2**63)], "c": {"d": True}}


def test_dots_elsewhere_are_no_steps() -> None:
    """Of numbers and texts there may be many in a line."""
    numbers = ", ".join(["0.5"] * 500)
    text = f'a = [{numbers}]\nb = {{ c = [{numbers}], d.e = 1 }}\nf = "{"." * 500}"\n'
    assert parse_toml(text)["b"]["d"] == {"e": 1}
    deepest = ".".join("a" * MAX_STEPS)
    assert parse_toml(f"{deepest} = 1")["a"]
