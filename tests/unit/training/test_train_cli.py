"""Every door of recsvc-train: wrong input ends with one line, what is right is passed on."""

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from recsvc.artifacts.format import write_artifact
from recsvc.artifacts.ledger import Decision, LedgerEntry
from recsvc.artifacts.registry import Registry
from recsvc.identity import customer_hash
from recsvc.terminal import run
from tests.counting import DATA_END_TIME
from tests.purchases import START, shop_events
from tests.samples import PURCHASES, tiny_artifact, tiny_model
from tests.serving import small_registry
from tests.unit.artifacts.others import not_ours
from training.answers import REFUSED
from training.cli import COMMANDS, app, main
from training.cli_nightly import _pruned

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands may leave a quarantine file where they run, and read the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RECSVC_REGISTRY", raising=False)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    """Ten usable purchases."""
    path = tmp_path / "events.csv"
    rows = [{"customer_id": f"c{n % 3}", "product_id": f"p{n}"} for n in range(10)]
    pl.DataFrame(rows).write_csv(path)
    return path


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions of a small model, the first one current."""
    registry = Registry(tmp_path_factory.mktemp("published") / "registry")
    for version_id in ("v1", "v2"):
        tiny_artifact(registry, tiny_model(), version_id)
    registry.promote("v1", DATA_END_TIME)
    return registry.root


@pytest.fixture
def registry(tmp_path: Path, published: Path) -> Path:
    """A copy of what was published, for one test to change."""
    return Path(shutil.copytree(published, tmp_path / "registry"))


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    path = tmp_path / "customers.csv"
    path.write_text("customer_id,store_id\nanna,\nanna,porto-1\nnobody,\n", encoding="utf-8")
    return path


def error_of(capsys: Capture, *arguments: object) -> str:
    """The one line that a command which must fail says, and all that it says."""
    assert run(app, [str(argument) for argument in arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert err.endswith("\n")
    return err.removeprefix("error: ")


def error_after_work_of(capsys: Capture, *arguments: object) -> str:
    """The line that a command ends with which fails after it has logged some work."""
    assert run(app, [str(argument) for argument in arguments]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    assert [line.startswith("error: ") for line in err.splitlines()].count(True) == 1
    return err.splitlines()[-1].removeprefix("error: ")


def missing(folder: Path) -> Path:
    return folder / "missing.csv"


def empty(folder: Path) -> Path:
    (folder / "empty.csv").touch()
    return folder / "empty.csv"


def only_a_header(folder: Path) -> Path:
    (folder / "header.csv").write_text("customer_id,product_id\n", encoding="utf-8")
    return folder / "header.csv"


def no_table(folder: Path) -> Path:
    (folder / "events.parquet").write_bytes(b"PAR1 but not really")
    return folder / "events.parquet"


def other_columns(folder: Path) -> Path:
    (folder / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    return folder / "other.csv"


def wrong_types(folder: Path) -> Path:
    (folder / "types.csv").write_text(
        "customer_id,product_id,quantity,event_time\nc,p,many,2024-01-01\nc,q,1,yesterday\n",
        encoding="utf-8",
    )
    return folder / "types.csv"


def nested(folder: Path) -> Path:
    path = folder / "nested.parquet"
    pl.DataFrame({"customer_id": [["c"]], "product_id": ["p"]}).write_parquet(path)
    return path


def views_only(folder: Path) -> Path:
    (folder / "views.csv").write_text(
        "customer_id,product_id,event_type\nc,p,VIEW\n", encoding="utf-8"
    )
    return folder / "views.csv"


def an_empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def another_kind(folder: Path) -> Path:
    (folder / "events.xlsx").write_bytes(b"PK")
    return folder / "events.xlsx"


BAD_EVENTS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "missing": (missing, "missing.csv: no such file"),
    "empty": (empty, "empty.csv: the file is empty"),
    "only a header": (only_a_header, "header.csv: no events in it"),
    "no table": (no_table, "events.parquet: is not a Parquet file"),
    "other columns": (
        other_columns,
        (
            "no column 'customer_id' or 'product_id'; it has a, b; name the right ones with "
            "--map customer_id=COLUMN --map product_id=COLUMN"
        ),
    ),
    "wrong types": (wrong_types, "2 of 2 rows of events cannot be used"),
    "nested": (nested, "column 'customer_id' holds List"),
    "views only": (views_only, "no purchase is left of 1 rows"),
    "an empty folder": (an_empty_folder, "this folder holds no"),
    "another kind": (another_kind, "unknown kind of file"),
}


@pytest.mark.parametrize("command", ["fit", "validate", "evaluate"])
@pytest.mark.parametrize(("make", "said"), BAD_EVENTS.values(), ids=BAD_EVENTS.keys())
def test_unusable_events_are_one_line(
    tmp_path: Path,
    registry: Path,
    capsys: Capture,
    command: str,
    make: Callable[[Path], Path],
    said: str,
) -> None:
    """Events that cannot be used end every command that reads them with what and where."""
    of_registry = [] if command == "validate" else ["--registry", registry]

    assert said in error_of(capsys, command, "--events", make(tmp_path), *of_registry)
    assert len(Registry(registry).versions()) == 2  # nothing was published


@pytest.mark.parametrize("option", ["--products", "--stores"])
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (missing, "missing.csv: no such file"),
        (empty, "empty.csv: the file is empty"),
        (other_columns, "no column"),
        (no_table, "is not a Parquet file"),
    ],
)
def test_unusable_descriptions_are_one_line(
    tmp_path: Path,
    events: Path,
    capsys: Capture,
    option: str,
    make: Callable[[Path], Path],
    said: str,
) -> None:
    """Products and stores that cannot be used are named as events are."""
    described = make(tmp_path)

    assert said in error_of(capsys, "validate", "--events", events, option, described)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--map", "customer_id=Nobody"], "no column 'Nobody'; it has customer_id, product_id"),
        (["--map", "shoe_size=product_id"], "'shoe_size' is no column that events can have"),
        (["--map", "customer_id"], "--map customer_id: write it as NAME=COLUMN"),
        (["--map", "=x"], "--map =x: write it as NAME=COLUMN"),
        (["--map", "customer_id="], "--map customer_id=: write it as NAME=COLUMN"),
        (["--map-products", "title"], "--map-products title: write it as NAME=COLUMN"),
        (["--map-stores", "name="], "--map-stores name=: write it as NAME=COLUMN"),
        (["--max-quarantined", "7"], "--max-quarantined 7: is a share"),
        (["--max-quarantined", "some"], "--max-quarantined"),
        (["--max-quarantined", "-0.1"], "--max-quarantined -0.1: is a share"),
        (["--max-quarantined", "nan"], "--max-quarantined nan: is a share"),
        (["--max-quarantined", "inf"], "--max-quarantined inf: is a share"),
        (["--timezone", "Mars/Olympus"], "--timezone 'Mars/Olympus': unknown"),
        (["--no-such-flag"], "--no-such-flag"),
        (["surplus"], "surplus"),
    ],
)
def test_unusable_options_are_one_line(
    events: Path, capsys: Capture, arguments: list[str], said: str
) -> None:
    """An option that cannot work is named with what to write instead."""
    assert said in error_of(capsys, "validate", "--events", events, *arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--preset", "slow"], "--preset slow: there is no such preset; use fast, balanced, best"),
        (["--without", "time"], "--without \"time\": should be 'own', 'collaborative', "),
        (["--split", "random"], "--split \"random\": should be 'temporal' or 'last-basket'"),
        (["--config", "no.toml"], "--config no.toml: no such file"),
        (["--seed", "lucky"], "--seed"),
        (["--seed", "-5"], "--seed"),
    ],
)
def test_unusable_settings_are_one_line(
    events: Path, registry: Path, capsys: Capture, arguments: list[str], said: str
) -> None:
    """Unknown presets and parts are named before anything is read."""
    message = error_of(capsys, "fit", "--events", events, "--registry", registry, *arguments)

    assert said in message


