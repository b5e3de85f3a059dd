"""A list of recommendations for eyes."""

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recsvc.v1 import common_pb2 as common
from recsvc.v1 import recommendation_service_pb2 as api


def print_list(response: api.RecommendResponse, console: Console) -> None:
    """Print a response as a table, and below it how it was made."""
    table = Table(box=None, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("product")
    table.add_column("score", justify="right")
    for heading in ("strategy", "level", "why"):
        table.add_column(heading)
    names = titles(response)
    for item, name in zip(response.recommendations, names, strict=True):
        cells = (
            str(item.rank),
            name,
            f"{item.score:.3f}",
            _word(api.Strategy.Name(item.strategy), "STRATEGY_"),
            _level(item.location_level),
            item.explanation.text,
        )
        # Text, not markup: a title may hold brackets.
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    console.print(Text(_made(response.serving)), soft_wrap=True)


def titles(response: api.RecommendResponse) -> list[str]:
    """What to call each product: its title, with its id where several share one."""
    plain = [item.product.title or item.product_id for item in response.recommendations]
    shared = Counter(plain)
    return [
        f"{title} ({item.product_id})" if shared[title] > 1 else title
        for title, item in zip(plain, response.recommendations, strict=True)
    ]


def _made(serving: api.ServingInfo) -> str:
    source = _word(api.ServedFrom.Name(serving.served_from), "SERVED_FROM_")
    parts = [
        f"model {serving.model.version_id}",
        f"place: {_level(serving.location_level)}{_place(serving.resolved_location)}",
        f"from the {source}",
    ]
    if serving.degraded:
        parts.append(f"degraded: {serving.degraded_reason}")
    parts += serving.warnings
    return "; ".join(parts)


def _place(location: common.Location) -> str:
    names = [location.store_id, location.postal_code, location.country_code]
    found = ", ".join(name for name in names if name)
    return f" ({found})" if found else ""


def _level(level: common.LocationLevel) -> str:
    return _word(common.LocationLevel.Name(level), "LOCATION_LEVEL_")


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).replace("_", " ").lower()
