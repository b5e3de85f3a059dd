"""Groups of customers."""

from recsvc.core.segments import Segments
from recsvc.core.vocabulary import MISSING

ALL = Segments.of_names([["gold", "new"], [], ["gold"]])


def test_customers_are_in_their_segments() -> None:
    """Any number of them; who is not known is anonymous and nothing else."""
    assert [ALL.of(customer) for customer in range(3)] == [{"gold", "new"}, set(), {"gold"}]
    assert ALL.of(MISSING) == {"anonymous"}


def test_they_come_back_from_their_arrays() -> None:
    """In a model from before there were any, a customer is in none."""
    restored = Segments.from_arrays(ALL.to_arrays("s"), "s")
    assert [restored.of(customer) for customer in range(3)] == [{"gold", "new"}, set(), {"gold"}]
    old = Segments.from_arrays({}, "s")
    assert old.of(0) == set()
    assert old.of(MISSING) == {"anonymous"}
