"""``recsvc ingest``: a file of events reaches the server, once."""

import csv
import json
from pathlib import Path

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc.status_pb2 import Status

from recsvc.cli import app
from recsvc.client import Client
from recsvc.client.event_file import Unreadable, read_events
from recsvc.client.ingest import BATCH, N_FIRST, Send, ingest
from recsvc.client.rejected_file import Refused
from recsvc.errors import InputError, UnavailableError
from recsvc.terminal import run
from recsvc.v1 import customer_service_pb2 as customers
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
    """A visitor's rating, a return by its sign, and a row that the server rejects by itself."""
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
    assert sent.first_refused == [Refused(3, "items[0].product_id: is required")]


def cut_after(send: Send, n_requests: int) -> Send:
    """A way to the server that breaks after so many requests."""
    n_sent = 0

    def cut(request: api.IngestEventsRequest) -> api.IngestEventsResponse:
        nonlocal n_sent
        if n_sent == n_requests:
            raise UnavailableError("gone")
        n_sent += 1
        return send(request)

    return cut


def test_a_run_that_was_cut_off_goes_on(registry: Path, tmp_path: Path) -> None:
    """What was acknowledged is not sent again, and what came of it is told at the end."""
    path = purchases(tmp_path / "p.csv", 2 * BATCH + 1)
    with local_server(registry) as server, Client(server.target) as client:
        with pytest.raises(UnavailableError):
            ingest(path, cut_after(client.ingest_events.send, 1), durable=False)
        sent = ingest(path, client.ingest_events.send, durable=False)
    assert (sent.n_skipped, sent.n_rows) == (BATCH, 2 * BATCH + 1)
    assert sent.outcomes == {"ACCEPTED": 2 * BATCH + 1}


