import pytest

from recsvc.errors import SettingsError
from recsvc.store.connection import connect, redacted


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://cache.example:6380/3", {"host": "cache.example", "port": 6380, "db": 3}),
        ("redis://", {}),
        ("rediss://user:secret@cache.example", {"username": "user", "password": "secret"}),
        ("unix:///run/valkey.sock?db=2", {"path": "/run/valkey.sock", "db": 2}),
        ("redis://h?socket_timeout=0.5&max_connections=4", {"socket_timeout": 0.5}),
    ],
)
def test_url_reaches_the_client(url: str, expected: dict[str, object]) -> None:
    """What the URL says is what the connections get; its options win over the defaults."""
    options = connect(url).connection_pool.connection_kwargs
    assert expected.items() <= options.items()


def test_waits_are_short_and_there_is_no_retry() -> None:
    """A request never waits longer for Redis than it was told to, and is never repeated."""
    client = connect("redis://h", connect_timeout_seconds=0.2, socket_timeout_seconds=0.3)
    options = client.connection_pool.connection_kwargs
    assert options["socket_connect_timeout"] == 0.2
    assert options["socket_timeout"] == 0.3
    assert options["retry"].get_retries() == 0
    assert options["decode_responses"] is False


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://localhost:6379",
        "redis:localhost",
        "redis://localhost:99999",
        "redis://localhost:port",
        "redis://[::1",
        "redis://localhost/zero",
        "redis://localhost/0/1",
        "unix://",
        "redis://localhost?sokket_timeout=1",
        "redis://localhost?socket_timeout=soon",
        "redis://localhost?max_connections=-1",
        "redis://localhost?connection_class=Mine",
    ],
)
def test_unusable_url_is_one_line(url: str) -> None:
    """The error names the setting, what is wrong and an example, in one line."""
    with pytest.raises(SettingsError) as caught:
        connect(url)
    message = str(caught.value)
    assert "RECSVC_REDIS_URL / --redis" in message
    assert "redis://localhost:6379/0" in message
    assert "\n" not in message


def test_secrets_stay_out_of_errors() -> None:
    """Neither user nor password nor query of a bad URL reaches a log."""
    with pytest.raises(SettingsError) as caught:
        connect("redis://me:secret@localhost/zero?password=secret")
    assert "secret" not in str(caught.value)
    assert redacted("redis://me:se@cret@h:1/0?password=x") == "redis://***@h:1/0"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:pa/ss@host:6379/0", "redis://***@host:6379/0"),
        ("redis://:pa@ss@host/zero", "redis://***@host/zero"),
        ("redis://user/pass@host/0", "redis://***@host/0"),
        ("redis://:pa?ss@host:6379/0", "redis://***"),
        ("redis://:pa#ss@host:6379/0", "redis://***"),
        ("redis://host/zero?password=pa@ss", "redis://***"),
        ("redis://user?pass=word@host/0", "redis://***"),
        ("redis://:pass@host?socket_timeout=pass", "redis://***@host"),
        (":pass@host:6379", "***@host:6379"),
    ],
)
def test_no_part_of_a_password_is_shown(url: str, shown: str) -> None:
    """Not even of one that should have been encoded, and none of redis-py's own words."""
    assert redacted(url) == shown
    with pytest.raises(SettingsError) as caught:
        connect(url)
    said = str(caught.value)
    assert f"cannot use {shown!r}: " in said
    for secret in ("'pa", "pass'", "pass,", "ss@", "word@", "__init__", "keyword", "cast"):
        assert secret not in said


def test_an_unknown_option_is_named() -> None:
    """In our words."""
    with pytest.raises(SettingsError, match=r"wrong kind \(sokket_timeout\)") as caught:
        connect("redis://localhost?sokket_timeout=1")
    assert "__init__" not in str(caught.value)
