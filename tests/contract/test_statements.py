"""What is in force of an incident, whatever order its revisions came in and however often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import (
    Impact,
    IncidentAmended,
    IncidentDeclared,
    IncidentResolved,
    IncidentRetracted,
    Interval,
    Scope,
)
from schemas.statements import ImpossibleRevisionError, IncidentEvent, Statement, following, in_force, merged

START = datetime(2011, 4, 29, 2, 30, tzinfo=UTC)
EVERYONE = Scope(everyone=True)
ONE_SITE = Scope(sites=("arezzo-1",))


def hours(first: int, last: int) -> Interval:
    return Interval(starts_at=START + timedelta(hours=first), ends_at=START + timedelta(hours=last))


def impact(last: int | None, *also: Interval, first: int = 0) -> Impact:
    ends_at = None if last is None else START + timedelta(hours=last)
    return Impact(starts_at=START + timedelta(hours=first), ends_at=ends_at, also=also)


def statement_of(model: type[IncidentDeclared], revision: int, **changed: Any) -> IncidentDeclared:
    facts: dict[str, Any] = {
        "incident_id": "arezzo",
        "revision": revision,
        "title": f"As of revision {revision}",
        "drill": False,
        "impact": impact(None),
        "scope": EVERYONE,
        "policy": "promise@1",
        "declared_by": "operator",
        "declared_at": START + timedelta(days=revision),
    }
    return model(**(facts | changed))


def declared(revision: int = 1, **changed: Any) -> IncidentDeclared:
    return statement_of(IncidentDeclared, revision, **changed)


def amended(revision: int, **changed: Any) -> IncidentDeclared:
    return statement_of(IncidentAmended, revision, **changed)


def resolved(revision: int, last: int = 8) -> IncidentResolved:
    return IncidentResolved(
        incident_id="arezzo", revision=revision, ends_at=START + timedelta(hours=last), declared_by="pipeline",
        declared_at=START + timedelta(days=revision),
    )  # fmt: skip


def retracted(revision: int, reason: str = "Wrong site.") -> IncidentRetracted:
    return IncidentRetracted(
        incident_id="arezzo", revision=revision, reason=reason, declared_by="operator",
        declared_at=START + timedelta(days=revision),
    )  # fmt: skip


# ── what each event makes of the one before it ─────────────────────────────────────────────────────────────────


def test_a_declaration_states_the_incident_whole() -> None:
    (one,) = in_force([declared(scope=ONE_SITE, impact=impact(8))])
    assert (one.incident_id, one.revision, one.title) == ("arezzo", 1, "As of revision 1")
    assert (one.drill, one.policy, one.declared_by) == (False, "promise@1", "operator")
    assert (one.scope, one.impact, one.declared_at) == (ONE_SITE, impact(8), START + timedelta(days=1))
    assert (one.retracted, one.reason) == (False, None)


def test_an_amendment_takes_the_place_of_all_that_was_said_before() -> None:
    _, two = in_force([declared(), amended(2, scope=ONE_SITE, impact=impact(3), title="Only one site")])
    assert (two.revision, two.title, two.scope, two.impact) == (2, "Only one site", ONE_SITE, impact(3))


def test_a_resolution_changes_the_end_and_nothing_else_of_the_incident() -> None:
    also = hours(-10, -8)
    one, two = in_force([declared(scope=ONE_SITE, impact=impact(None, also)), resolved(2)])
    assert two.impact == impact(8, also)
    assert (two.title, two.scope, two.policy, two.drill) == (one.title, one.scope, one.policy, one.drill)
    assert (two.declared_by, two.declared_at) == ("pipeline", START + timedelta(days=2))


def test_a_second_resolution_puts_the_end_right() -> None:
    assert in_force([declared(), resolved(2, 8), resolved(3, 6)])[-1].impact == impact(6)


def test_a_retraction_takes_the_incident_back_and_says_why() -> None:
    *_, last = in_force([declared(), retracted(2, "It was the test rig.")])
    assert (last.retracted, last.reason, last.revision) == (True, "It was the test rig.", 2)


def test_an_end_that_becomes_known_does_not_reopen_what_was_retracted() -> None:
    *_, last = in_force([declared(), retracted(2), resolved(3)])
    assert (last.retracted, last.impact) == (True, impact(8))


@pytest.mark.parametrize("again", [declared, amended])
def test_a_statement_after_a_retraction_reopens_the_incident(again: Callable[..., IncidentDeclared]) -> None:
    *_, last = in_force([declared(), retracted(2), again(3, scope=ONE_SITE)])
    assert (last.retracted, last.reason, last.scope) == (False, None, ONE_SITE)


# ── what cannot follow ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("first", [resolved(1), retracted(1)], ids=["resolved", "retracted"])
def test_the_first_revision_states_the_incident_whole(first: IncidentEvent) -> None:
    with pytest.raises(ImpossibleRevisionError, match="declare it first"):
        in_force([first])


def test_an_incident_keeps_its_policy() -> None:
    with pytest.raises(ImpossibleRevisionError, match="promise@2: the incident was declared under promise@1"):
        in_force([declared(), amended(2, policy="promise@2")])


@pytest.mark.parametrize("drill", [True, False])
def test_a_drill_never_turns_into_an_incident_nor_an_incident_into_a_drill(drill: bool) -> None:
    with pytest.raises(ImpossibleRevisionError, match=f"declared with drill {drill}"):
        in_force([declared(drill=drill), amended(2, drill=not drill)])


def test_policy_and_drill_are_kept_over_a_retraction() -> None:
    with pytest.raises(ImpossibleRevisionError, match="promise@1"):
        in_force([declared(), retracted(2), declared(3, policy="promise@2")])


@pytest.mark.parametrize("last", [0, -1])
def test_an_end_that_is_not_after_the_start_is_told_with_both(last: int) -> None:
    with pytest.raises(
        ImpossibleRevisionError, match=r"is not after the start 2011-04-29T02:30:00\+00:00: write a later"
    ):
        in_force([declared(), resolved(2, last)])


# ── order and repetition ───────────────────────────────────────────────────────────────────────────────────────


def test_what_comes_early_is_held_until_the_ones_before_it_are_there() -> None:
    one, three = declared(), resolved(3)
    assert in_force([three]) == []
    assert [said.revision for said in in_force([three, one])] == [1]
    assert [said.revision for said in in_force([three, one, amended(2)])] == [1, 2, 3]


def test_of_two_events_of_one_revision_the_first_counts() -> None:
    first, other = amended(2, scope=ONE_SITE), amended(2)
    assert in_force([declared(), first, other])[-1].scope == ONE_SITE
    assert in_force([declared(), other, first])[-1].scope == EVERYONE


SCOPES = st.sampled_from([EVERYONE, ONE_SITE, Scope(families=("hosting",)), Scope(sites=("arezzo-1", "arezzo-2"))])
ENDS = st.one_of(st.none(), st.integers(1, 48))


def events_of(revision: int) -> st.SearchStrategy[IncidentEvent]:
    whole = st.builds(
        lambda make, scope, last: make(revision, scope=scope, impact=impact(last)),
        st.sampled_from([declared, amended]), SCOPES, ENDS,
    )  # fmt: skip
    if revision == 1:
        return whole
    return st.one_of(
        whole,
        st.builds(lambda last: resolved(revision, last), st.integers(1, 48)),
        st.builds(lambda reason: retracted(revision, reason), st.sampled_from(["Wrong site.", ""])),
    )


@st.composite
def lives(draw: st.DrawFn) -> list[IncidentEvent]:
    """The revisions of an incident in their order."""
    return [draw(events_of(revision)) for revision in range(1, draw(st.integers(1, 8)) + 1)]


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[IncidentEvent], list[IncidentEvent]]:
    """A life, and the same revisions as they arrive: each at least once, in any order, any of them again."""
    life = draw(lives())
    again = draw(st.lists(st.sampled_from(life), max_size=8))
    return life, draw(st.permutations([*life, *again]))


@settings(deadline=None)
@given(arrivals())
def test_any_order_and_repetition_of_the_same_revisions_is_in_force_alike(
    case: tuple[list[IncidentEvent], list[IncidentEvent]],
) -> None:
    life, arrived = case
    assert in_force(arrived) == in_force(life)
    assert [said.revision for said in in_force(life)] == list(range(1, len(life) + 1))


@settings(deadline=None)
@given(arrivals())
def test_more_events_only_add_statements_behind_those_in_force(
    case: tuple[list[IncidentEvent], list[IncidentEvent]],
) -> None:
    """What was decided on stays: a statement in force never changes because of what arrives later."""
    _, arrived = case
    before: list[Statement] = []
    for count in range(1, len(arrived) + 1):
        now = in_force(arrived[:count])
        assert now[: len(before)] == before
        before = now


@settings(deadline=None)
@given(lives())
def test_a_statement_follows_from_the_one_before_it_alone(life: list[IncidentEvent]) -> None:
    last: Statement | None = None
    for event in life:
        last = following(last, event)
    assert last == in_force(life)[-1]


# ── windows ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_window_that_lasts_is_not_among_those_that_are_over() -> None:
    (one,) = in_force([declared(impact=impact(None, hours(-10, -8)))])
    assert one.intervals == (hours(-10, -8),)
    (one,) = in_force([declared(impact=impact(8, hours(-10, -8)))])
    assert one.intervals == (hours(-10, -8), hours(0, 8))


@pytest.mark.parametrize(
    ("windows", "whole"),
    [
        ([], []),
        ([hours(0, 2), hours(4, 6)], [hours(0, 2), hours(4, 6)]),
        ([hours(0, 2), hours(2, 6)], [hours(0, 6)]),
        ([hours(0, 5), hours(2, 6)], [hours(0, 6)]),
        ([hours(0, 9), hours(2, 6)], [hours(0, 9)]),
        ([hours(2, 6), hours(2, 6)], [hours(2, 6)]),
    ],
    ids=["none", "apart", "meeting", "overlapping", "one within the other", "the same twice"],
)
def test_windows_that_meet_or_overlap_are_one(windows: list[Interval], whole: list[Interval]) -> None:
    assert merged(windows) == tuple(whole)


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)).map(lambda span: (span[0], sum(span))), max_size=8)


@settings(deadline=None)
@given(SPANS, st.randoms(use_true_random=False))
def test_no_hour_is_counted_twice_and_none_is_lost(spans: list[tuple[int, int]], random: Any) -> None:
    windows = [hours(first, last) for first, last in spans]
    whole = merged(windows)
    random.shuffle(windows)
    assert merged(windows) == whole
    hit = {hour for first, last in spans for hour in range(first, last)}
    assert sum((one.ends_at - one.starts_at for one in whole), timedelta()) == timedelta(hours=len(hit))
    assert all(one.ends_at < other.starts_at for one, other in pairwise(whole))