def test_rows_that_are_refused_stop_no_other(
    registry: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first are told one by one, the others by reason, and the exit code is 1."""
    path = purchases(tmp_path / "p.csv", 3)
    with path.open("a") as file:
        file.write("c,tea,yesterday,1,EUR,s\n" * N_FIRST)
        file.write(",,,,,\n")  # as spreadsheets end a file
        file.write("c,,2025-03-01,1,EUR,s\n" + "c,tea,yesterday,1,EUR,s\n" * 2)
        file.write("c0,tea,2025-03-01,1,EUR,s\n")
    with local_server(registry) as server:
        code = run(app, ["ingest", str(path), "--target", server.target])
    assert code == 1
    head, *rows = capsys.readouterr().out.splitlines()
    reason = "event_time: is no ISO 8601 time, as 2025-03-01T10:00:00Z"
    assert head == "sent 12 rows: 4 accepted, 1 rejected, 7 unreadable"
    assert rows == [
        *(f"  row {n}: {reason}" for n in range(4, 4 + N_FIRST)),
        f"  2 more: {reason}",
        "  1 more: items[0].product_id: is required",
    ]


def test_a_row_without_consent_is_no_mistake_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told, and there is nothing to mend: the exit code is 0."""
    path = purchases(tmp_path / "p.csv", 2)
    registry = small_registry(tmp_path / "registry").root
    with local_server(registry) as server, Client(server.target) as client:
        client.update_customer(
            customer=customers.Customer(customer_id="c0", consent=customers.CONSENT_WITHDRAWN),
            update_mask=FieldMask(paths=["consent"]),
            allow_missing=True,
        )
        code = run(app, ["ingest", str(path), "--target", server.target])
    assert code == 0
    assert capsys.readouterr().out == "sent 2 rows: 1 accepted, 1 dropped no consent\n"


def test_a_run_that_goes_on_tells_what_was_refused_before(registry: Path, tmp_path: Path) -> None:
    """Unreadable rows count as rows; none is told twice, none is forgotten."""
    path = purchases(tmp_path / "p.csv", BATCH - 1)
    kept = tmp_path / "rejected.csv"
    with path.open("a") as file:
        file.write("c,tea,yesterday,1,EUR,s\n" * (BATCH + 1))  # a batch of nothing but these
        file.write("c,tea,2025-03-01,1,EUR,s\nc,tea,today,1,EUR,s\n")
    with local_server(registry) as server, Client(server.target) as client:
        send = client.ingest_events.send
        with pytest.raises(UnavailableError):
            ingest(path, cut_after(send, 1), durable=False, rejected=kept)
        with kept.open("a") as file:  # as a run that was killed before it remembered them
            file.write(f"{2 * BATCH + 2},told\n99")
        sent = ingest(path, send, durable=False, rejected=kept)
    assert sent.n_skipped == 2 * BATCH
    assert sent.outcomes == {"ACCEPTED": BATCH}
    assert sent.n_unreadable == sent.n_refused == BATCH + 2
    assert [row for row, _ in sent.first_refused] == list(range(BATCH, BATCH + N_FIRST))
    with kept.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["row", "reason"]
    assert [int(row) for row, _ in rows] == [*range(BATCH, 2 * BATCH + 1), 2 * BATCH + 2]


def test_who_asks_for_the_rejected_rows_later_gets_them_all(registry: Path, tmp_path: Path) -> None:
    """The file is sent from its beginning, which changes nothing."""
    path = purchases(tmp_path / "p.csv", BATCH)
    kept = tmp_path / "rejected.csv"
    content = path.read_text().replace("c7,tea", "c7,")
    path.write_text(content + "c,tea,2025-03-01,1,EUR,s\n")
    with local_server(registry) as server, Client(server.target) as client:
        send = client.ingest_events.send
        with pytest.raises(UnavailableError):
            ingest(path, cut_after(send, 1), durable=False)
        sent = ingest(path, send, durable=False, rejected=kept)
    assert sent.outcomes == {"ACCEPTED": 1, "DUPLICATE": BATCH - 1, "REJECTED": 1}
    assert kept.read_text().splitlines() == ["row,reason", "8,items[0].product_id: is required"]


@pytest.mark.parametrize("content", [b"customer_id,product_id\nc,tea\n", b"\xff\xfe"])
def test_a_file_of_something_else_is_not_overwritten(tmp_path: Path, content: bytes) -> None:
    """Nothing is sent either."""
    path = purchases(tmp_path / "p.csv", 1)
    other = tmp_path / "other.csv"
    other.write_bytes(content)
    with pytest.raises(InputError, match="something else"):
        ingest(path, _never, durable=False, rejected=other)
    assert other.read_bytes() == content


def test_rejected_rows_that_cannot_be_written_are_told_at_once(tmp_path: Path) -> None:
    """Before anything is sent."""
    path = purchases(tmp_path / "p.csv", 1)
    with pytest.raises(InputError, match=r"--rejected .* cannot be written"):
        ingest(path, _never, durable=False, rejected=tmp_path / "none" / "r.csv")


def test_many_reasons_are_told_as_one(tmp_path: Path) -> None:
    """Else what is kept between batches would grow with the file."""
    path = purchases(tmp_path / "p.csv", BATCH)

    def send(request: api.IngestEventsRequest) -> api.IngestEventsResponse:
        results = [
            api.EventResult(outcome=api.EVENT_OUTCOME_REJECTED, status=Status(message=str(n)))
            for n in range(len(request.events))
        ]
        return api.IngestEventsResponse(results=results)

    sent = ingest(path, send, durable=False)
    assert sent.n_refused == BATCH
    assert len(sent.reasons) == 51
    assert sent.reasons["other reasons"] == BATCH - 50


def _never(request: api.IngestEventsRequest) -> api.IngestEventsResponse:
    raise AssertionError(f"{request} was sent")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ('{GOOD, "quantity": "many"}', "quantity: is no number"),
        ('{GOOD, "quantity": {}}', "quantity: is no number"),
        ('{GOOD, "unit_price": 1e999}', "unit_price: is no price"),
        ('{GOOD, "unit_price": 1e300}', "unit_price: is no price"),
        ('{GOOD, "event_type": "dance"}', "event_type: is none of those that there are"),
        ('{GOOD, "channel": "drums"}', "channel: is none of those that there are"),
        ('{GOOD, "event_time": "31.01.2024"}', "event_time: is no ISO 8601 time"),
        ('{GOOD, "event_time": "0001-01-01T00:00:00+14:00"}', "event_time: is no ISO 8601 time"),
        ('{GOOD, "store_id": ["s"]}', "store_id: is no text"),
        ('{GOOD, "order_id": "\\ud800"}', "surrogates not allowed"),
        ('{GOOD, "order_id": "%s"}' % ("o" * 9_000), "is larger than an event may be"),
        ('{GOOD, "order_id": %s}' % ("9" * 5_000), "Exceeds the limit"),
        ("[1, 2]", "is no JSON object"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is nested too deeply"),
        ('{"product_id": "tea"}', "has no customer_id or visitor_id"),
        ('{"customer_id": "c"}', "has no product_id"),
    ],
)
def test_a_row_that_is_no_event_is_told_and_left_out(tmp_path: Path, row: str, reason: str) -> None:
    """Its neighbours are sent."""
    path = tmp_path / "e.jsonl"
    good = '{"customer_id": "c", "product_id": "tea"}'
    row = row.replace("GOOD", good[1:-1])
    path.write_text(f"{good}\n{row}\n{good}")
    first, bad, last = read_events(path)
    assert isinstance(bad, Unreadable)
    assert reason in bad.reason
    assert isinstance(first, api.Event)
    assert isinstance(last, api.Event)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("e.csv", b"customer_id,product_id,quantity\nc,tea,many\n", "none of its 1 rows"),
        ("e.csv", b"customer_id,product_id\nc,tea,milk\n", "more fields than the header"),
        ("e.csv", b"customer_id,quantity\nc,1\n", "no column product_id, but 'customer_id'"),
        ("e.csv", b"customer,product_id\nc,tea\n", "no column customer_id or visitor_id"),
        ("e.csv", b"customer_id;product_id\nc;tea\n", "with commas between them"),
        ("e.csv", b"a,b,c,d,e,f,g,h,i\n", "'h', …; name"),
        ("e.csv", b"PAR1\x15\x04\x15\xf0", "in UTF-8"),
        ("e.csv", b'customer_id,product_id\nc,"' + b"tea\n" * 50_000, "field larger"),
        ("e.jsonl", b'{"customer": "c"}\n' * 3, r"none of its 3 rows is one \(row 1: has no"),
        (
            "e.jsonl",
            b"customer_id,product_id\nc,tea\n",
            r"2 rows is one \(row 1: is no J",
        ),
        ("e.txt", b"x", "unknown kind of file"),
    ],
)
def test_a_file_of_another_kind_is_refused_as_a_whole(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    """What is wrong and what to do, in one line, and nothing is sent."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        ingest(path, _never, durable=False)


def test_a_file_that_is_not_text_to_its_end_is_refused_before_anything_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No server is asked, so none need be there."""
    path = purchases(tmp_path / "p.csv", 2 * BATCH)
    with path.open("ab") as file:
        file.write(b"\xff\n")
    assert run(app, ["ingest", str(path), "--target", "127.0.0.1:9"]) == 1
    assert "give a .csv or .jsonl file in UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["e.csv", "e.jsonl"])
def test_an_empty_file_has_nothing_to_send(tmp_path: Path, name: str) -> None:
    """It is no mistake."""
    path = tmp_path / name
    path.touch()
    assert ingest(path, _never, durable=False).n_rows == 0


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


@pytest.mark.parametrize(
    "told",
    [
        "[" * 100_000,
        '["", {}]',
        '["STAMP", {"n_rows":"1","n_unreadable":0,"outcomes":{},"first_refused":[],"reasons":{}}]',
    ],
)
def test_what_stands_beside_the_file_and_is_not_ours_is_passed_over(
    registry: Path, tmp_path: Path, told: str
) -> None:
    """The whole file is sent, as if nothing stood there."""
    path = purchases(tmp_path / "p.csv", 2)
    marker = tmp_path / ".p.csv.sent"
    status = path.stat()
    marker.write_text(told.replace("STAMP", f"{status.st_size}-{status.st_mtime_ns}-"))
    with local_server(registry) as server, Client(server.target) as client:
        sent = ingest(path, client.ingest_events.send, durable=False)
    assert (sent.n_rows, sent.n_skipped) == (2, 0)
    assert not marker.exists()


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
