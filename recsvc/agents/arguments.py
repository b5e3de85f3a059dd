"""What the tools take; the descriptions are read by models."""

import json
import types
import typing
from typing import Annotated, Any, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from recsvc.core.recommendation_id import read_recommendation_id

MAX_LISTED = 50


def _at_most(max_bytes: int) -> AfterValidator:
    """The limits of the API are in bytes; whichever shop is asked, they are told here."""

    def check(text: str) -> str:
        n_bytes = len(text.encode())
        if n_bytes > max_bytes:
            raise ValueError(f"has {n_bytes} bytes; at most {max_bytes} are allowed")
        return text

    return AfterValidator(check)


def _of_a_list(text: str) -> str:
    """An id that was cut or made up would be recorded for good, and count for no list."""
    if read_recommendation_id(text) is None:
        raise ValueError("is the id of no list; copy it from the answer that the product was in")
    return text


def _number(value: object) -> object:
    """The library would read true as 1; whoever sends it has not said how many."""
    if isinstance(value, bool):
        raise ValueError("should be a number, and not true or false")  # noqa: TRY004  # pydantic tells of no other
    return value


Whole = Annotated[int, BeforeValidator(_number)]
Number = Annotated[float, BeforeValidator(_number)]
Id = Annotated[str, Field(min_length=1, max_length=256), _at_most(256)]
Brand = Id
Category = Annotated[str, Field(min_length=1, max_length=1_000), _at_most(1_000)]
ListId = Annotated[str, AfterValidator(_of_a_list)]
Language = Annotated[
    str | None,
    Field(
        max_length=35,
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$",
        description="Language of titles and reasons, BCP 47.",
        examples=["en"],
    ),
]


class _Arguments(BaseModel):
    """Nothing is taken that is not declared; some models write lists and objects as text."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _unquoted(cls, given: Any) -> Any:  # noqa: ANN401  # whatever a model sends
        if not isinstance(given, dict):
            return given
        return {name: _parsed(cls, name, value) for name, value in given.items()}


def _parsed(arguments: type[BaseModel], name: str, value: object) -> object:
    field = arguments.model_fields.get(name)
    if field is None or not isinstance(value, str) or value[:1] not in {"[", "{"}:
        return value
    if _is_text(field.annotation):
        return value
    try:
        parsed: object = json.loads(value)
    except (ValueError, RecursionError):
        return value
    return parsed


def _is_text(annotation: object) -> bool:
    """Whether a field holds a text, and not texts."""
    match get_origin(annotation):
        case types.UnionType | typing.Union:
            return any(map(_is_text, get_args(annotation)))
        case typing.Annotated:
            return _is_text(get_args(annotation)[0])
        case _:
            return annotation is str


class Budget(_Arguments):
    """An amount of money."""

    amount: Number = Field(ge=0, le=1e9, allow_inf_nan=False, examples=[7.5])
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217.", examples=["EUR"])


class ListArguments(_Arguments):
    """What every list may be narrowed by."""

    how_many: Whole = Field(
        default=10, ge=1, le=MAX_LISTED, description="How many products at most.", examples=[5]
    )
    budget: Budget | None = Field(
        default=None,
        description="The most that each product may cost by itself.",
        examples=[{"amount": 7.5, "currency": "EUR"}],
    )
    store_id: Id | None = Field(
        default=None,
        description="The store where the customer shops; find_stores has the ids. Left out: the "
        "customer's usual store.",
        examples=["367"],
    )
    in_stock_only: bool = Field(
        default=False,
        description="Only what is known to be in stock at the store. Left out: as the shop's rules "
        "say.",
    )
    categories: list[Category] = Field(
        default=[],
        max_length=20,
        description="Only products in one of these categories or below, as 'category' of an "
        "answer is written.",
        examples=[["Drinks > Tea"]],
    )
    brands: list[Brand] = Field(
        default=[], max_length=20, description="Only these brands.", examples=[["Alta"]]
    )
    exclude: list[Id] = Field(
        default=[],
        max_length=500,
        description="product_ids that must not be listed: what was declined, for example.",
        examples=[["1082185"]],
    )
    language: Language = None

    @property
    def for_all(self) -> Budget | None:
        """What all products together may cost, where that can be asked."""
        return None


class Several(ListArguments):
    """Of lists of products that may all be bought, and not one instead of another."""

    total_budget: Budget | None = Field(
        default=None,
        description="The most that all products of the list may cost together, one of each; the "
        "best that fit are listed. For 'dinner under 20 pounds'. What is in a basket already is "
        "yours to take off.",
        examples=[{"amount": 20, "currency": "GBP"}],
    )

    @property
    def for_all(self) -> Budget | None:
        """What all products together may cost."""
        return self.total_budget


class Recommend(Several):
    """Of ``recommend_products``."""

    basket: list[Id] = Field(
        default=[],
        max_length=100,
        description="product_ids that are in the basket: they are not listed, and shape the list.",
        examples=[["1082185"]],
    )
    only_new: bool = Field(
        default=False,
        description="Leave out what the customer has bought before. Left out: as the shop's rules "
        "say.",
    )


class Similar(ListArguments):
    """Of ``find_similar_products``."""

    product_id: Id = Field(description="The product to resemble.", examples=["1082185"])


class Together(Several):
    """Of ``find_bought_together``."""

    product_ids: list[Id] = Field(
        min_length=1,
        max_length=100,
        description="The products to go with: one, or a basket.",
        examples=[["1082185"]],
    )


class Again(Several):
    """Of ``buy_again``."""


class OneProduct(_Arguments):
    """Of ``get_product``."""

    product_id: Id = Field(description="The product.", examples=["1082185"])
    store_id: Id | None = Field(
        default=None, description="The store whose price and stock are asked.", examples=["367"]
    )
    language: Language = None


class Stores(_Arguments):
    """Of ``find_stores``."""

    text: str | None = Field(
        default=None,
        max_length=100,
        description="Part of a store's id, name or postal code, letter case aside.",
        examples=["Leeds"],
    )
    country_code: str | None = Field(
        default=None, pattern=r"^[A-Z]{2}$", description="ISO 3166-1.", examples=["GB"]
    )
    how_many: Whole = Field(default=10, ge=1, le=MAX_LISTED, description="How many at most.")


class Feedback(_Arguments):
    """Of ``record_feedback``."""

    product_id: Id = Field(description="The product.", examples=["1082185"])
    rating: Whole = Field(
        ge=1, le=5, description="How much it pleased: 1 not at all, 5 very much.", examples=[4]
    )
    recommendation_id: ListId = Field(
        description="The recommendation_id of the answer that the product was in."
    )
