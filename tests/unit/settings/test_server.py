"""The settings of the service."""

from pathlib import Path

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from recsvc.cli import app
from recsvc.errors import SettingsError
from recsvc.settings.base import Flag
from recsvc.settings.logs import LogFormat
from recsvc.settings.server import ConsentDefault, Scheduling, ServerSettings


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECSVC_REGISTRY", raising=False)
    monkeypatch.delenv("RECSVC_REDIS_URL", raising=False)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("workers", "0", "RECSVC_WORKERS / --workers: '0' cannot be used: input should be greater"),
        ("workers", "two", "RECSVC_WORKERS / --workers: 'two' cannot be used: input should be a"),
        ("listen", "50051", "RECSVC_LISTEN / --listen: '50051' cannot be used: give HOST:PORT"),
        ("listen", "host:70000", "'host:70000' cannot be used: give HOST:PORT"),
        ("listen", "[nonsense]:1", "'[nonsense]:1' cannot be used"),
        ("metrics_listen", "9090", "RECSVC_METRICS_LISTEN / --metrics-listen: '9090' cannot"),
        ("namespace", "a:b", "RECSVC_NAMESPACE: 'a:b' cannot be used"),
        ("cache_ttl_seconds", "-1", "RECSVC_CACHE_TTL_SECONDS: '-1'"),
        ("redis_timeout_ms", "0", "RECSVC_REDIS_TIMEOUT_MS: '0' cannot be used"),
        ("cache_ttl_seconds", "nan", "RECSVC_CACHE_TTL_SECONDS"),
        ("log_format", "xml", "RECSVC_LOG_FORMAT / --log-format: 'xml' cannot be used"),
        ("registry", "", "RECSVC_REGISTRY / --registry: '' cannot be used"),
        ("consent_default", "maybe", "RECSVC_CONSENT_DEFAULT: 'maybe' cannot be used"),
        ("scheduling", "fifo", "RECSVC_SCHEDULING: 'fifo' cannot be used: input should be 'batch'"),
        ("event_log_max", "63", "RECSVC_EVENT_LOG_MAX: '63' cannot be used"),
        ("redis_write_timeout_ms", "0", "RECSVC_REDIS_WRITE_TIMEOUT_MS: '0' cannot be used"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(name: str, value: str, says: str) -> None:
    """The variable, the flag, the value and what is allowed, in one line."""
    with pytest.raises(SettingsError) as caught:
        ServerSettings.load({"registry": "models", name: value})
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_registry_says_what_to_give() -> None:
    """Nothing can be served without a registry."""
    with pytest.raises(SettingsError, match="RECSVC_REGISTRY / --registry: is not given; give"):
        ServerSettings.load()


def test_every_flag_that_is_named_exists() -> None:
    """Whoever reads the message can type it."""
    command = get_command(app)
    assert isinstance(command, TyperGroup)
    # Until it is called it is listed by its name alone.
    _, serve, _ = command.resolve_command(command.make_context("recsvc", ["serve"]), ["serve"])
    assert serve is not None
    flags = {flag for option in serve.params for flag in option.opts}
    marks = [mark for field in ServerSettings.model_fields.values() for mark in field.metadata]
    assert {mark.option for mark in marks if isinstance(mark, Flag)} == flags


def test_a_worker_reads_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the supervisor puts into the environment is what it was given itself."""
    given = {
        "registry": "models",
        "listen": "[::1]:0",
        "hash_key": "hush",
        "metrics_listen": "off",
        "log_format": LogFormat.CONSOLE,
        "data_dir": Path("data"),
        "cache_ttl_seconds": 0.5,
        "consent_default": ConsentDefault.WITHDRAWN,
        "event_log_max": 1_000,
        "scheduling": Scheduling.INHERIT,
        "redis_write_timeout_ms": 500,
    }
    settings = ServerSettings.load(given)
    assert settings.metrics_listen == ""
    for name, value in settings.to_env().items():
        monkeypatch.setenv(name, value)
    assert ServerSettings.load() == settings


def test_valkey_lies_beside_its_registry() -> None:
    """The default folder is named after the registry, and a given one is taken as it is."""
    settings = ServerSettings.load({"registry": "file:///srv/models"})
    assert settings.valkey_dir == Path("/srv/models.valkey")
    settings = ServerSettings.load({"registry": "models", "data_dir": "elsewhere"})
    assert settings.valkey_dir == Path("elsewhere")
    assert settings.redis_timeout_seconds == 0.05
