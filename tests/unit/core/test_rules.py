"""When rules hold."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from recsvc.core.condition_index import ConditionIndex
from recsvc.core.conditions import Conditions, Hours, Occasion, WallClock
from recsvc.core.place_sets import PlaceSet
from recsvc.core.places import Location
from recsvc.core.recommendation_id import Surface
from recsvc.core.rules import Selection
from recsvc.core.stages import Stage

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> float:
    """A moment by Berlin's clock."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp()


NOW = at("2026-07-03T10:00")
"""A Friday."""


def hold(conditions: Conditions, occasion: Occasion) -> bool:
    """Whether one rule holds, among others that never do and always do."""
    never = Conditions(channels=frozenset({"nowhere"}))
    held = ConditionIndex.of([never, conditions, Conditions()]).hold(occasion)
    assert held & 0b101 == 0b100
    return held == 0b110


def includes(hours: Hours, moment: str) -> bool:
    return hours.include(WallClock(at(moment)))


@pytest.mark.parametrize(
    ("conditions", "occasion", "holds"),
    [
        (Conditions(), Occasion(now=NOW), True),
        (Conditions(channels=frozenset({"APP"})), Occasion(now=NOW, channel="APP"), True),
        (Conditions(channels=frozenset({"APP"})), Occasion(now=NOW, channel="WEB"), False),
        (Conditions(channels=frozenset({"APP"})), Occasion(now=NOW), False),
        (Conditions(placement_ids=frozenset({"a"})), Occasion(now=NOW, placement_id="a"), True),
        (Conditions(placement_ids=frozenset({"a"})), Occasion(now=NOW, placement_id="b"), False),
        (Conditions(stages=frozenset({Stage.CART})), Occasion(now=NOW, stage=Stage.CART), True),
        (Conditions(stages=frozenset({Stage.CART})), Occasion(now=NOW), False),
        (Conditions(surfaces=frozenset({Surface.SIMILAR})), Occasion(now=NOW), False),
        (Conditions(segments=frozenset({"anonymous"})), Occasion(now=NOW), True),
        (Conditions(segments=frozenset({"gold"})), Occasion(now=NOW), False),
        (
            Conditions(segments=frozenset({"gold", "silver"})),
            Occasion(now=NOW, segments=frozenset({"silver", "new"})),
            True,
        ),
    ],
)
def test_all_that_is_given_must_be_so(
    conditions: Conditions, occasion: Occasion, *, holds: bool
) -> None:
    """One of the values; what is not given is any."""
    assert hold(conditions, occasion) is holds


def test_who_and_where_are_left_aside_until_they_are_known() -> None:
    """The question alone tells the rest."""
    in_portugal = PlaceSet.of([Location(country_code="PT")])
    index = ConditionIndex.of(
        [Conditions(segments=frozenset({"gold"})), Conditions(places=in_portugal)]
    )
    assert index.may_hold(Occasion(now=NOW)) == 0b11
    assert index.hold(Occasion(now=NOW)) == 0


@pytest.mark.parametrize(
    ("place", "holds"),
    [
        (Location(country_code="gb"), True),
        (Location(store_id="leeds-1"), True),
        (Location(store_id="york-1"), False),
        (Location(country_code="GB", store_id="york-1"), False),
        (Location(postal_code="ls1 4dy", country_code="GB"), True),
        (Location(subdivision_code="GB-SCT"), False),
    ],
)
def test_a_place_is_met_where_all_that_it_names_is_so(place: Location, *, holds: bool) -> None:
    """At any level, however it is written."""
    here = Location(
        store_id="leeds-1", postal_code="LS1 4DY", subdivision_code="GB-ENG", country_code="GB"
    )
    assert PlaceSet.of([place]).has(here) is holds
    nowhere = Location(store_id="nowhere")
    conditions = Conditions(places=PlaceSet.of([nowhere, place]))
    assert hold(conditions, Occasion(now=NOW, location=here)) is holds


@pytest.mark.parametrize(
    ("one", "other", "may"),
    [
        ({"store_id": "a"}, {"store_id": "a"}, True),
        ({"store_id": "a"}, {"store_id": "b"}, False),
        ({"store_id": "a"}, {"country_code": "PT"}, True),
        ({"store_id": "a", "country_code": "PT"}, {"country_code": "pt"}, True),
        ({"store_id": "a", "country_code": "PT"}, {"country_code": "GB"}, False),
        ({"postal_code": "1", "country_code": "PT"}, {"subdivision_code": "GB-ENG"}, False),
    ],
)
def test_sets_of_places_meet_where_nothing_keeps_two_apart(
    one: dict[str, str], other: dict[str, str], *, may: bool
) -> None:
    """A shopper is at one place of each level."""
    lille = Location(store_id="lille-1", country_code="FR")
    delft = Location(store_id="delft-1", country_code="NL")
    some, others = PlaceSet.of([Location(**one), lille]), PlaceSet.of([delft, Location(**other)])
    assert some.may_meet(others) is others.may_meet(some) is may
    assert not PlaceSet.of([]).may_meet(some)


