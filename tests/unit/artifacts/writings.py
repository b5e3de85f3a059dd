"""What writers are interrupted at: each writes a word into a registry, or beside it."""

from pathlib import Path

from recsvc.access.api_keys import ApiKey, digest_of
from recsvc.access.keys_file import change_keys_file
from recsvc.access.scopes import Scope
from recsvc.artifacts.experiment_shelf import KIND, activate
from recsvc.artifacts.journal import UNSAID
from recsvc.artifacts.ledger import Decision, LedgerEntry
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.retention import prune
from tests.experiments import experiment
from tests.unit.artifacts.samples import NOW, publish_sample


def publish_model(root: Path, word: str) -> None:
    """Publish, promote and prune."""
    registry = Registry(root)
    registry.promote(publish_sample(registry, version_id=word, name=word), NOW)
    prune(registry, keep=1)


def publish_rules(root: Path, word: str) -> None:
    """Publish a file of rules, and put it in force."""
    shelf = Registry(root).documents("rules")
    shelf.activate(shelf.publish(f'{{"{word}": "{"x" * 2_000}"}}', NOW), NOW)


def start_experiment(root: Path, word: str) -> None:
    """Let another experiment run."""
    activate(Registry(root).documents(KIND), experiment(word), NOW, UNSAID)


def decide(root: Path, word: str) -> None:
    """Withdraw a product."""
    Registry(root).ledger.append([LedgerEntry(NOW, Decision.WITHDRAWN, (word,))])


def add_key(root: Path, word: str) -> None:
    """Let another service in."""
    key = ApiKey(word, word, digest_of(word), frozenset(Scope), NOW)
    change_keys_file(root / "keys.json", lambda keys: (*keys, key))
