"""Later purchases in a published model's indices."""

from tests.purchases import built, interactions_of
from training.targets import targets_of


def row(customer: str, product: str, **more: object) -> dict[str, object]:
    return {"customer_id": customer, "product_id": product, **more}


TRAINED_ON = (row("a", "x", day=1), row("b", "y", day=2), row("b", "x", day=10))


def test_only_later_purchases_of_what_is_known_count() -> None:
    """Strangers, unknown products and what the model has learnt are left out; repeats are 1."""
    model = built(interactions_of(*TRAINED_ON))
    later = interactions_of(
        *TRAINED_ON,
        row("0-sorts-first", "x", day=11),
        row("a", "0-sorts-first", day=11),
        row("a", "y", day=11),
        row("a", "y", day=12),
        row("b", "y", day=13),
    )

    assert targets_of(model, later).toarray().tolist() == [[0, 1], [0, 1]]


def test_nothing_later_gives_no_target() -> None:
    """The model's own purchases are no targets."""
    interactions = interactions_of(*TRAINED_ON)

    assert targets_of(built(interactions), interactions).nnz == 0


def test_purchases_without_times_are_all_later() -> None:
    """Data without times cannot tell what the model has seen: all of it counts."""
    model = built(interactions_of(row("a", "x"), row("b", "y")))

    targets = targets_of(model, interactions_of(row("a", "y"), row("b", "y")))

    assert targets.toarray().tolist() == [[0, 1], [0, 1]]