@pytest.mark.parametrize(
    ("command", "flag"),
    [
        (["fit", "--registry", "r"], "--events"),
        (["fit", "--events", "e.csv"], "--registry"),
        (["recommend", "--customers", "c.csv", "--out", "o", "--k", "3"], "--registry"),
        (["recommend", "--registry", "r", "--out", "o"], "--customers"),
        (["models"], "--registry"),
        (["promote", "--registry", "r"], "version"),
    ],
)
def test_a_missing_option_is_named(capsys: Capture, command: list[str], flag: str) -> None:
    """What a command cannot do without is named when it is missing."""
    assert flag in error_of(capsys, *command).lower()


COMMANDS_OF_A_MODEL: dict[str, list[str]] = {
    "models": ["models"],
    "promote": ["promote", "v1"],
    "rollback": ["rollback"],
    "recommend": ["recommend", "--customers", "customers.csv", "--out", "lists.parquet"],
    "evaluate": ["evaluate", "--events", "events.csv"],
}


@pytest.mark.parametrize("command", COMMANDS_OF_A_MODEL.values(), ids=COMMANDS_OF_A_MODEL.keys())
@pytest.mark.usefixtures("events", "customers")
def test_a_missing_registry_is_one_line(
    tmp_path: Path, capsys: Capture, command: list[str]
) -> None:
    """Every command that needs a registry says where there is none, and how to make one."""
    message = error_of(capsys, *command, "--registry", tmp_path / "nowhere")

    assert f"{tmp_path}/nowhere: there is no registry here; make one" in message


@pytest.mark.usefixtures("events", "customers")
@pytest.mark.parametrize("command", ["promote", "recommend", "evaluate"])
@pytest.mark.parametrize(
    ("version", "said"),
    [("v9", "no such version"), ("v", "it begins 2 version ids"), ("", "no such version")],
)
def test_an_unknown_model_is_one_line(
    registry: Path, capsys: Capture, command: str, version: str, said: str
) -> None:
    """A reference that names no version, or several, says so and where to look."""
    rest = COMMANDS_OF_A_MODEL[command][1:]
    arguments = [version] if command == "promote" else [*rest, "--model", version]

    message = error_of(capsys, command, *arguments, "--registry", registry)

    assert said in message
    assert "recsvc-train models" in message


@pytest.mark.usefixtures("events", "customers")
@pytest.mark.parametrize("command", ["recommend", "evaluate"])
def test_nothing_promoted_is_one_line(registry: Path, capsys: Capture, command: str) -> None:
    """Without a current version, the default reference says that none is promoted."""
    (registry / "current.json").unlink()

    message = error_of(capsys, *COMMANDS_OF_A_MODEL[command], "--registry", registry)

    assert "no version is promoted yet" in message


