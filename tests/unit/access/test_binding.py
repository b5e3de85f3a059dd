"""Who may be let in without being asked."""

from typing import Any

import pytest

from recsvc.access.binding import check_binding, check_door, is_loopback
from recsvc.errors import SettingsError
from recsvc.settings.access import DoorSettings
from recsvc.settings.server import ServerSettings

OPEN = {"registry": "models", "listen": "0.0.0.0:50051"}


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_reaches_itself(host: str) -> None:
    """Nobody is asked there unless the operator wants it."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "shop.example", "localhost.example"])  # noqa: S104  # to be refused
def test_others_are_reached_by_others(host: str) -> None:
    """A name may be anybody's."""
    assert not is_loopback(host)


def test_an_open_door_without_credentials_is_refused() -> None:
    """With every way out of it."""
    with pytest.raises(
        SettingsError, match=r"0\.0\.0\.0:50051 is open to other machines"
    ) as caught:
        check_binding(ServerSettings.load(OPEN))
    for way in ("RECSVC_API_KEYS_FILE", "RECSVC_JWT_KEYS_URL", "RECSVC_TLS_CLIENT_CA", "127.0.0.1"):
        assert way in str(caught.value)
    assert "RECSVC_ALLOW_ANONYMOUS=anyone-who-reaches-the-port" in str(caught.value)
    with pytest.raises(SettingsError):  # TLS hides what is said, and asks nobody who they are
        check_binding(ServerSettings.load(OPEN | {"tls_cert": "a", "tls_key": "b"}))


@pytest.mark.parametrize(
    "more",
    [
        {"listen": "[::1]:0"},
        {"api_keys_file": "keys.json"},
        {"jwt_secret": "s" * 32},
        {"jwt_keys_file": "keys.json"},
        {"jwt_keys_url": "https://idp.example/keys"},
        {"tls_client_ca": "ca.pem"},
        {"allow_anonymous": "anyone-who-reaches-the-port"},
    ],
)
def test_any_credential_or_plain_words_open_it(more: dict[str, Any]) -> None:
    """And nothing else."""
    check_binding(ServerSettings.load(OPEN | more))


def test_a_yes_is_no_plain_word() -> None:
    """Who opens the door says what it means."""
    with pytest.raises(SettingsError, match=r"RECSVC_ALLOW_ANONYMOUS: 'yes' cannot be used: .*any"):
        ServerSettings.load(OPEN | {"allow_anonymous": "yes"})


def test_a_door_for_agents_is_no_exception() -> None:
    """The same rule, with what that door looks at."""
    with pytest.raises(
        SettingsError, match=r"--http: \[::\]:1 is open to other machines"
    ) as caught:
        check_door(DoorSettings.load(), "[::]:1")
    assert "RECSVC_JWT_SECRET" in str(caught.value)
    assert "RECSVC_API_KEYS_FILE" not in str(caught.value)
    check_door(DoorSettings.load(), "[::1]:1")
    check_door(DoorSettings.load({"jwt_secret": "s" * 32}), "[::]:1")
    check_door(DoorSettings.load({"allow_anonymous": "anyone-who-reaches-the-port"}), "[::]:1")
