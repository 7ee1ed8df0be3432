"""The worked cases, one test each; they are in `cases/*.yaml`, for people who know billing and no Python."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

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


@pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=[f"{c['case']} {c['title']}" for c in CASES])
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
