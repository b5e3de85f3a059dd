"""Settings of whatever kind: where they come from, and how a bad one is refused."""

from typing import Annotated

import pytest
from pydantic import Field, SecretStr

from recsvc.errors import SettingsError
from recsvc.settings.access import AccessSettings
from recsvc.settings.base import Flag, Secret, SecretUrl, Settings
from recsvc.settings.server import ServerSettings
from recsvc.settings.target import TargetSettings


class ShopSettings(Settings):
    """Some of each kind."""

    till: Annotated[str, Flag("--till", "give its name")]
    aisle: str
    n_doors: Annotated[int, Flag("--doors")] = Field(default=3, ge=1)
    sign: str = "open"
    url: SecretUrl = None
    secret: Secret = None


GIVEN = {"till": "one", "aisle": "two"}


def test_arguments_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A flag wins over a variable, a variable over the default, and None is no flag."""
    monkeypatch.setenv("RECSVC_TILL", "from-env")
    monkeypatch.setenv("RECSVC_AISLE", "from-env")
    settings = ShopSettings.load({"till": "from-flag", "aisle": None})
    assert (settings.till, settings.aisle, settings.n_doors) == ("from-flag", "from-env", 3)


def test_an_empty_variable_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """``RECSVC_URL=`` in a file of variables means none, not a bad one."""
    monkeypatch.setenv("RECSVC_URL", "")
    monkeypatch.setenv("RECSVC_SIGN", "")
    settings = ShopSettings.load(GIVEN)
    assert (settings.url, settings.sign) == (None, "open")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"n_doors": 0}, "RECSVC_N_DOORS / --doors: '0' cannot be used: input should be"),
        ({"sign": 7}, "RECSVC_SIGN: '7' cannot be used: input should be a valid string"),
        ({"till": None}, "RECSVC_TILL / --till: is not given; give its name"),
        ({"aisle": None}, "RECSVC_AISLE: is not given; give a value"),
        ({"url": 5}, "RECSVC_URL: the value cannot be used: input should be a valid string"),
        ({"secret": ["hush"]}, "RECSVC_SECRET: the value cannot be used: input should be"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(given: dict[str, object], says: str) -> None:
    """The variable, the flag, the value unless it may hold a password, and what is allowed."""
    with pytest.raises(SettingsError) as caught:
        ShopSettings.load(GIVEN | given)
    assert str(caught.value).startswith(says)
    assert "\n" not in str(caught.value)


def test_all_is_told_to_another_process() -> None:
    """Secrets too, and what is empty where the default is not, which has a word."""
    settings = ShopSettings.load(GIVEN | {"sign": "", "secret": "hush"})
    assert settings.to_env() == {
        "RECSVC_TILL": "one",
        "RECSVC_AISLE": "two",
        "RECSVC_N_DOORS": "3",
        "RECSVC_SIGN": "off",
        "RECSVC_SECRET": "hush",
    }


def test_no_setting_shows_a_secret() -> None:
    """Neither the text of the settings nor an error about one, of whatever kind."""
    assert "hush" not in repr(ShopSettings.load(GIVEN | {"secret": "hush"}))
    kinds: tuple[type[Settings], ...] = (ServerSettings, AccessSettings, TargetSettings)
    names = {"redis_url", "jwt_keys_url"}
    for kind in kinds:
        fields = kind.model_fields
        names |= {name for name in fields if fields[name].annotation == SecretStr | None}
        for name in names & set(fields):
            given = {name: ["hush"], "registry": "models"}
            with pytest.raises(SettingsError, match="the value cannot be used") as caught:
                kind.load({key: given[key] for key in given if key in fields})
            assert "hush" not in str(caught.value)
    assert {"jwt_secret", "hash_key", "target_token"} < names