def test_what_places_are_compared_by_is_found_once() -> None:
    """However many other sets a set of places is compared with."""
    here = PlaceSet.of([Location(store_id="a", country_code="GB")])
    (levels,) = here.by_levels
    there = [PlaceSet.of([Location(store_id=name)]) for name in "bca"]
    assert [here.may_meet(each) for each in there] == [False, False, True]
    assert here.narrowed(levels, levels[:1]) is here.narrowed(levels, levels[:1])
    assert here.narrowed(levels, levels) is here.by_levels[levels]


def test_each_rule_is_met_by_its_own() -> None:
    """Rules that share hours, places or a channel are told apart by the rest."""
    night = Hours(opens=22 * 60, closes=2 * 60, zone=BERLIN)
    leeds, uk = Location(store_id="leeds-1"), Location(country_code="GB")
    rules = [
        Conditions(hours=night, places=PlaceSet.of([leeds])),
        Conditions(hours=night, channels=frozenset({"APP"})),
        Conditions(places=PlaceSet.of([leeds, uk]), segments=frozenset({"gold"})),
        Conditions(places=PlaceSet.of([uk]), channels=frozenset({"APP", "WEB"})),
    ]
    index = ConditionIndex.of(rules)
    gold = frozenset({"gold"})
    night_in_leeds = Occasion(now=at("2026-07-03T23:00"), location=leeds, segments=gold)
    app_in_uk = Occasion(now=NOW, location=uk, channel="APP", segments=gold)
    assert index.hold(night_in_leeds) == 0b0101
    day = Hours(opens=9 * 60, closes=18 * 60, zone=BERLIN)
    both = ConditionIndex.of([Conditions(hours=night), Conditions(hours=day), *rules])
    assert both.hold(night_in_leeds) == 0b010101
    assert both.hold(app_in_uk) == 0b110010
    assert index.hold(app_in_uk) == 0b1100
    assert index.hold(Occasion(now=at("2026-07-03T23:00"), channel="APP")) == 0b0010


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-07-03T09:59:59", False),
        ("2026-07-03T10:00", True),
        ("2026-07-05T17:59:59", True),
        ("2026-07-05T18:00", False),
    ],
)
def test_a_window_has_its_start_and_not_its_end(moment: str, *, holds: bool) -> None:
    """As availability has."""
    hours = Hours(starts=NOW, ends=at("2026-07-05T18:00"), zone=UTC)
    assert hold(Conditions(hours=hours), Occasion(now=at(moment))) is holds


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-07-03T23:30", False),  # Friday
        ("2026-07-04T00:30", True),
        ("2026-07-04T08:59", True),
        ("2026-07-05T23:59", True),
        ("2026-07-06T00:00", False),
    ],
)
def test_days_are_those_of_the_zone(moment: str, *, holds: bool) -> None:
    """A weekend in Berlin begins before it does in London."""
    assert includes(Hours(days=frozenset({5, 6}), zone=BERLIN), moment) is holds


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-07-03T08:59:59", False),
        ("2026-07-03T09:00", True),
        ("2026-07-03T17:59:59", True),
        ("2026-07-03T18:00", False),
        ("2026-12-03T09:00", True),
    ],
)
def test_hours_are_those_of_the_clock_on_the_wall(moment: str, *, holds: bool) -> None:
    """In summer as in winter."""
    assert includes(Hours(opens=9 * 60, closes=18 * 60, zone=BERLIN), moment) is holds


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        ("2026-07-03T21:59", False),  # Friday
        ("2026-07-03T22:00", True),
        ("2026-07-04T01:59", True),  # still Friday's night
        ("2026-07-04T02:00", False),
        ("2026-07-04T22:30", False),
        ("2026-07-03T01:00", False),  # Thursday's night
    ],
)
def test_a_night_belongs_to_the_day_it_began_on(moment: str, *, holds: bool) -> None:
    """Hours may go past midnight."""
    hours = Hours(opens=22 * 60, closes=2 * 60, days=frozenset({4}), zone=BERLIN)
    assert includes(hours, moment) is holds


def test_until_midnight() -> None:
    """The end of a day is the start of the next."""
    hours = Hours(opens=18 * 60, closes=0, zone=BERLIN)
    assert [includes(hours, f"2026-07-03T{clock}") for clock in ("17:59", "23:59", "00:00")] == [
        False,
        True,
        False,
    ]


def test_a_selection_knows_whether_it_selects() -> None:
    """An empty one means everything."""
    assert not Selection()
    assert Selection(product_ids=("tea",))


@pytest.mark.parametrize(
    ("hours", "until"),
    [
        (None, "never"),
        (Hours(zone=BERLIN), "2026-07-03T10:01"),
        (Hours(zone=BERLIN, starts=at("2026-07-03T10:00:10")), "2026-07-03T10:00:10"),
        (Hours(zone=BERLIN, ends=at("2026-07-03T10:00:20")), "2026-07-03T10:00:20"),
        (Hours(zone=BERLIN, starts=NOW, ends=at("2026-07-04T10:00")), "2026-07-03T10:01"),
    ],
)
def test_the_clock_changes_no_rule_before_the_next_minute(hours: Hours | None, until: str) -> None:
    """Nor before one begins or ends to the second; and never where none looks at it."""
    index = ConditionIndex.of([Conditions(), Conditions(hours=hours)])
    expected = float("inf") if until == "never" else at(until)
    assert index.unchanged_until(NOW) == expected
