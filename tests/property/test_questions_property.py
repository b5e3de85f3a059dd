"""What the answer depends on is told apart, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsvc.core.catalogue import CatalogueFilter
from recsvc.core.diversity import Diversity
from recsvc.core.places import Location
from recsvc.core.stages import Stage
from recsvc.service.questions import Question
from recsvc.service.selling import NOTHING

pytestmark = pytest.mark.usefixtures("unmeasured")

# Few and awkward, so that two questions are often alike, and one looks like two.
TEXTS = st.sampled_from(["", "a", "b", "a', 'b", "('a',)", ":", "|", "é"])
IDS = st.lists(TEXTS, max_size=2).map(tuple)
PRICES = st.sampled_from([None, 0.0, 1.5])
MAYBE = st.sampled_from([None, False, True])
FILTERS = st.builds(
    CatalogueFilter,
    category_paths=IDS,
    brands=IDS,
    price_min=PRICES,
    price_max=PRICES,
    currency=st.sampled_from(["", "EUR"]),
    attributes=st.dictionaries(TEXTS, IDS, max_size=2),
)
QUESTIONS = st.builds(
    Question,
    customer_id=TEXTS,
    session_id=TEXTS,
    location=st.builds(Location, store_id=TEXTS, postal_code=TEXTS, country_code=TEXTS),
    catalogue_filter=st.one_of(st.just(CatalogueFilter()), FILTERS),
    strict=st.booleans(),
    size=st.sampled_from([1, 20]),
    excluded=IDS,
    basket=IDS,
    recent=IDS,
    stage=st.sampled_from(Stage),
    currency=st.sampled_from(["", "EUR"]),
    language=st.sampled_from(["", "de"]),
    only_new=MAYBE,
    in_stock_only=MAYBE,
    diversity=st.sampled_from([None, *Diversity]),
    as_of_time=st.sampled_from([None, 0.0, 5.0]),
    explain=st.booleans(),
    include_products=st.booleans(),
)


def meaning(question: Question) -> Question:
    """The question with what its answer does not depend on left out, and sets in one order."""
    wanted = question.catalogue_filter
    store_id, postal_code, cell, subdivision_code, country_code = question.location.keys()
    return question._replace(
        # Who asks, the page, and what rules and experiments go by are told apart elsewhere.
        customer_id="",
        visitor_id="",
        session_id="",
        channel="",
        placement_id="",
        page=b"",
        must_see=NOTHING,
        experiment_id="",
        location=Location(
            store_id=store_id,
            postal_code=postal_code,
            cell=cell,
            subdivision_code=subdivision_code,
            country_code=country_code,
        ),
        catalogue_filter=CatalogueFilter(
            category_paths=tuple(sorted(wanted.category_paths)),
            brands=tuple(sorted(wanted.brands)),
            price_min=wanted.price_min,
            price_max=wanted.price_max,
            currency=wanted.currency if wanted.has_price else "",
            attributes={name: tuple(sorted(each)) for name, each in wanted.attributes.items()},
        ),
        excluded=tuple(sorted(question.excluded)),
        basket=tuple(sorted(question.basket)),
        recent=tuple(sorted(question.recent)),
        currency=question.currency if question.include_products else "",
        language=question.language if question.explain else "",
    )


@given(QUESTIONS, QUESTIONS)
def test_one_other_word_is_another_question(question: Question, drawn: Question) -> None:
    """Whichever field it is in, unless both mean the same."""
    for name in question._fields:
        other = question._replace(**{name: getattr(drawn, name)})
        is_same = meaning(question) == meaning(other)
        assert (question.canonical() == other.canonical()) is is_same, name


@given(QUESTIONS, st.data())
def test_the_order_of_what_is_listed_means_nothing(question: Question, data: st.DataObject) -> None:
    """Baskets, exclusions and filters are sets, and who asks is told apart elsewhere."""
    wanted = question.catalogue_filter

    def shuffled(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(data.draw(st.permutations(texts)))

    attributes = data.draw(st.permutations(list(wanted.attributes.items())))
    other = question._replace(
        customer_id="somebody else",
        catalogue_filter=CatalogueFilter(
            category_paths=shuffled(wanted.category_paths),
            brands=shuffled(wanted.brands),
            price_min=wanted.price_min,
            price_max=wanted.price_max,
            currency=wanted.currency,
            attributes={name: shuffled(values) for name, values in attributes},
        ),
        excluded=shuffled(question.excluded),
        basket=shuffled(question.basket),
        recent=shuffled(question.recent),
    )
    assert question.canonical() == other.canonical()
