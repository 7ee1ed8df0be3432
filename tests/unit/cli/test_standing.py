"""How far an incident has come, and for how long `watch` looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from rich.progress import Progress

from services.cli.errors import CommandError
from services.cli.watch import Standing, follow

DONE = Standing(planned=True, customers=10, considered=10, entitled=8, answered=8, taken_in=8, letters=8, settled=8)
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
        {"entitled": 9},
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
