"""The settings of who may call."""

import pytest

from recsvc.settings.access import TokenSettings
from recsvc.settings.server import ServerSettings


def test_what_tokens_are_checked_with_is_optional_and_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Either kind of key will do, and neither is shown."""
    assert not TokenSettings.load().has_keys
    assert TokenSettings.load({"jwt_keys_file": "keys.json"}).has_keys
    monkeypatch.setenv("RECSVC_JWT_SECRET", "hush" * 8)
    settings = TokenSettings.load()
    assert settings.has_keys
    assert "hush" not in repr(settings)


def test_a_worker_reads_the_same_access(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not set is not set to a word."""
    given = ServerSettings.load(
        {
            "registry": "models",
            "api_keys_file": "keys.json",
            "jwt_secret": "s" * 32,
            "jwt_keys_url": "https://idp.example/keys",
            "allow_anonymous": "anyone-who-reaches-the-port",
        }
    )
    for name, value in given.to_env().items():
        monkeypatch.setenv(name, value)
    read = ServerSettings.load()
    assert read == given
    assert read.jwt_audience == ""
