"""How far an incident has come, and for how long `watch` looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from rich.progress import Progress

from services.cli.errors import CommandError
from services.cli.standing import Standing, reckoned
from services.cli.watch import follow

DONE = Standing(
    planned=True,
    customers=10,
    considered=10,
    entitled=8,
    answered=8,
    taken_in=8,
    letters=8,
    settled=8,
    asked=20,
    booked=20,
)
UNDER_WAY = replace(DONE, settled=5)


def test_it_is_done_when_everyone_is_considered_adjusted_and_told() -> None:
    assert DONE.is_done


@pytest.mark.parametrize(
    "lacking",
    [
        {"planned": False},
        {"considered": 9},
        {"answered": 7},
        {"taken_in": 7},
        {"asked": 21},
        {"booked": 19},
        {"unannounced": 1},
        {"settled": 7},
        {"letters": 9},
    ],
)
def test_it_is_not_done_while_anything_is_lacking(lacking: Any) -> None:
    assert not replace(DONE, **lacking).is_done


def test_a_repeated_run_considers_more_than_there_are() -> None:
    assert replace(DONE, considered=20).is_done


def test_an_incident_that_entitles_nobody_is_done() -> None:
    assert Standing(True, 10, 10, 0, 0, 0, 0, 0).is_done


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves by a second at each look, and sleeps that take no time."""
    now = iter(range(10_000))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    monkeypatch.setattr(time, "sleep", lambda _: None)


def looks(what: Iterable[Standing | CommandError]) -> Callable[[], Standing]:
    """Answers one after the other; an error is raised."""
    answers = iter(what)

    def look() -> Standing:
        answer = next(answers)
        if isinstance(answer, CommandError):
            raise answer
        return answer

    return look


def test_it_looks_until_all_is_done() -> None:
    seen = [UNDER_WAY, UNDER_WAY, replace(UNDER_WAY, settled=7), DONE]
    assert follow(looks(seen), Progress(disable=True), 100) == DONE


def test_it_stops_when_nothing_moves_any_more() -> None:
    assert follow(looks([UNDER_WAY] * 100), Progress(disable=True), 100) == UNDER_WAY


def test_it_goes_on_while_a_plan_waits_for_its_start() -> None:
    waiting = Standing(False, 0, 0, 0, 0, 0, 0, 0)
    assert follow(looks([*[waiting] * 50, DONE]), Progress(disable=True), 100) == DONE


def test_it_stops_at_the_deadline_though_something_moves() -> None:
    moving = (replace(UNDER_WAY, settled=0, answered=number, letters=9) for number in range(1000))
    assert not follow(looks(moving), Progress(disable=True), 20).is_done


def test_a_service_that_is_away_for_a_while_is_waited_for() -> None:
    seen: list[Standing | CommandError] = [
        UNDER_WAY,
        UNDER_WAY,
        *[CommandError("billing does not answer")] * 20,
        UNDER_WAY,
        DONE,
    ]
    assert follow(looks(seen), Progress(disable=True), 100) == DONE


def test_a_service_that_stays_away_is_named() -> None:
    seen: list[Standing | CommandError] = [UNDER_WAY, *[CommandError("billing does not answer")] * 100]
    with pytest.raises(CommandError, match="billing does not answer"):
        follow(looks(seen), Progress(disable=True), 1000)


# ── What only a person can change ────────────────────────────────────────────────────────────────────────────────

HELD = replace(UNDER_WAY, planned=False, state="approval", hold="waits for approval")


def test_it_stops_when_only_a_person_can_let_it_go_on() -> None:
    assert follow(looks([HELD] * 100), Progress(disable=True), 1000) == HELD


def test_it_first_sees_through_what_was_decided_before_the_hold() -> None:
    moving = [replace(HELD, settled=number) for number in range(9)]
    assert follow(looks([*moving, *[moving[-1]] * 100]), Progress(disable=True), 1000) == moving[-1]


def test_it_goes_on_when_the_person_was_quick() -> None:
    assert follow(looks([HELD, HELD, UNDER_WAY, DONE]), Progress(disable=True), 1000) == DONE


def test_told_to_wait_it_waits_for_the_person() -> None:
    seen = [*[HELD] * 50, UNDER_WAY, DONE]
    assert follow(looks(seen), Progress(disable=True), 1000, wait=True) == DONE


def test_told_to_wait_it_still_has_a_deadline() -> None:
    assert follow(looks([HELD] * 500), Progress(disable=True), 100, wait=True) == HELD


# ── From what the services say ───────────────────────────────────────────────────────────────────────────────────

INCIDENT: dict[str, Any] = {
    "incident_id": "i1", "state": "done", "customers": 10, "revision": 2, "run": 1, "drill": True, "paused": False,
    "waits_for": None, "gate": None, "plan": None, "audit": {"entries": 7, "head": "h"},
}  # fmt: skip


def test_withdrawals_are_asked_for_and_answered_as_grants_are() -> None:
    seen = reckoned(
        INCIDENT,
        {"considered": 20, "entitled": 8, "remedies": 12, "withdrawals": 3},
        {"answers": 10, "applied": 11, "refused": 1, "withdrawals": 3},
        {"answers": 8, "reversals": 2, "letters": 9, "sent": 5, "suppressed": 4},
    )
    assert seen.is_done
    assert (seen.asked, seen.booked, seen.letters, seen.settled) == (15, 15, 9, 9)
    assert (seen.run, seen.drill, seen.entries) == ((2, 1), True, 7)


def test_an_incident_of_which_nothing_was_counted_yet_is_not_done() -> None:
    assert not reckoned(INCIDENT | {"state": "waiting", "customers": 0, "run": None}, {}, {}, {}).is_done
    assert reckoned(INCIDENT | {"customers": 0}, {}, {}, {}).is_done


def test_announcements_are_waited_for_where_the_policy_wants_them() -> None:
    early = {"announcements": 2, "letters": 2, "sent": 2}
    both = INCIDENT | {"customers": 0, "letters": ["announcement", "details"]}
    assert reckoned(INCIDENT | {"customers": 0}, {"entitled": 3}, {}, early).is_done
    assert not reckoned(both, {"entitled": 3}, {}, early).is_done
    heard = {"announcements": 3, "letters": 3, "sent": 3}
    assert reckoned(INCIDENT | {"customers": 0, "letters": ["announcement"]}, {"entitled": 3}, {}, heard).is_done


def test_a_hold_is_seen() -> None:
    seen = reckoned(INCIDENT | {"state": "paused", "paused": True}, {}, {}, {})
    assert seen.hold is not None
    assert "amends resume i1" in seen.hold
