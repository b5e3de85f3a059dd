"""Documents and tables that are well-formed and wrong: values of other kinds, depths, sizes."""

import copy
import csv
import io
import json
import random
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from tests.fuzz.texts import HOSTILE, INTEGERS

_MARK: Final = "q7xMarkx7q"
_DEPTHS: Final = (50, 500, 990, 5_000, 100_000)
_VALUES: Final[Sequence[Any]] = (
    *(None, True, False, "", [], {}, [[]], [{}], {"": {}}, 0.5, -0.5, 1e308, float("nan")),
    *(float("inf"), 1e-320, "\ud800", "2026-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"),
    *("9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00", "24:00", "RECOMMEND", "current"),
    *INTEGERS,
    *HOSTILE,
)
_RAW: Final[Sequence[Callable[[random.Random], str]]] = (
    lambda chance: "[" * (depth := chance.choice(_DEPTHS)) + "]" * depth,
    lambda chance: '{"a":' * (depth := chance.choice(_DEPTHS)) + "1" + "}" * depth,
    lambda chance: "[" * chance.choice(_DEPTHS),
    lambda chance: "9" * chance.choice((20, 310, 4_301, 50_000)),
    lambda chance: "-" + "9" * chance.choice((20, 4_301)),
    lambda _: "1e999999999",
    lambda _: "1E400",
    lambda _: '"\\ud800"',
    lambda _: '"\\u0000"',
    lambda _: "01",
)
"""What no object of Python is written as."""
_TOML: Final[Sequence[Callable[[random.Random], str]]] = (
    *_RAW[:5],
    lambda chance: "{a=" * (depth := chance.choice(_DEPTHS)) + "1" + "}" * depth,
    lambda chance: "{" + ".".join("a" * chance.choice(_DEPTHS[:4])) + "=1}",
    lambda _: "0x" + "f" * 10_000,
    lambda _: "nan",
    lambda _: "-inf",
    lambda _: "2026-02-30",
    lambda _: "0000-01-01T00:00:00Z",
    lambda _: "9999-12-31T23:59:59-23:59",
    lambda _: "2026-01-01T00:00:00+99:99",
    lambda _: '"\\U0011ffff"',
    lambda _: '"""' + "\n" * 1_000 + '"""',
    lambda _: "[{a=1},1,'x']",
)


def mutated_json(document: Any, chance: random.Random) -> str:  # noqa: ANN401  # JSON
    """A document with some values of another kind, or fields that are gone, new or there twice."""
    changed = {"": copy.deepcopy(document)}
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        _change(changed, chance)
    text = json.dumps(changed[""], ensure_ascii=chance.choice((True, False)))
    return re.sub(f'"{_MARK}"', lambda _: chance.choice(_RAW)(chance), text)


def mutated_toml(text: str, chance: random.Random) -> str:
    """A text with some lines changed, gone, or there twice."""
    lines = text.splitlines()
    for _ in range(chance.choice((1, 1, 2, 4))):
        here = chance.randrange(len(lines)) if lines else 0
        match chance.randrange(6):
            case 0:
                del lines[here : here + 1]
            case 1:
                lines[here:here] = lines[here : here + 1]
            case 2:
                lines[here:here] = [chance.choice(("[a.b]", "[[rules]]", "[als]", "x = 1", "="))]
            case 3:
                lines[here:here] = [".".join("a" * chance.choice(_DEPTHS[:4])) + " = 1"]
            case _:
                name, is_value, _ = (lines[here] if lines else "").partition("=")
                lines[here : here + 1] = [f"{name}= {_toml_value(chance)}" if is_value else name]
    return "\n".join(lines) + "\n"


def mutated_csv(text: str, chance: random.Random) -> str:
    """A table with some cells, columns or rows changed, and perhaps of another dialect."""
    rows = list(csv.reader(io.StringIO(text)))
    for _ in range(chance.choice((1, 1, 2, 4))):
        _change_rows(rows, chance)
    file = io.StringIO()
    separator = chance.choice((",",) * 8 + (";", "\t", "|", "\0"))
    end = chance.choice(("\n", "\n", "\r\n", "\r"))
    try:
        csv.writer(file, delimiter=separator, lineterminator=end).writerows(rows)
    except csv.Error:  # it cannot write what it can be given
        return "\n".join(",".join(row) for row in rows)
    return file.getvalue()


def _change(root: dict[str, Any], chance: random.Random) -> None:
    owner: Any = root
    key: Any = ""
    while (
        isinstance(owner[key], (dict, list)) and owner[key] and chance.random() < 0.85
    ):  # mostly down
        owner = owner[key]
        key = chance.choice(list(owner) if isinstance(owner, dict) else range(len(owner)))
    match chance.randrange(6):
        case 0 if owner is not root:
            del owner[key]
        case 1 if isinstance(owner, dict) and owner is not root:
            owner[chance.choice(HOSTILE)] = copy.deepcopy(owner[key])
        case 1 | 2 if isinstance(owner, list):
            owner += [copy.deepcopy(owner[key]) for _ in range(chance.choice((1, 2, 100, 1_001)))]
        case 3:
            owner[key] = _MARK
        case 4:
            owner[key] = {"a": owner[key]} if chance.choice((True, False)) else [owner[key]]
        case _:
            owner[key] = copy.deepcopy(chance.choice(_VALUES))  # which may be changed in turn


def _toml_value(chance: random.Random) -> str:
    if chance.choice((True, False)):
        return chance.choice(_TOML)(chance)
    value = chance.choice(_VALUES)
    return json.dumps(value) if isinstance(value, (str, bool)) else repr(value)


def _change_rows(rows: list[list[str]], chance: random.Random) -> None:
    if not rows:
        return
    row = chance.choice((rows[0], *rows))
    here = chance.randrange(len(row)) if row else 0
    match chance.randrange(8):
        case 0:
            rows.remove(row)
        case 1:
            row[here:here] = [chance.choice(HOSTILE)] * chance.choice((1, 9, 1_000))
        case 2:
            del row[here : here + 1]
        case 3 if row:
            row.append(row[here])
        case 4:
            rows += [list(row)] * chance.choice((1, 10))
        case 5 if row:
            row[here] = chance.choice(_CELLS)
        case 6 if row:
            row[here] = '"' + row[here]
        case _ if row:
            row[here] = str(chance.choice(_VALUES)).replace("\ud800", "?")


_CELLS: Final = (
    *(
        "NaN",
        "-NaN",
        "inf",
        "-0",
        "1e400",
        "1,5",
        "0x10",
        "9" * 400,
        "1_000",
        "\uff11\uff12",
        "TRUE",
    ),
    *("2026-02-30", "2026-03-29T02:30:00", "99999999999999999", "-99999999999999", "20260230"),
    *("1899-12-31", "2200-01-02", "2026-01-01T00:00:00+99:99", "2026-01-01T25:61", "0", "-1"),
)