def flip_a_byte(version: Path) -> None:
    path = version / "places.shares.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(content))


def truncate(version: Path) -> None:
    path = version / "places.shares.npy"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-4])


def break_the_manifest(version: Path) -> None:
    path = version / "manifest.json"
    path.chmod(0o644)
    path.write_text("{", encoding="utf-8")


def take_a_part_away(version: Path) -> None:
    """An artifact that is whole in itself, and of another kind of model."""
    shutil.rmtree(version)
    write_artifact(
        version,
        {"histories.indptr": np.zeros(1, np.int64)},
        model_id="tiny",
        version_id=version.name,
        train_time=DATA_END_TIME,
        code_version="0",
        parameters={},
        metrics={},
        data={},
    )


@pytest.mark.usefixtures("events", "customers")
@pytest.mark.parametrize("command", ["promote", "recommend", "evaluate"])
@pytest.mark.parametrize("spoil", [flip_a_byte, truncate, break_the_manifest])
def test_a_corrupt_artifact_is_one_line(
    registry: Path, capsys: Capture, command: str, spoil: Callable[[Path], None]
) -> None:
    """An artifact with one wrong byte is refused, with the file that is wrong."""
    spoil(registry / "versions" / "v2")
    rest = COMMANDS_OF_A_MODEL[command][1:]
    arguments = ["v2"] if command == "promote" else [*rest, "--model", "v2"]

    message = error_of(capsys, command, *arguments, "--registry", registry)

    assert f"{registry}/versions/v2/" in message
    pointer = Registry(registry).pointer()
    assert pointer is not None
    assert pointer.version_id == "v1"


@pytest.mark.usefixtures("events", "customers")
@pytest.mark.parametrize("command", ["recommend", "evaluate"])
def test_an_artifact_of_another_kind_is_one_line(
    registry: Path, capsys: Capture, command: str
) -> None:
    """An intact artifact that is no model of this program is refused by name."""
    take_a_part_away(registry / "versions" / "v2")

    message = error_of(
        capsys, *COMMANDS_OF_A_MODEL[command], "--model", "v2", "--registry", registry
    )

    assert "v2" in message
    assert "fit" in message


def test_a_corrupt_version_is_listed_as_unusable(registry: Path, capsys: Capture) -> None:
    """The list of models shows a broken version with its error, and all others."""
    break_the_manifest(registry / "versions" / "v2")

    assert run(app, ["models", "--registry", str(registry), "--json"]) == 0

    broken, whole = json.loads(capsys.readouterr().out)
    assert (whole["version_id"], whole["state"]) == ("v1", "current")
    assert broken["version_id"] == "v2"
    assert broken["state"].startswith("unusable: ")
    assert broken["ndcg_all"] == ""


def test_a_folder_with_brackets_is_listed(tmp_path: Path, capsys: Capture) -> None:
    """A path in an error is shown as it is, whatever it looks like to the terminal library."""
    root = tmp_path / "[bold]" / "x[" / "y]"
    tiny_artifact(Registry(root), tiny_model(), "v1")
    break_the_manifest(root / "versions" / "v1")

    assert run(app, ["models", "--registry", str(root)]) == 0

    shown = "".join(capsys.readouterr().out.split())
    assert "[bold]/x[/y]/versions/v1" in shown


@pytest.mark.parametrize("uri", ["s3://bucket/models", "file://host/models", ""])
def test_a_registry_elsewhere_is_one_line(capsys: Capture, uri: str) -> None:
    """A registry that is no local folder is refused by name."""
    assert "registry" in error_of(capsys, "models", "--registry", uri)


def test_a_registry_that_cannot_be_written_is_one_line(
    tmp_path: Path, events: Path, capsys: Capture
) -> None:
    """When the registry's place is taken by a file, fit says so before it starts to work."""
    (tmp_path / "file").touch()

    message = error_of(capsys, "fit", "--events", events, "--registry", tmp_path / "file")

    assert message.startswith(f"{tmp_path}/file: the registry cannot be published to")


def test_a_quarantine_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    """The quarantine file's own trouble is told as such."""
    message = error_of(
        capsys, "validate", "--events", wrong_types(tmp_path), "--quarantine", tmp_path
    )

    assert f"--quarantine {tmp_path}: cannot be written" in message


@pytest.mark.parametrize("k", ["0", "-5", "1001", "ten", "2.5"])
def test_a_number_of_products_must_make_sense(
    registry: Path, customers: Path, capsys: Capture, k: str
) -> None:
    """--k is a whole number from 1 to 1000."""
    message = error_of(
        capsys,
        "recommend",
        "--customers",
        customers,
        "--registry",
        registry,
        "--out",
        "o",
        "--k",
        k,
    )

    assert "--k" in message


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (missing, "missing.csv: no such file"),
        (empty, "empty.csv: the file is empty"),
        (other_columns, "no column 'customer_id'; it has a, b"),
        (no_table, "is not a Parquet file"),
        (only_a_header, "header.csv: no customers in it"),
    ],
)
def test_unusable_customers_are_one_line(
    tmp_path: Path, registry: Path, capsys: Capture, make: Callable[[Path], Path], said: str
) -> None:
    """Whom to make lists for must be readable."""
    message = error_of(
        capsys, "recommend", "--customers", make(tmp_path), "--registry", registry, "--out", "o"
    )

    assert said in message


