"""The worked cases, one test each; they are in `cases/*.yaml`, for people who know billing and no Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from _pytest.mark import ParameterSet

from tests.life.casebook import Case, Play, cases
from tests.life.cluster import running
from tests.life.world import Ground

CASES = cases()


@pytest.fixture(scope="module")
def ground() -> Iterator[Ground]:
    """The databases."""
    with running() as databases:
        ground = Ground(databases)
        yield ground
        ground.close()


def _parameter(number: int, case: Case) -> ParameterSet:
    """A case; one that does not come out as it should `not yet` is known to fail, and must be told when it does."""
    marks = [pytest.mark.xfail(strict=True, reason=case["not yet"])] if "not yet" in case else []
    return pytest.param(number, case, id=f"{case['case']} {case['title']}", marks=marks)


@pytest.mark.parametrize(("number", "case"), [_parameter(number, case) for number, case in enumerate(CASES)])
def test_case(ground: Ground, number: int, case: Case) -> None:
    play = Play(ground, case, number)
    try:
        play.play()
    finally:
        play.life.world.end()


def test_every_rule_of_the_trade_has_a_case() -> None:
    assert {int(rule) for case in CASES for rule in str(case["rule"]).split(",")} == set(range(1, 21))


def test_there_are_at_least_sixty_cases_and_no_two_of_one_number() -> None:
    assert len({case["case"] for case in CASES}) == len(CASES) >= 60
