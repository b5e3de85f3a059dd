"""The command that makes served lists again: ``replay``."""

from collections import Counter
from typing import Annotated

import typer

from recsvc.artifacts.registry import Registry
from recsvc.errors import ArtifactError, InputError, NotFoundError
from recsvc.store.breaker import CircuitBreaker
from recsvc.store.catalogue_store import TableCatalogueStore
from recsvc.store.connection import connect
from recsvc.store.guarded import GuardedRedis
from recsvc.store.keys import KeySchema
from recsvc.store.served_lists import RedisServedLists
from recsvc.store.tables import RedisTables
from training.answers import JsonOption, RegistryOption, print_result
from training.cli_collect import TIMEOUT_SECONDS, RedisOption, ServedOption
from training.options import NamespaceOption, reporting
from training.replay import Replayer, found_or_refuse, replayed_json, replayed_lines
from training.served import Kept, ServedFiles


def replay_command(
    redis: RedisOption,
    registry: RegistryOption,
    *,
    recommendation_id: Annotated[
        str | None, typer.Argument(metavar="[RECOMMENDATION_ID]", help="Which list.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Instead: every list that is kept, and how many differ.")
    ] = False,
    served: ServedOption = None,
    namespace: NamespaceOption = "recsvc",
    as_json: JsonOption = False,
) -> int:
    """Make a served list again, and say why each product is on it.

    From its model, its rules, and what the shopper had done by then; exit code 1 where it is not
    what was served. Lists are kept in Redis as RECSVC_SERVED_SAMPLE and RECSVC_SERVED_DAYS of the
    service say; with --served those that were collected are found too.
    """
    if every == bool(recommendation_id):
        raise InputError("give either the id of a list, or --all")
    store = Registry.open(registry)
    client = connect(
        redis, connect_timeout_seconds=TIMEOUT_SECONDS, socket_timeout_seconds=TIMEOUT_SECONDS
    )
    try:
        guarded, keys = GuardedRedis(client, CircuitBreaker()), KeySchema(namespace)
        lists = Kept(
            RedisServedLists(guarded, keys), ServedFiles(served, store) if served else None
        )
        replayer = Replayer(store, TableCatalogueStore(RedisTables(guarded, keys)))
        if recommendation_id:
            found = replayed_json(replayer.replay(found_or_refuse(recommendation_id, lists.find)))
            print_result(found, "\n".join(replayed_lines(found)), as_json)
            return 0 if found["identical"] else 1
        with reporting() as reporter, reporter.stage("replay") as tick:
            names, different, impossible = 0, [], Counter[str]()
            for one in filter(replayer.may_replay, lists.every()):
                try:
                    replayed = replayer.replay(one)
                except (NotFoundError, ArtifactError) as error:  # a model that was purged, say
                    impossible[str(error)] += 1
                else:
                    names += 1
                    if not replayed.is_identical:
                        different.append(replayed_json(replayed))
                tick()
    finally:
        client.close()
    result = {
        "lists": names,
        "identical": names - len(different),
        "different": different,
        "impossible": dict(impossible),
    }
    text = [f"{result['identical']:,} of {names:,} lists are identical"]
    text += [f"{n:,} cannot be made again: {why}" for why, n in impossible.most_common()]
    text += [line for each in different for line in ("", *replayed_lines(each))]
    print_result(result, "\n".join(text), as_json)
    # Old models go, and their lists stay a while; but where nothing is left, nothing was checked.
    return 1 if different or (impossible and not names) else 0
