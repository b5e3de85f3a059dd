"""The secret of a registry."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from recsvc.artifacts.registry import Registry
from recsvc.errors import RegistryError
from tests.unit.artifacts.full_disk import file_size_limit
from tests.unit.artifacts.samples import NOW, publish_sample


def test_it_is_made_once_and_stays(registry: Registry) -> None:
    """Whoever asks, and whenever, gets the same: what was erased stays erased over restarts."""
    publish_sample(registry)
    secret = registry.secret()
    assert len(secret) == 32
    registry.promote(publish_sample(registry, day=1), NOW)
    assert registry.secret() == secret
    assert Registry(registry.root).secret() == secret
    assert list((registry.root / "staging").iterdir()) == []


def test_every_registry_has_its_own(tmp_path: Path) -> None:
    """Hashes of one shop say nothing in another."""
    registries = [Registry(tmp_path / name) for name in "ab"]
    for registry in registries:
        publish_sample(registry)
    assert len({registry.secret() for registry in registries}) == 2


def test_only_this_user_may_read_it(registry: Registry) -> None:
    """Whoever has it can try ids: its file is nobody else's."""
    publish_sample(registry)
    registry.secret()
    assert (registry.root / "secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "zz", "ab"])
def test_a_damaged_one_is_an_error(registry: Registry, content: str) -> None:
    """Hashed without a whole secret, ids could be guessed, and nobody erased would be known."""
    publish_sample(registry)
    (registry.root / "secret").write_text(content)
    with pytest.raises(RegistryError, match="secret: is damaged"):
        registry.secret()


def test_threads_that_ask_first_get_the_same(registry: Registry) -> None:
    """Of those who would make it at once one does."""
    publish_sample(registry)
    with ThreadPoolExecutor(4) as pool:
        secrets = set(pool.map(lambda _: Registry(registry.root).secret(), range(16)))
    assert len(secrets) == 1


def test_another_process_gets_the_same(registry: Registry) -> None:
    """The trainer and every worker hash alike."""
    publish_sample(registry)
    code = (
        "import sys; from recsvc.artifacts.registry import Registry; "
        "print(Registry(sys.argv[1]).secret().hex())"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", code, str(registry.root)],
            cwd=Path(__file__).parents[3],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for _ in range(2)
    ]
    assert printed == [f"{registry.secret().hex()}\n"] * 2


def test_a_full_disk_leaves_no_half_of_it(registry: Registry) -> None:
    """The error is one line, and the next call makes it whole."""
    publish_sample(registry)
    with file_size_limit(8), pytest.raises(RegistryError, match="cannot be written"):
        registry.secret()
    assert not (registry.root / "secret").exists()
    assert len(registry.secret()) == 32
