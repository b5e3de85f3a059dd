"""``recsvc ingest``: a file of events reaches the server, once."""

import json
from pathlib import Path

import pytest

from recsvc.cli import app
from recsvc.client import Client
from recsvc.client.ingest import BATCH, ingest
from recsvc.errors import InputError, UnavailableError
from recsvc.terminal import run
from recsvc.v1 import event_service_pb2 as api
from tests.serving import local_server, small_registry


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_registry(tmp_path_factory.mktemp("ingest")).root


def purchases(path: Path, n_rows: int) -> Path:
    """A file of purchases without event ids."""
    lines = [f"c{n},tea,2025-03-01T10:00:{n % 60:02},1.5,EUR,leeds-1" for n in range(n_rows)]
    header = "customer_id,product_id,event_time,unit_price,currency,store_id"
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_a_file_is_sent_and_sending_it_again_changes_nothing(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows without an event_id get one of their own, which is the same the next time."""
    path = purchases(tmp_path / "p.csv", BATCH + 7)
    with local_server(registry) as server:
        codes = [
            run(app, ["ingest", str(path), "--target", server.target, "--json"]) for _ in range(2)
        ]
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert codes == [0, 0]
    assert first["outcomes"] == {"ACCEPTED": BATCH + 7}
    assert second["outcomes"] == {"DUPLICATE": BATCH + 7}
    assert list(tmp_path.iterdir()) == [path]


def test_lines_of_json_and_every_field(registry: Path, tmp_path: Path) -> None:
    """A visitor's rating, a return by its sign, and a row that the server rejects."""
    path = tmp_path / "e.jsonl"
    rows = [
        {"event_id": "1", "visitor_id": "v", "product_id": "tea", "event_type": "feedback",
         "rating": 4, "latitude": 53.8, "longitude": -1.5, "channel": "app"},
        {"event_id": "2", "customer_id": "c", "product_id": "tea", "quantity": -1},
        {"event_id": "3", "customer_id": "c", "product_id": ""},
    ]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    with local_server(registry) as server, Client(server.target) as client:
        sent = ingest(path, client.ingest_events.send, durable=False)
    assert sent.outcomes == {"ACCEPTED": 2, "REJECTED": 1}
    assert sent.first_rejected == "row 3: items[0].product_id: is required"


def test_a_run_that_was_cut_off_goes_on(registry: Path, tmp_path: Path) -> None:
    """What was acknowledged is not sent again."""
    path = purchases(tmp_path / "p.csv", 2 * BATCH + 1)

    n_calls = 0

    with local_server(registry) as server, Client(server.target) as client:

        def cut(request: api.IngestEventsRequest) -> api.IngestEventsResponse:
            nonlocal n_calls
            n_calls += 1
            if n_calls > 1:
                raise UnavailableError("gone")
            return client.ingest_events.send(request)

        with pytest.raises(UnavailableError):
            ingest(path, cut, durable=False)
        sent = ingest(path, client.ingest_events.send, durable=False)

    assert (sent.n_skipped, sent.n_rows) == (BATCH, BATCH + 1)
    assert sent.outcomes == {"ACCEPTED": BATCH + 1}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("e.csv", "customer_id,product_id,quantity\nc,tea,many\n", "row 1 cannot be read"),
        ("e.csv", "customer_id,product_id\nc,tea,milk\n", "more fields than the header"),
        ("e.csv", "customer_id,product_id,unit_price\nc,tea,1e999\n", "row 1 cannot be read"),
        ("e.jsonl", "[1, 2]\n", "row 1 cannot be read"),
        (
            "e.jsonl",
            '{"customer_id": "c", "product_id": ["tea"]}\n{"quantity": {}}\n',
            "row 2 cannot",
        ),
        ("e.jsonl", "[" * 100_000, "cannot be read as events"),
        ("e.jsonl", "{", "cannot be read as events"),
        ("e.txt", "x", "unknown kind of file"),
        ("e.csv", "customer_id,product_id,event_type\nc,tea,dance\n", "row 1 cannot be read"),
    ],
)
def test_what_cannot_be_read_is_named(
    registry: Path, tmp_path: Path, name: str, content: str, said: str
) -> None:
    """File, row and what is wrong, in one line."""
    path = tmp_path / name
    path.write_text(content)
    with (
        local_server(registry) as server,
        Client(server.target) as client,
        pytest.raises(InputError, match=said),
    ):
        ingest(path, client.ingest_events.send, durable=False)


def test_a_file_that_is_not_there_and_a_server_that_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line each, and exit code 1."""
    assert run(app, ["ingest", str(tmp_path / "none.csv")]) == 1
    path = purchases(tmp_path / "p.csv", 1)
    assert run(app, ["ingest", str(path), "--target", "127.0.0.1:9"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert "cannot be read as events" in first
    assert "cannot reach 127.0.0.1:9" in second


def test_a_file_of_a_spreadsheet_is_read_from_its_first_column(
    registry: Path, tmp_path: Path
) -> None:
    """It begins with a byte order mark, which belongs to no column."""
    path = tmp_path / "p.csv"
    path.write_text("event_id,customer_id,product_id\nfirst,c,tea\n", encoding="utf-8-sig")
    with local_server(registry) as server, Client(server.target) as client:
        named: list[str] = []

        def send(request: api.IngestEventsRequest) -> api.IngestEventsResponse:
            named.extend(event.event_id for event in request.events)
            return client.ingest_events.send(request)

        ingest(path, send, durable=False)
    assert named == ["first"]


def test_where_nothing_can_be_remembered_the_command_says_so(
    registry: Path, tmp_path: Path
) -> None:
    """What was sent is known to the server, so that sending it again is safe."""
    path = purchases(tmp_path / "p.csv", 1)
    (tmp_path / ".p.csv.sent.new").mkdir()  # stands in for a folder that cannot be written
    with (
        local_server(registry) as server,
        Client(server.target) as client,
        pytest.raises(InputError, match="says how far"),
    ):
        ingest(path, client.ingest_events.send, durable=False)
