"""What the boosted trees learn from."""

import numpy as np
import pytest

from recsvc.core.places import Location
from recsvc.core.query import Query
from recsvc.core.ranking import Task
from recsvc.core.recommender import Recommender
from training.asked import baskets, lists
from training.evaluate import target_customers
from training.examples import Examples, collect
from training.metrics import DEPTH
from training.split import HoldOut

N_CUSTOMERS = 25


def gather(
    recommender: Recommender, held_out: HoldOut, task: Task, negatives: float, seed: int = 0
) -> Examples:
    customers = target_customers(held_out.targets(), N_CUSTOMERS)
    asked = lists(recommender, held_out, customers, task)
    return collect(recommender, {task: asked}, negatives=negatives, seed=seed)[task]


def test_all_that_was_bought_is_kept(recommender: Recommender, held_out: HoldOut) -> None:
    """A share of what was not bought is drawn; what was bought is there whatever the share."""
    whole, some = (gather(recommender, held_out, Task.ALL, share) for share in (1.0, 0.2))

    assert whole.features.shape == (len(whole.labels), len(recommender.features.names))
    assert some.labels.sum() == whole.labels.sum() > N_CUSTOMERS
    assert 0.1 < (~some.labels).sum() / (~whole.labels).sum() < 0.3
    np.testing.assert_array_equal(some.features[some.labels], whole.features[whole.labels])


@pytest.mark.parametrize("task", [Task.ALL, Task.NEW, Task.TOGETHER])
def test_what_is_drawn_reads_as_it_does_among_all(
    recommender: Recommender, held_out: HoldOut, task: Task
) -> None:
    """A feature that ranks the candidates ranks those that were not drawn too."""
    customers = target_customers(held_out.targets(), N_CUSTOMERS)
    questions = (
        baskets(recommender, held_out, task, N_CUSTOMERS, seed=0)
        if task is Task.TOGETHER
        else lists(recommender, held_out, customers, task)
    )
    asked = [*questions]

    whole, some = (
        collect(recommender, {task: asked}, negatives=share, seed=0)[task] for share in (1.0, 0.2)
    )

    rows = {row.tobytes() for row in np.ascontiguousarray(whole.features)}
    assert 0 < len(some.features) < len(whole.features)
    assert all(row.tobytes() in rows for row in np.ascontiguousarray(some.features))


def test_every_list_stands_together(recommender: Recommender, held_out: HoldOut) -> None:
    """The lengths are those of the customers' lists, in their order."""
    found = gather(recommender, held_out, Task.ALL, 1.0)

    customers = target_customers(held_out.targets(), N_CUSTOMERS).tolist()
    asked = [
        recommender.candidates(
            Query(
                customer=customer,
                place=recommender.place(customer, Location()),
                size=DEPTH,
                now=held_out.now,
            )
        )
        for customer in customers
    ]
    assert len({len(case.items) for case in asked}) > 1
    assert found.lengths.tolist() == [len(case.items) for case in asked]


def test_the_draw_is_the_seeds(recommender: Recommender, held_out: HoldOut) -> None:
    """One seed draws the same examples, another seed others."""
    first, same, other = (gather(recommender, held_out, Task.ALL, 0.2, seed) for seed in (0, 0, 1))

    np.testing.assert_array_equal(first.features, same.features)
    assert not np.array_equal(first.features, other.features)


def test_what_is_new_is_asked_for_alone(recommender: Recommender, held_out: HoldOut) -> None:
    """For new products, repeats are neither candidates nor purchases."""
    every, new = (gather(recommender, held_out, task, 1.0) for task in (Task.ALL, Task.NEW))

    assert 0 < new.labels.sum() < every.labels.sum()
    own = recommender.features.names.index("own_long")
    assert not new.features[:, own].any()


def test_tasks_that_are_asked_together_learn_what_each_learns_alone(
    recommender: Recommender, held_out: HoldOut
) -> None:
    """Bit for bit, and though one of them has fewer questions."""
    customers = target_customers(held_out.targets(), N_CUSTOMERS)
    counted: list[int] = []
    asked = {
        Task.ALL: lists(recommender, held_out, customers, Task.ALL),
        Task.NEW: lists(recommender, held_out, customers, Task.NEW),
        Task.TOGETHER: baskets(recommender, held_out, Task.TOGETHER, 7, seed=0),
    }

    together = collect(recommender, asked, negatives=0.2, seed=0, tick=lambda: counted.append(1))

    few = baskets(recommender, held_out, Task.TOGETHER, 7, seed=0)
    alone = {task: gather(recommender, held_out, task, 0.2) for task in (Task.ALL, Task.NEW)}
    alone |= collect(recommender, {Task.TOGETHER: few}, negatives=0.2, seed=0)
    assert len(alone[Task.TOGETHER].lengths) == 7
    assert len(counted) == 2 * N_CUSTOMERS + 7
    for task, examples in alone.items():
        np.testing.assert_array_equal(together[task].features, examples.features)
        np.testing.assert_array_equal(together[task].labels, examples.labels)
        np.testing.assert_array_equal(together[task].lengths, examples.lengths)


def test_nobody_gives_no_examples(recommender: Recommender, held_out: HoldOut) -> None:
    """Without customers there are no rows, of the same width; windows are put together."""
    nobody = np.zeros(0, np.int32)

    asked = lists(recommender, held_out, nobody, Task.ALL)
    none = collect(recommender, {Task.ALL: asked}, negatives=1.0, seed=0)[Task.ALL]

    assert none.features.shape == (0, len(recommender.features.names))
    some = gather(recommender, held_out, Task.ALL, 0.2)
    other = gather(recommender, held_out, Task.NEW, 0.2)
    together = Examples.together([none, some, other])
    assert len(together.labels) == len(together.features) == len(some.labels) + len(other.labels)
    assert together.lengths.tolist() == [*some.lengths, *other.lengths]
    assert together.lengths.sum() == len(together.labels)
