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
