"""The shop that the agents' door asks, in this process."""

from recsvc.agents.local import LocalShop, OffersCodec, Uses
from recsvc.app.ground import Ground, build_ground
from recsvc.app.lists import lists_on
from recsvc.logs import Logger
from recsvc.service.catalogue import Catalogue
from recsvc.service.events import Events
from recsvc.settings.server import ServerSettings


def build_shop(settings: ServerSettings, logger: Logger) -> tuple[LocalShop, Ground]:
    """Wire a shop for the agents' door in this process, and what it stands on.

    Args:
        settings: everything that can be set; without a Redis URL all is kept in memory.
        logger: where it says what it does.

    Raises:
        SettingsError: the Redis URL or the language cannot be used.
        RegistryError: there is no registry.
    """
    # No question comes to that door as bytes.
    bare = settings.model_copy(update={"process_cache_mib": 0})
    ground = build_ground(bare, logger, lambda: None)
    return shop_on(ground), ground


def shop_on(ground: Ground) -> LocalShop:
    """Wire a shop for the agents' door."""
    codec = OffersCodec()
    lists = lists_on(ground, codec)
    uses = Uses(
        recommendations=lists.recommendations,
        codec=codec,
        related=lists.related,
        catalogue=Catalogue(ground.slot, ground.standing, ground.live),
        stock=ground.stock,
        events=Events(ground.stores.log, ground.standing, ground.metrics),
        hash_key=ground.key,
    )
    return LocalShop(uses)
