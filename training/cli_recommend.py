"""``recsvc-train recommend``: the questions of the API, asked for many customers at once."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from threadpoolctl import threadpool_limits

from recsvc.artifacts.experiments import Channel
from recsvc.artifacts.registry import Registry
from recsvc.artifacts.rules_check import rules_in_force
from recsvc.artifacts.rules_file import KIND
from recsvc.artifacts.version_ids import CURRENT
from recsvc.core.catalogue import CatalogueFilter, canonical_path
from recsvc.core.conditions import Occasion
from recsvc.core.diversity import Diversity
from recsvc.core.query import Query
from recsvc.core.recommender import Recommender
from recsvc.core.rules import NO_RULES
from recsvc.core.ruling import PreparedRules
from recsvc.core.stages import Stage
from recsvc.core.vocabulary import MISSING
from recsvc.errors import InputError
from recsvc.terminal import attributes_of
from training.answers import JsonOption, RegistryOption, print_result
from training.batch import Surface, recommend_all
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
    load,
    reporting,
    shops_defaults,
    writing,
)
from training.people import reachable
from training.selling import as_sold

NO_RULES_REF = "none"
"""What ``--rules`` says for none."""


def recommend_command(
    customers: Annotated[
        Path,
        typer.Option(
            "--customers",
            help="Parquet or CSV with customer_id and, optionally, store_id, country_code, "
            "subdivision_code, postal_code, latitude, longitude: where each is now.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write.")],
    registry: RegistryOption,
    *,
    model_ref: ModelOption = CURRENT,
    surface: Annotated[
        Surface,
        typer.Option(help="Which list: recommend, or buy-again, what each needs again and when."),
    ] = Surface.RECOMMEND,
    stage: Annotated[
        Stage, typer.Option(help="How far the customers have come; it changes the list.")
    ] = Stage.ANY,
    size: Annotated[int, typer.Option("--k", min=1, max=1000, help="Products a customer.")] = 20,
    only_new: Annotated[
        bool | None,
        typer.Option(
            "--only-new/--with-bought",
            help="Leave out what the customer has bought, or not; unset as the rules have it, "
            "else left out where hardly anything is bought twice.",
            show_default=False,
        ),
    ] = None,
    diversity: Annotated[
        Diversity | None,
        typer.Option(
            "--diversity",
            help="How varied each list is; unset as the rules have it, else RECSVC_DIVERSITY.",
            show_default=False,
        ),
    ] = None,
    rules_ref: Annotated[
        str,
        typer.Option(
            "--rules", metavar="VERSION", help="The shop's rules: a version, current, or none."
        ),
    ] = CURRENT,
    channel: Annotated[
        Channel | None,
        typer.Option(case_sensitive=False, help="Where the lists are shown; rules may name it."),
    ] = None,
    placement: PlacementOption = "",
    any_stock: AnyStockOption = False,
    attributes: Annotated[
        list[str] | None,
        typer.Option(
            "--attribute",
            metavar="NAME=VALUE",
            help="Only products with this attribute; of one name any, of several all.",
        ),
    ] = None,
    categories: Annotated[
        list[str] | None,
        typer.Option("--category", help="Only products of this category; may be repeated."),
    ] = None,
    brands: Annotated[
        list[str] | None,
        typer.Option("--brand", help="Only products of this brand; may be repeated."),
    ] = None,
    excluded: Annotated[
        list[str] | None,
        typer.Option("--exclude", help="Leave this product out; may be repeated."),
    ] = None,
    max_price: Annotated[
        float | None,
        typer.Option("--max-price", min=0, help="Only products up to this price; see --currency."),
    ] = None,
    currency: Annotated[str, typer.Option(help="Of --max-price: ISO 4217, such as EUR.")] = "",
    redis: ShopRedisOption = None,
    namespace: NamespaceOption = "recsvc",
    quarantine: NoQuarantineOption = None,
    max_quarantined: MaxQuarantinedOption = MAX_QUARANTINED_SHARE,
    as_json: JsonOption = False,
) -> None:
    """Write the lists of many customers, the same that the server would answer.

    Recency is measured at the end of the model's data, and what may be sold today. A
    customer without a place is at home. Who has withdrawn consent or was erased gets the list
    of an unknown customer, and withdrawn products are on no list.
    """
    check_writable("--out", out)
    if out.resolve() in {path.resolve() for path in (customers, quarantine) if path}:
        raise InputError(f"--out {out}: is --customers or --quarantine too; give another file")
    if only_new and surface is Surface.BUY_AGAIN:
        raise InputError("--only-new: what is needed again was bought before; leave it out")
    if stage is not Stage.ANY and surface is Surface.BUY_AGAIN:
        raise InputError("--stage: what is needed again is so at every stage; leave it out")
    if (max_price is None) != (not currency):
        raise InputError("--max-price and --currency: one needs the other; give both or neither")
    manifest, recommender = load(registry, model_ref)
    recommender = as_sold(recommender, redis, namespace) if redis else recommender
    wanted = CatalogueFilter(
        category_paths=tuple(categories or ()),
        brands=tuple(brands or ()),
        price_max=max_price,
        currency=currency,
        attributes=attributes_of(attributes or ()),
    )
    _check(recommender, wanted, excluded or ())
    store = Registry.open(registry)
    book = NO_RULES
    if rules_ref != NO_RULES_REF:
        book = rules_in_force(store.documents(KIND), rules_ref)
    check_stock(book, any_stock=any_stock)
    if only_new is None:
        only_new = book.only_new(surface.kind, buys_again=recommender.model.buys_again)
    rows = read_customers(customers, quarantine=quarantine, max_quarantined_share=max_quarantined)
    reached = reachable(
        rows["customer_id"].to_list(), store, int(manifest.parameters.get("ledger_position", 0))
    )
    asked = Query(
        size=size,
        now=recommender.model.data_end,
        sold_at=datetime.now(UTC).timestamp(),
        stage=stage,
        only_new=only_new,
        diversity=shops_defaults().settled_diversity(diversity, book),
        catalogue_filter=wanted or None,
        excluded=recommender.assortment.catalogue.items.indices(
            [*(excluded or ()), *sorted(reached.withdrawn)]
        ),
    )
    with (
        threadpool_limits(1, "blas"),  # a list is too small for two cores
        reporting() as reporter,
        reporter.stage("recommend", rows.height) as tick,
    ):
        lists = recommend_all(
            recommender,
            rows,
            asked,
            surface=surface,
            rules=PreparedRules.of(book, recommender.assortment),
            occasion=Occasion(
                channel=channel.value if channel else "",
                placement_id=placement,
                now=datetime.now(UTC).timestamp(),
            ),
            may_know=reached.may,
            tick=tick,
        )
    with writing(out):
        lists.write_parquet(out)
    n_customers = lists["customer_id"].n_unique()
    result = {
        "version_id": manifest.version_id,
        "n_customers": n_customers,
        "n_not_known": reached.may.count(False),
        "out": str(out),
    }
    print_result(result, f"{n_customers:,} lists of {manifest.version_id} in {out}", as_json)


def _check(recommender: Recommender, wanted: CatalogueFilter, excluded: Iterable[str]) -> None:
    """Refuse a name that no product has: a slip would cost the lists of a whole night."""
    catalogue, index = recommender.assortment.catalogue, recommender.assortment.index
    for path in wanted.category_paths:
        if canonical_path(path) not in index.categories:
            raise InputError(f"--category {path!r}: no product of this model is in it")
    for brand in wanted.brands:
        if brand.strip().casefold() not in index.brands:
            raise InputError(f"--brand {brand!r}: no product of this model has it")
    for name in wanted.attributes:
        if name not in catalogue.attributes.names:
            raise InputError(f"--attribute {name}: no product of this model has it")
    for product_id in excluded:
        if catalogue.items.index(product_id) == MISSING:
            raise InputError(f"--exclude {product_id}: no product of this model is called so")
    if wanted.currency and catalogue.currencies.index(wanted.currency) == MISSING:
        there = ", ".join(sorted(catalogue.currencies.ids)) or "none that is known"
        raise InputError(
            f"--currency {wanted.currency}: no price of this model is in it; there is {there}"
        )
