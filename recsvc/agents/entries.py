"""Products and stores, as answers tell them."""

from dataclasses import replace
from typing import Any

from recsvc.agents import answers
from recsvc.agents.shop import Branch, Goods, OnShelf
from recsvc.agents.text import clean, web_address


def product_fields(goods: Goods, shelf: OnShelf, language: str | None) -> dict[str, Any]:
    """The fields of an ``answers.Product``, and of whatever is one and more."""
    price = None
    if goods.price is not None:
        price = answers.Price(amount=answers.rounded(goods.price), currency=goods.currency)
    return {
        "product_id": goods.product_id,
        "title": clean(_title(goods, language or "")),
        "category": clean(goods.category_path),
        "brand": clean(goods.brand),
        "price": price,
        "in_stock": shelf.is_in_stock,
        "quantity": shelf.quantity,
        "uri": web_address(goods.uri),
        "image_uri": web_address(goods.image_uri),
    }


def _title(goods: Goods, language: str) -> str:
    """The title in a language, else in the wider one, else the shop's own."""
    titles = {tag.casefold(): title for tag, title in goods.titles}
    tag = language.casefold()
    while tag:
        if tag in titles:
            return titles[tag]
        tag = tag.rpartition("-")[0]
    return goods.title or goods.product_id


def priced(goods: Goods, shelf: OnShelf) -> Goods:
    """A product with its store's own price, where there is one."""
    if shelf.price is None:
        return goods
    return replace(goods, price=shelf.price, currency=shelf.currency)


def off_sale(goods: Goods, now: float) -> str:
    """Why a product must not be offered at a moment; ``""`` where it may be."""
    if goods.available_from is not None and now < goods.available_from:
        return "It is not on sale yet: do not offer it."
    if goods.available_to is not None and now >= goods.available_to:
        return "It is not on sale any more: do not offer it."
    return ""


def store_entry(branch: Branch) -> answers.Store:
    """A store, its texts cleaned."""
    return answers.Store(
        store_id=branch.store_id,
        name=clean(branch.name),
        country_code=clean(branch.country_code),
        subdivision_code=clean(branch.subdivision_code),
        postal_code=clean(branch.postal_code),
        latitude=branch.latitude,
        longitude=branch.longitude,
        time_zone=branch.time_zone,
    )
