"""How much poison is too much: the table of the limit that halts a consumer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.errors import Halted
from services.runtime.quarantine import Limit

GOOD: list[str | None] = [None]
BAD: list[str | None] = ["broken"]
FAULTS = st.lists(st.sampled_from([None, "broken"]), max_size=60)


def follow(limit: Limit, *batches: list[str | None]) -> Limit:
    for batch in batches:
        limit = limit.after(batch)
    return limit


@pytest.mark.parametrize(
    "batches",
    [
        [BAD * 4],
        [BAD * 2, BAD * 2],
        [BAD * 4 + GOOD + BAD * 4],
        [BAD * 4, GOOD, BAD * 4],
        [BAD * 4, [], GOOD],
        [GOOD * 20],
        [[]],
    ],
)
def test_less_than_the_limit_in_a_row_passes(batches: list[list[str | None]]) -> None:
    follow(Limit(in_a_row=5, share=1.0, window=1_000), *batches)


@pytest.mark.parametrize(
    "batches", [[BAD * 5], [GOOD * 3 + BAD * 5 + GOOD * 3], [BAD * 2, BAD * 3], [GOOD, BAD * 4, [], BAD]]
)
def test_the_limit_in_a_row_halts_also_across_batches(batches: list[list[str | None]]) -> None:
    with pytest.raises(Halted, match="5 records in a row cannot be processed, the last: broken"):
        follow(Limit(in_a_row=5, share=1.0, window=1_000), *batches)


@pytest.mark.parametrize(
    "batches",
    [
        [(BAD + GOOD) * 4 + GOOD * 2],  # 4 of 10
        [BAD * 5 + GOOD * 4],  # 5 bad, but only 9 records so far
        [(BAD + GOOD) * 4 + GOOD * 2, GOOD * 8, (BAD + GOOD) * 2],  # the old ones have left the window
    ],
)
def test_less_than_the_share_of_the_window_passes(batches: list[list[str | None]]) -> None:
    follow(Limit(in_a_row=100, share=0.5, window=10), *batches)


@pytest.mark.parametrize(
    "batches",
    [
        [(BAD + GOOD) * 5],
        [(BAD + GOOD) * 2, (BAD + GOOD) * 3],
        [GOOD * 50, (GOOD + BAD) * 5],
        [BAD * 6, GOOD * 4],  # the window fills with a batch in which nothing is wrong
    ],
)
def test_the_share_of_a_full_window_halts(batches: list[list[str | None]]) -> None:
    with pytest.raises(Halted, match="of the last 10 records cannot be processed"):
        follow(Limit(in_a_row=100, share=0.5, window=10), *batches)


@given(FAULTS, FAULTS)
def test_how_a_flow_is_cut_into_batches_does_not_matter_to_what_is_remembered(
    first: list[str | None], second: list[str | None]
) -> None:
    limit = Limit(in_a_row=1_000, share=1.0, window=1_000)
    assert follow(limit, first, second) == follow(limit, first + second)


def test_a_batch_that_is_not_taken_over_is_not_counted() -> None:
    limit = Limit(in_a_row=5, share=1.0, window=1_000)
    for _ in range(3):
        limit.after(BAD * 4)  # rolled back, and read again
    assert limit.after(GOOD).run == 0
    assert limit == Limit(in_a_row=5, share=1.0, window=1_000)
