"""``recsvc-train due``: who needs what this week, for messages that a shop sends by itself."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import polars as pl
import typer
from threadpoolctl import threadpool_limits

from recsvc.artifacts.experiments import Channel
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.rules_check import rules_in_force
from recsvc.artifacts.rules_file import KIND
from recsvc.artifacts.version_ids import CURRENT
from recsvc.core.conditions import Occasion
from recsvc.core.query import STALE_SECONDS, Query
from recsvc.core.ruling import PreparedRules
from recsvc.errors import InputError
from training.answers import JsonOption, RegistryOption, print_result
from training.batch import Surface, recommend_all
from training.due import QuietHours, due_within
from training.events import MAX_QUARANTINED_SHARE, read_customers
from training.options import (
    AnyStockOption,
    MaxQuarantinedOption,
    ModelOption,
    NamespaceOption,
    NoQuarantineOption,
    PlacementOption,
    ShopRedisOption,
    check_stock,
    check_writable,
    day_of,
    load,
    reporting,
    shops_defaults,
    writing,
)
from training.people import reachable
from training.schema import CUSTOMERS
from training.selling import as_sold

N_CONSIDERED = 100
"""Products a customer that are looked at, as on the longest page of ``ListBuyAgain``."""
MAX_WITHIN_DAYS = 3650

STALE_DATA = "STALE_DATA"
SENSITIVE_UNKNOWN = "SENSITIVE_UNKNOWN"
_WARNINGS = {
    STALE_DATA: "the model's data ended more than a week ago, on {end}: the times are as of then; "
    "fit a newer model, or say --at",
    SENSITIVE_UNKNOWN: "the products that the model has learnt name none that is sensitive; where "
    "the shop says so to the service, give --redis, or they may be among these",
}


def due_command(
    registry: RegistryOption,
    out: Annotated[Path, typer.Option("--out", help="File to write, .parquet or .csv.")],
    *,
    model_ref: ModelOption = CURRENT,
    customers: Annotated[
        Path | None,
        typer.Option(
            "--customers", help="Parquet or CSV with customer_id; all of the model unless given."
        ),
    ] = None,
    within: Annotated[float, typer.Option(metavar="DAYS", help="Due within so many days.")] = 7,
    at: Annotated[
        datetime | None,
        typer.Option(
            help="The moment to ask about, UTC; unset it is now, or the end of the model's data if "
            "that is more than a week ago."
        ),
    ] = None,
    at_most: Annotated[int, typer.Option(min=1, max=N_CONSIDERED, help="Products a customer.")] = 3,
    min_products: Annotated[
        int, typer.Option(min=1, help="Leave out customers with fewer products due.")
    ] = 1,
    quiet_hours: Annotated[
        str, typer.Option(metavar="HH:MM-HH:MM", help="Send nothing then, as in 21:00-08:00.")
    ] = "",
    timezone: Annotated[str, typer.Option(help="Whose clock --quiet-hours are by.")] = "UTC",
    channel: Annotated[
        Channel,
        typer.Option(case_sensitive=False, help="How the messages go out; rules may name it."),
    ] = Channel.EMAIL,
    placement: PlacementOption = "",
    any_stock: AnyStockOption = False,
    redis: ShopRedisOption = None,
    namespace: NamespaceOption = "recsvc",
    quarantine: NoQuarantineOption = None,
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    as_json: JsonOption = False,
) -> None:
    """Write who needs what soon, and when to say so, for proactive messages.

    One row a customer and product: customer_id, product_id, due_time, send_time,
    usual_interval_days (null unknown), usual_quantity, score. send_time is just before due_time and
    outside of the quiet hours. The products are those of ListBuyAgain. Who has withdrawn consent or
    was erased is left out, and so are withdrawn and sensitive products.
    """
    check_writable("--out", out)
    if out.suffix.lower() not in (".parquet", ".csv"):
        raise InputError(f"--out {out}: unknown kind of file; give a .parquet or .csv file")
    if not 0 <= within <= MAX_WITHIN_DAYS:  # nan is neither
        raise InputError(f"--within {within:g}: give days from 0 to {MAX_WITHIN_DAYS}")
    if customers is not None and out.resolve() == customers.resolve():
        raise InputError(f"--out {out}: is --customers too; give another file")
    quiet = QuietHours.of(quiet_hours, timezone)
    manifest, recommender = load(registry, model_ref)
    model, store = recommender.model, Registry.open(registry)
    now = datetime.now(UTC)
    # Data without times has no end, and so cannot have ended long ago.
    is_stale = at is None and 0 < model.data_end < now.timestamp() - STALE_SECONDS
    data_end = datetime.fromtimestamp(model.data_end, UTC)
    moment = at.replace(tzinfo=UTC) if at else data_end if is_stale else now.replace(microsecond=0)
    warnings = [STALE_DATA] if is_stale else []
    if customers is None:
        known = model.customers.ids.take(range(len(model.customers)))
        schema = {column.name: column.kind.dtype for column in CUSTOMERS.columns}
        rows = pl.DataFrame([{"customer_id": name} for name in known], schema=schema)
    else:
        read = read_customers(
            customers, quarantine=quarantine, max_quarantined_share=max_quarantined
        )
        rows = read.unique("customer_id", keep="first", maintain_order=True)
    reached = reachable(
        rows["customer_id"].to_list(), store, int(manifest.parameters.get("ledger_position", 0))
    )
    allowed = rows.filter(pl.Series(reached.may, dtype=pl.Boolean))
    if allowed.is_empty():
        raise InputError("nobody is left to write to: none given, or all erased or without consent")
    recommender = as_sold(recommender, redis, namespace) if redis else recommender
    sold = recommender.assortment
    withdrawn = sold.catalogue.items.indices(sorted(reached.withdrawn))
    if not redis and not len(sold.unnamed):
        warnings.append(SENSITIVE_UNKNOWN)
    book = rules_in_force(store.documents(KIND), CURRENT)
    check_stock(book, any_stock=any_stock)
    sold_at = now.timestamp() if at is None else moment.timestamp()
    asked = Query(
        size=N_CONSIDERED,
        now=moment.timestamp(),
        sold_at=sold_at,
        diversity=shops_defaults().settled_diversity(None, book),
        excluded=np.union1d(withdrawn, sold.unnamed).astype(np.int32),
    )
    with (
        threadpool_limits(1, "blas"),  # a list is too small for two cores
        reporting() as reporter,
        reporter.stage("due", allowed.height) as tick,
    ):
        lists = recommend_all(
            recommender,
            allowed,
            asked,
            surface=Surface.BUY_AGAIN,
            rules=PreparedRules.of(book, sold),
            occasion=Occasion(channel=channel.value, placement_id=placement, now=sold_at),
            tick=tick,
        )
    found = due_within(
        lists,
        at=moment,
        within_days=within,
        quiet=quiet,
        at_most=at_most,
        min_products=min_products,
    )
    with writing(out):
        if out.suffix.lower() == ".csv":
            found.write_csv(out)
        else:
            found.write_parquet(out)
    result = {
        "version_id": manifest.version_id,
        "at": moment.isoformat(),
        "n_asked": rows.height,
        "n_left_out": rows.height - allowed.height,
        "n_customers": found["customer_id"].n_unique(),
        "n_rows": found.height,
        "warnings": warnings,
        "out": str(out),
    }
    text = [f"{result['n_rows']:,} products due for {result['n_customers']:,} customers in {out}"]
    text += [f"mind: {_WARNINGS[each].format(end=day_of(model.data_end))}" for each in warnings]
    print_result(result, "\n".join(text), as_json)
