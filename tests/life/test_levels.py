"""What follows from the levels of the revisions: once and for all, whatever the order in which they were run.

The real `settle` on levels by chance, without policies and contracts: the smallest cases of the deepest rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.entitlements.domain import PriorGrant
from services.entitlements.owed import Level, settle

quantities = st.sampled_from([Decimal(n) for n in (0, 2, 5, 7, 9, 10)])
levels = st.lists(st.one_of(st.none(), quantities, quantities), min_size=1, max_size=6)


def run(so_far: Sequence[Level], entries: list[PriorGrant], honour: bool) -> list[PriorGrant]:
    """The entries after a run of the last of these revisions."""
    settled = settle(so_far, entries, retracted=False, honour=honour)
    gone = {entry.entry_id for entry in settled.withdrawn}
    after = [replace(e, withdrawn=True, honoured=honour) if e.entry_id in gone else e for e in entries]
    return after + [PriorGrant("g", f"e{s}", "r", "t", "give", s, quantity) for s, quantity in settled.granted]


def led(all_levels: Sequence[Level], run_at: set[int], honour: bool) -> list[PriorGrant]:
    """The entries after the revisions were run at some of their numbers, and at the last in any case."""
    entries: list[PriorGrant] = []
    for number in range(1, len(all_levels) + 1):
        if number in run_at or number == len(all_levels):
            entries = run(all_levels[:number], entries, honour)
    return entries


@given(levels, st.sets(st.integers(1, 6)), st.booleans())
@example([Decimal(9), Decimal(5), Decimal(10), Decimal(7)], {3}, True)
@settings(max_examples=2_000, deadline=None)
def test_a_run_again_changes_nothing(all_levels: list[Level], run_at: set[int], honour: bool) -> None:
    once = led(all_levels, run_at, honour)
    assert run(all_levels, once, honour) == once


@given(levels, st.sets(st.integers(1, 6)), st.booleans())
@settings(max_examples=2_000, deadline=None)
def test_what_grows_leads_to_the_same_entries_however_it_is_run(
    all_levels: list[Level], run_at: set[int], honour: bool
) -> None:
    least = Decimal(0)
    growing: list[Level] = []
    for level in all_levels:
        least = least if level is None else max(least, level)
        growing.append(None if level is None else least)
    assert led(growing, run_at, honour) == led(growing, set(), honour)


@given(levels, st.sets(st.integers(1, 6)))
@settings(max_examples=2_000, deadline=None)
def test_where_it_is_reversed_he_has_what_the_last_revision_owes(all_levels: list[Level], run_at: set[int]) -> None:
    last = all_levels[-1]
    if last is not None:
        entries = led(all_levels, run_at, honour=False)
        assert sum((entry.quantity for entry in entries if not entry.withdrawn), Decimal(0)) == last


@given(levels, st.sets(st.integers(1, 6)))
@settings(max_examples=2_000, deadline=None)
def test_where_it_is_honoured_nothing_is_ever_taken_back_and_nothing_given_twice(
    all_levels: list[Level], run_at: set[int]
) -> None:
    entries = led(all_levels, run_at, honour=True)
    has = sum((entry.quantity for entry in entries), Decimal(0))
    assert has <= max((level for level in all_levels if level is not None), default=Decimal(0))
    assert all(entry.honoured for entry in entries if entry.withdrawn)