def test_the_redis_of_the_environment_is_asked_by_every_command(
    registry: Path, customers: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the service is told holds for lists too; a night collects only where it is told to."""
    monkeypatch.setenv("RECSVC_REDIS_URL", "http://localhost")
    lists = ["--customers", customers, "--registry", registry, "--out", "o.parquet"]
    night = ["nightly", "--events", "none.csv", "--registry", registry]

    assert "RECSVC_REDIS_URL" in error_of(capsys, "recommend", *lists)
    assert "RECSVC_REDIS_URL" in error_of(capsys, "due", *lists)
    assert "RECSVC_REDIS_URL" in error_of(capsys, *night, "--collect-into", "history")
    assert run(app, list(map(str, night))) == 1
    assert "none.csv" in capsys.readouterr().err
    message = error_of(capsys, *night, "--redis", "redis://localhost")
    assert "--collect-into" in message
    monkeypatch.delenv("RECSVC_REDIS_URL")
    assert "--collect-into" in error_of(capsys, *night, "--collect-into", "history")


@pytest.mark.parametrize("out", [".", "no/such/folder/lists.parquet", "customers.csv/l.parquet"])
def test_lists_that_cannot_be_written_are_one_line(
    registry: Path, customers: Path, capsys: Capture, out: str
) -> None:
    """A folder, or a file in a folder that does not exist, is no place to write to."""
    message = error_of(
        capsys, "recommend", "--customers", customers, "--registry", registry, "--out", out
    )

    assert f"--out {out}: cannot be written" in message


def test_the_command_to_promote_runs_as_printed(events: Path, capsys: Capture) -> None:
    """A registry with a space in its path is quoted in the command that fit proposes."""
    assert run(app, ["fit", "--events", str(events), "--registry", "my models"]) == 0
    first, *_ = capsys.readouterr().out.splitlines()
    command = first.partition("to serve it: ")[2].removesuffix(")")

    assert run(app, shlex.split(command)[1:]) == 0


@pytest.mark.parametrize(
    "rows",
    [
        "a,x,2025-01-01\nb,y,2025-02-01\na,y,2025-03-01\n",  # one of them can be asked about
        "a,x,2025-01-01\n",
    ],
)
def test_what_nobody_could_measure_is_not_promoted(
    tmp_path: Path, capsys: Capture, rows: str
) -> None:
    """A truncated file becomes a version to look at, and what is served stays."""
    events, registry = tmp_path / "three.csv", tmp_path / "registry"
    events.write_text("customer_id,product_id,event_time\n" + rows, encoding="utf-8")
    tiny_artifact(Registry(registry), tiny_model(), "v1")
    Registry(registry).promote("v1", DATA_END_TIME)
    fit = ["fit", "--preset", "fast", "--events", str(events), "--registry", str(registry)]

    assert run(app, [*fit, "--promote"]) == REFUSED

    out, err = capsys.readouterr()
    assert "not promoted: " in out
    assert "recsvc-train promote --registry" in out
    assert "nan" not in err
    pointer = Registry(registry).pointer()
    assert pointer is not None
    assert pointer.version_id == "v1"


WRONG_QUESTIONS = [
    (["--category", "Toys"], "--category 'Toys': no product of this model is in it"),
    (["--category", "Food", "--brand", "Nobody"], "--brand 'Nobody': no product"),
    (["--max-price", "3"], "--max-price and --currency: one needs the other"),
    (["--currency", "GBP"], "--max-price and --currency: one needs the other"),
    (["--max-price", "-1", "--currency", "GBP"], "--max-price"),
    (["--surface", "buy-again", "--only-new"], "--only-new: what is needed again was bought"),
    (["--surface", "window"], "--surface"),
    (["--stage", "late"], "--stage"),
    (["--attribute", "roast"], "--attribute roast: write it as NAME=VALUE"),
    (["--attribute", "colour=red"], "--attribute colour: no product of this model has it"),
    (["--rules", "2020"], "no such version"),
    (["--exclude", "nosuch"], "--exclude nosuch: no product of this model is called so"),
    (["--max-price", "3", "--currency", "XXX"], "--currency XXX: no price of this model is in it"),
    (["--channel", "carrier-pigeon"], "--channel"),
    (["--surface", "buy-again", "--stage", "checkout"], "--stage: what is needed again is so"),
]


@pytest.mark.parametrize(("options", "said"), WRONG_QUESTIONS)
def test_a_question_without_sense_is_one_line(
    registry: Path, customers: Path, capsys: Capture, options: list[str], said: str
) -> None:
    """A night of empty lists helps nobody."""
    given = ["--customers", customers, "--registry", registry, "--out", "o", *options]

    assert said in error_of(capsys, "recommend", *given)


def asked(registry: Path, customers: Path, *options: str) -> pl.DataFrame:
    """The lists that a command writes."""
    given = ["--customers", str(customers), "--registry", str(registry), "--out", "lists.parquet"]
    assert run(app, ["recommend", *given, *options]) == 0
    return pl.read_parquet("lists.parquet")


@pytest.mark.parametrize(
    ("options", "products"),
    [
        (["--category", "Drinks > Tea", "--category", "Food>Dairy"], {"tea", "milk", "butter"}),
        (["--brand", "alta", "--exclude", "soap"], {"espresso", "filter"}),
        (["--max-price", "2.4", "--currency", "GBP"], {"milk", "butter", "bag"}),
        (["--category", "Food", "--only-new", "--stage", "cart"], {"butter", "jam"}),
        (
            ["--attribute", "label=fair", "--attribute", "label=organic"],
            {"espresso", "tea"},
        ),
    ],
)
def test_every_filter_of_a_batch_holds(
    registry: Path, customers: Path, options: list[str], products: set[str]
) -> None:
    """As the same filter of a call."""
    lists = asked(registry, customers, *options)

    anna = lists.filter(pl.col("customer_id") == "anna", pl.col("store_id").is_null())
    assert set(anna["product_id"]) == products


@pytest.mark.parametrize("decision", [Decision.CONSENT_WITHDRAWN, Decision.ERASED])
def test_who_may_not_be_known_gets_the_list_of_a_stranger(
    registry: Path, customers: Path, decision: Decision
) -> None:
    """As the service answers, at each of their places; everybody else as before."""
    customers.write_text(
        "customer_id,store_id\nanna,\nanna,porto-1\nstranger,\nstranger,porto-1\nben,\n",
        encoding="utf-8",
    )
    before = asked(registry, customers)
    store = Registry(registry)
    subject = customer_hash(store.secret(), "anna")
    store.ledger.append([LedgerEntry(DATA_END_TIME, decision, (subject,))])

    lists = asked(registry, customers)

    by_customer = lists.partition_by("customer_id", as_dict=True, include_key=False)
    assert by_customer["anna",].equals(by_customer["stranger",])
    assert "BUY_AGAIN" not in lists.filter(customer_id="anna")["strategy"]
    assert lists.filter(customer_id="ben").equals(before.filter(customer_id="ben"))
    assert asked(registry, customers, "--surface", "buy-again")["customer_id"].unique().item() == (
        "ben"
    )


def test_withdrawn_products_are_on_no_list(registry: Path, customers: Path) -> None:
    """Until they are restored."""
    ledger = Registry(registry).ledger
    ledger.append([LedgerEntry(DATA_END_TIME, Decision.WITHDRAWN, ("espresso", "milk", "gone"))])
    left = set(asked(registry, customers)["product_id"])
    assert {"espresso", "milk"}.isdisjoint(left)
    assert "filter" in left
    ledger.append([LedgerEntry(DATA_END_TIME, Decision.RESTORED, ("milk",))])
    assert "milk" in set(asked(registry, customers)["product_id"])


def test_a_batch_says_who_needs_what_again(registry: Path, customers: Path) -> None:
    """With when, how often and how much; who bought nothing has no row."""
    lists = asked(registry, customers, "--surface", "buy-again", "--exclude", "bread")

    assert lists.columns == [
        *("customer_id", "rank", "product_id", "score", "strategy", "location_level"),
        *("due_time", "usual_interval_days", "usual_quantity", "store_id"),
    ]
    assert set(lists["customer_id"]) == {"anna"}
    assert set(lists["product_id"]) == {"milk", "espresso"}
    assert set(lists["strategy"]) == {"BUY_AGAIN"}
    anna = lists.filter(pl.col("store_id").is_null())
    assert anna["due_time"].is_sorted()
    assert anna.schema["due_time"] == pl.Datetime("us", "UTC")
    espresso = anna.row(by_predicate=pl.col("product_id") == "espresso", named=True)
    assert 5 < espresso["usual_interval_days"] < 60
    assert espresso["due_time"] > DATA_END_TIME - timedelta(days=3)


@pytest.mark.parametrize("option", ["--customers", "--quarantine"])
def test_lists_do_not_replace_another_file_of_the_run(
    registry: Path, customers: Path, capsys: Capture, option: str
) -> None:
    """The lists cannot go where the customers come from, nor where the unusable ones go."""
    before = customers.read_bytes()
    arguments = ["--registry", registry, "--customers", customers, "--out", f"./{customers.name}"]
    if option == "--quarantine":
        arguments += ["--customers", "others.csv", option, customers]

    message = error_of(capsys, "recommend", *arguments)

    assert f"--out {customers.name}: is --customers or --quarantine too" in message
    assert customers.read_bytes() == before


def test_recommend_can_leave_unusable_customers_out(
    tmp_path: Path, registry: Path, capsys: Capture
) -> None:
    """What the error about unusable customers advises, the command accepts."""
    customers = tmp_path / "customers.csv"
    customers.write_text("customer_id,latitude\nanna,\nbob,north\n", encoding="utf-8")
    arguments = ["recommend", "--customers", str(customers), "--registry", str(registry)]
    arguments += ["--out", "lists.parquet"]
    advice = error_of(capsys, *arguments)
    assert "--quarantine" in advice
    assert "--max-quarantined" in advice

    assert run(app, [*arguments, "--quarantine", "bad.csv", "--max-quarantined", "0.5"]) == 0

    assert set(pl.read_parquet("lists.parquet")["customer_id"]) == {"anna"}
    assert "3,invalid_latitude,bob,north" in Path("bad.csv").read_text(encoding="utf-8")


def test_evaluate_can_leave_unusable_purchases_out(
    tmp_path: Path, registry: Path, capsys: Capture
) -> None:
    """What the error about unusable purchases advises, the command accepts."""
    events = tmp_path / "later.csv"
    events.write_text(
        "customer_id,product_id,event_time\nanna,tea,2026-04-02\n,milk,2026-04-02\n",
        encoding="utf-8",
    )
    arguments = ["evaluate", "--events", str(events), "--registry", str(registry)]
    assert "--max-quarantined" in error_of(capsys, *arguments)

    assert run(app, [*arguments, "--quarantine", "bad.csv", "--max-quarantined", "0.5"]) == 0

    assert "1 customers" in capsys.readouterr().out
    assert "3,no_customer,,milk" in Path("bad.csv").read_text(encoding="utf-8")


def test_evaluate_needs_later_purchases(registry: Path, tmp_path: Path, capsys: Capture) -> None:
    """Purchases that the model has learnt from measure nothing."""
    events = tmp_path / "early.csv"
    pl.DataFrame(
        {"customer_id": ["anna"], "product_id": ["milk"], "event_time": [START.isoformat()]}
    ).write_csv(events)

    message = error_after_work_of(capsys, "evaluate", "--events", events, "--registry", registry)

    assert "after its data ended (31 March 2026)" in message


def test_rollback_needs_a_model_before(registry: Path, capsys: Capture) -> None:
    """The first model has nothing behind it."""
    message = error_of(capsys, "rollback", "--registry", registry)

    assert "there is no previous model to roll back to" in message


def test_promote_and_rollback(registry: Path, capsys: Capture) -> None:
    """Promote moves the pointer, rollback moves it back; both say where it is."""
    assert run(app, ["promote", "v2", "--registry", str(registry)]) == 0
    assert capsys.readouterr().out == "current is v2, generation 2\n"

    assert run(app, ["rollback", "--registry", str(registry), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"version_id": "v1", "generation": 3}

    assert run(app, ["promote", "v2", "--registry", str(registry), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version_id"] == "v2"

    assert run(app, ["rollback", "--registry", str(registry)]) == 0
    assert capsys.readouterr() == ("current is v1, generation 5\n", "")


def test_old_versions_are_pruned(registry: Path, capsys: Capture) -> None:
    """What goes, and how much that frees; beforehand, if it is asked."""
    run(app, ["promote", "v2", "--registry", str(registry)])
    for version_id in ("v0", "u9"):
        shutil.copytree(registry / "versions" / "v1", registry / "versions" / version_id)
    capsys.readouterr()
    prune = ["prune", "--keep", "1", "--registry", str(registry)]

    assert run(app, [*prune, "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition(", ")[0] for line in lines] == [
        "would remove u9",
        "would remove v0",
        "would remove 2 versions",
    ]
    assert lines[0].endswith(" MB")

    assert run(app, [*prune, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert [version["version_id"] for version in answer["removed"]] == ["u9", "v0"]
    assert answer["freed_bytes"] == sum(version["size_bytes"] for version in answer["removed"]) > 0
    assert {path.name for path in (registry / "versions").iterdir()} == {"v1", "v2"}

    assert run(app, prune) == 0
    assert capsys.readouterr().out == "nothing to remove\n"


def test_what_was_pruned_is_told_before_what_could_not_be(
    registry: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command fails, and leaves nobody to guess what is gone; a night has ended well."""
    run(app, ["promote", "v2", "--registry", str(registry)])
    for version_id in ("v0", "u9"):
        shutil.copytree(registry / "versions" / "v1", registry / "versions" / version_id)
    capsys.readouterr()
    not_ours(monkeypatch, "u9")
    prune = ["prune", "--keep", "1", "--registry", str(registry)]

    assert run(app, prune) == 1
    told = capsys.readouterr()
    assert told.out.startswith("removed v0, ")
    assert "cannot be removed: u9 (" in told.err
    assert run(app, prune) == 1
    assert capsys.readouterr().out == "nothing removed\n"

    shutil.copytree(registry / "versions" / "u9", registry / "versions" / "v0")
    assert [version.version_id for version in _pruned(Registry(registry), 1)] == ["v0"]
    assert "old versions are not removed: " in capsys.readouterr().err


def test_models_lists_what_there_is(registry: Path, capsys: Capture) -> None:
    """Versions are listed newest first, the current one marked."""
    assert run(app, ["models", "--registry", str(registry)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["version", "v2", "v1"]
    assert "current" in lines[2]
    assert "current" not in lines[1]


def test_models_are_listed_in_figures_that_people_read(tmp_path: Path, capsys: Capture) -> None:
    """Thousands, four decimals with a margin, megabytes; a program gets them as they are."""
    registry = Registry(tmp_path / "registry")
    of_all = {"ndcg@10": 0.44382, "intervals": {"ndcg@10": [0.43001, 0.45763]}}
    tested = {"all": of_all, "new": {"ndcg@10": 0.06}}
    registry.publish(
        {"numbers": np.zeros(150_000)},
        model_id="tiny",
        train_time=DATA_END_TIME,
        parameters={},
        metrics={"test": {"rankers": {"recsvc": tested}}},
        data={"n_interactions": 24417},
        code_version="0",
        version_id="v1",
    )
    tiny_artifact(registry, tiny_model(), "v0")

    assert run(app, ["models", "--registry", str(registry.root)]) == 0
    _, one, other = capsys.readouterr().out.splitlines()
    assert one.split()[3:] == ["24,417", "0.4438", "±0.0138", "0.0600", "1.2"]
    assert other.split()[3:] == [str(len(PURCHASES)), "0.0"]  # nobody has measured it

    assert run(app, ["models", "--registry", str(registry.root), "--json"]) == 0
    row, _ = json.loads(capsys.readouterr().out)
    assert (row["n_interactions"], row["ndcg_all"], row["ndcg_new"]) == (24417, 0.44382, 0.06)
    assert row["ndcg_all_interval"] == [0.43001, 0.45763]
    assert row["size_bytes"] > 1_200_000


def test_an_empty_registry_says_how_to_fill_it(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry without versions is no error; the environment may name it."""
    (tmp_path / "r" / "versions").mkdir(parents=True)
    monkeypatch.setenv("RECSVC_REGISTRY", str(tmp_path / "r"))

    assert run(app, ["models"]) == 0
    assert "train one with recsvc-train fit" in capsys.readouterr().out
    assert run(app, ["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_recommend_writes_lists(registry: Path, customers: Path, capsys: Capture) -> None:
    """Lists come as Parquet with the columns that judges read, and a sentence says how many."""
    arguments = ["recommend", "--customers", str(customers), "--registry", str(registry)]

    assert run(app, [*arguments, "--out", "lists.parquet", "--k", "4"]) == 0
    out, err = capsys.readouterr()
    assert out == "2 lists of v1 in lists.parquet\n"
    assert err.startswith("recommend: ")  # a line of the log, no bar
    assert err.count("\n") == 1
    lists = pl.read_parquet("lists.parquet")
    assert lists.columns[:6] == [
        "customer_id",
        "rank",
        "product_id",
        "score",
        "strategy",
        "location_level",
    ]
    assert lists.group_by("customer_id", "store_id").len()["len"].to_list() == [4, 4, 4]

    assert run(app, [*arguments, "--out", "new.parquet", "--only-new", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said == {"version_id": "v1", "n_customers": 2, "n_not_known": 0, "out": "new.parquet"}
    of_anna = pl.read_parquet("new.parquet").filter(customer_id="anna")["product_id"]
    assert not set(of_anna) & {"espresso", "milk", "bread"}


def test_validate_tells_what_is_usable(tmp_path: Path, capsys: Capture) -> None:
    """Validation counts rows by what became of them, maps columns, and writes the quarantine."""
    events = tmp_path / "shop.csv"
    shop = shop_events().head(50).rename({"customer_id": "CustomerNo"})
    bad = shop.head(1).with_columns(CustomerNo=pl.lit(""))
    pl.concat([shop, bad]).write_csv(events)
    arguments = ["validate", "--events", str(events), "--map", "customer_id=CustomerNo"]

    assert run(app, arguments) == 0
    out, err = capsys.readouterr()
    assert out == "usable: 50 of 51 rows\n"
    assert "quarantined: 1 no_customer -> quarantine.csv" in err
    assert (tmp_path / "quarantine.csv").exists()

    assert run(app, [*arguments, "--quarantine", "bad/rows.csv", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["reasons"] == {"no_customer": 1}
    assert said["quarantine"] == "bad/rows.csv"
    assert (said["n_rows"], said["n_used"], said["n_quarantined"]) == (51, 50, 1)
    assert said["start_time"] < said["end_time"]


def test_validate_tells_of_files_that_overlap(tmp_path: Path, capsys: Capture) -> None:
    """What counts once, and what nobody can tell and so counts twice."""
    for name in ("a.csv", "b.csv"):
        shop = shop_events().head(50).with_row_index("number")
        event_id = pl.when(pl.col("number") < 20).then("e" + pl.col("number").cast(pl.String))
        shop.with_columns(event_id=event_id).drop("number").write_csv(tmp_path / name)
    arguments = ["validate", "--events", "a.csv", "--events", "b.csv"]

    assert run(app, arguments) == 0
    out, err = capsys.readouterr()
    assert out == "usable: 80 of 100 rows\n"
    assert "20 events were there twice (event_id) and count once" in err
    assert "30 purchases or returns are alike in everything with those of another file" in err

    assert run(app, [*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["n_duplicates"], said["n_alike"]) == (20, 30)


def test_validate_without_times_has_none(events: Path, capsys: Capture) -> None:
    """Data without times has no beginning and no end."""
    assert run(app, ["validate", "--events", str(events), "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert (said["start_time"], said["end_time"], said["quarantine"]) == (None, None, None)
    assert (said["n_customers"], said["n_products"], said["n_stores"]) == (3, 10, 0)


def test_validate_names_columns_that_nobody_reads(tmp_path: Path, capsys: Capture) -> None:
    """A column of times by another name would be missed by nobody else."""
    shop = shop_events().head(50).rename({"event_time": "SoldAt\n"})
    shop.with_columns(till=pl.lit("7")).write_csv(tmp_path / "shop.csv")
    arguments = ["validate", "--events", "shop.csv"]

    assert run(app, arguments) == 0
    _, err = capsys.readouterr()
    assert "no column event_time: all are equally old" in err
    assert "columns that are not used: SoldAt\\n, till\n" in err

    assert run(app, [*arguments, "--json", "--map", "event_time=SoldAt\n"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["ignored_columns"] == ["till"]
    assert "no column event_time" not in err


def test_columns_of_products_and_stores_can_be_mapped(
    tmp_path: Path, events: Path, capsys: Capture
) -> None:
    """Products and stores have mappings of their own; a column that is not there is named."""
    (tmp_path / "products.csv").write_text("sku,what\np1,Tea\n", encoding="utf-8")
    (tmp_path / "stores.csv").write_text("shop\ns1\n", encoding="utf-8")
    arguments = ["validate", "--events", str(events), "--products", "products.csv"]
    arguments += ["--stores", "stores.csv", "--map-stores", "store_id=shop"]

    assert run(app, [*arguments, "--map-products", "product_id=sku"]) == 0
    assert capsys.readouterr().out == "usable: 10 of 10 rows\n"

    message = error_of(capsys, *arguments, "--map-products", "product_id=ean")
    assert "products.csv: no column 'ean'; it has sku, what" in message
    assert "with --map-products product_id=COLUMN" in message
    message = error_of(capsys, *arguments, "--map-products", "size=what")
    assert "--map-products size=what: 'size' is no column that products can have" in message


def test_descriptions_of_nothing_that_was_bought_are_told(
    tmp_path: Path, events: Path, capsys: Capture
) -> None:
    """A file with ids of another kind changes nothing, which nobody would notice."""
    (tmp_path / "products.csv").write_text("product_id,title\nEAN1,Tea\n", encoding="utf-8")
    (tmp_path / "known.csv").write_text("product_id,title\np1,Tea\n", encoding="utf-8")
    validate = ["validate", "--events", str(events), "--products"]

    assert run(app, [*validate, "products.csv"]) == 0
    assert "products.csv: no product_id of it is among the events" in capsys.readouterr().err
    assert run(app, [*validate, "known.csv"]) == 0
    assert "among the events" not in capsys.readouterr().err


def test_a_batch_obeys_the_rules_in_force(registry: Path, customers: Path) -> None:
    """Unless it is told not to, and its own options go before their defaults."""
    tea = {"product_ids": ["tea"]}
    mail = {"channels": ["EMAIL"]}
    rules = [
        {"rule_id": "no-tea", "action": "exclude", "select": tea},
        {
            "rule_id": "bag",
            "action": "pin",
            "position": 1,
            "select": {"product_ids": ["bag"]},
            "when": mail,
        },
    ]
    shelf, now = Registry(registry).documents("rules"), datetime.now(UTC)
    text = json.dumps({"rules": rules, "defaults": {"exclude_purchased": True}})
    shelf.activate(shelf.publish(text, now), now)

    def listed(*options: str) -> list[str]:
        lists = asked(registry, customers, *options)
        return lists.filter(pl.col("customer_id") == "anna", pl.col("store_id").is_null())[
            "product_id"
        ].to_list()

    assert "tea" not in listed()
    assert "espresso" not in listed()
    assert "espresso" in listed("--with-bought")
    assert {"tea", "espresso"} <= set(listed("--rules", "none"))
    assert listed("--channel", "EMAIL")[0] == "bag"
    assert "espresso" in listed("--surface", "buy-again")


def test_who_must_go_back_does_not_wait_for_what_trains(tmp_path: Path) -> None:
    """``rollback`` and ``models`` import none of the libraries of training."""
    registry = small_registry(tmp_path / "registry", 2)
    registry.promote("v2", datetime.now(UTC))
    heavy = ("polars", "lightgbm", "implicit", "scipy", "optuna", "threadpoolctl")
    ask = (
        "import sys; from training.cli import app; from recsvc.terminal import run; "
        "code = run(app, [sys.argv[1], '--registry', sys.argv[2]]); "
        f"print(code, [name for name in {heavy!r} if name in sys.modules])"
    )
    for command in ("models", "rollback"):
        done = subprocess.run(
            [sys.executable, "-c", ask, command, str(registry.root)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == "0 []", command
    pointer = registry.pointer()
    assert pointer is not None
    assert pointer.version_id == "v1"


def test_a_variable_that_nobody_reads_is_named(
    registry: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the one that may be meant, and not with its value; the command goes on."""
    monkeypatch.setattr("sys.argv", ["recsvc-train", "models", "--registry", str(registry)])
    monkeypatch.setenv("RECSVC_KEEP_MODEL", "hush")

    with pytest.raises(SystemExit) as caught:
        main()

    assert caught.value.code == 0
    out, err = capsys.readouterr()
    assert "v2" in out
    assert err == (
        "warning: RECSVC_KEEP_MODEL: this release has no such setting; "
        "did you mean RECSVC_KEEP_MODELS?\n"
    )


def test_nothing_is_said_of_variables_that_are_read(
    registry: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the trainer, or by the service, whose environment it may share."""
    monkeypatch.setattr("sys.argv", ["recsvc-train", "models"])
    monkeypatch.setenv("RECSVC_REGISTRY", str(registry))
    monkeypatch.setenv("RECSVC_WORKERS", "2")

    with pytest.raises(SystemExit):
        main()

    assert capsys.readouterr().err == ""


def test_every_command_can_be_called(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of each is where the table of commands says."""
    for name in COMMANDS:
        assert run(app, [name, "--help"]) == 0
        assert f" {name} [OPTIONS]" in capsys.readouterr().out


def test_the_table_of_commands_says_what_they_say_of_themselves() -> None:
    """Each command's first sentence, which the help lists without importing it."""
    for place in COMMANDS.values():
        module, _, attribute = place.at.partition(":")
        command = getattr(import_module(module), attribute)
        said = command.info.help if attribute == "app" else command.__doc__
        assert " ".join(said.partition("\n\n")[0].split()) == place.help
