"""Owed since when: a table of levels and books, and what follows for them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.entitlements.domain import PriorGrant
from services.entitlements.owed import Level, owed_since, settle


def entry(text: str) -> PriorGrant:
    """An entry written as "1:15" (revision 1, 15 days); "1:15 honoured", "1:15 taken back"."""
    what, _, became = text.partition(" ")
    stamp, quantity = what.split(":")
    return PriorGrant(
        "G", f"E{stamp}", "days", "K1", "give", int(stamp), Decimal(quantity), bool(became), became == "honoured"
    )


def follows(
    levels: list[int | None], books: list[str], retracted: bool = False, honour: bool = True
) -> tuple[list[int], list[str]]:
    """Stamps of the entries that are withdrawn, and what is granted, as "revision:quantity"."""
    owed: list[Level] = [None if level is None else Decimal(level) for level in levels]
    settled = settle(owed, [entry(text) for text in books], retracted=retracted, honour=honour)
    return [one.stamp for one in settled.withdrawn], [f"{stamp}:{quantity}" for stamp, quantity in settled.granted]


@pytest.mark.parametrize(
    ("levels", "since"),
    [
        ([15], [15]),
        ([0, 15], [0, 15]),
        ([15, 0], [0, 0]),
        ([15, 5, 10], [5, 5, 10]),
        ([None, 10, None, 5], [None, 5, None, 5]),
        ([None], [None]),
    ],
)
def test_owed_since_a_revision_is_the_least_that_it_and_the_later_ones_owe(
    levels: list[int | None], since: list[int | None]
) -> None:
    assert owed_since([None if level is None else Decimal(level) for level in levels]) == since


@pytest.mark.parametrize(
    ("levels", "books", "granted"),
    [
        ([15], [], ["1:15"]),
        ([15], ["1:15"], []),
        # amended: only the difference, by the revision that brought it
        ([10, 15], [], ["1:10", "2:5"]),
        ([10, 15], ["1:10"], ["2:5"]),
        ([10, 10, 15], [], ["1:10", "3:5"]),
        ([0, 15], [], ["2:15"]),
        # what was narrowed away before anybody was decided is never granted
        ([15, 0], [], []),
        ([15, 5], [], ["1:5"]),
        ([15, 0, 15], [], ["3:15"]),
        # what is not known yet is not granted, and does not hinder what is known
        ([None], [], []),
        ([None, 7], [], ["2:7"]),
        ([7, None], [], ["1:7"]),
        # a stamp is judged once: a fact that changed since adds nothing to it, a later revision does
        ([20], ["1:15"], []),
        ([20, 20], ["1:15"], ["2:5"]),
        # what is honoured counts as held: reopening does not grant it twice
        ([15, 0, 15], ["1:15 honoured"], []),
        ([15, 0, 20], ["1:15 honoured"], ["3:5"]),
        # what was taken back does not
        ([15, 0, 15], ["1:15 taken back"], ["3:15"]),
    ],
)
def test_each_revision_adds_what_is_missing_once(
    levels: list[int | None], books: list[str], granted: list[str]
) -> None:
    assert follows(levels, books) == ([], granted)


@pytest.mark.parametrize(
    ("levels", "books", "withdrawn", "granted_when_reversed"),
    [
        ([15, 0], ["1:15"], [1], []),
        ([10, 15, 0], ["1:10", "2:5"], [2, 1], []),
        ([10, 15, 10], ["1:10", "2:5"], [2], []),
        # whole entries only, and what that takes too much is given anew by the revision that took it
        ([10, 15, 12], ["1:10", "2:5"], [2], ["3:2"]),
        ([10, 15, 4], ["1:10", "2:5"], [2, 1], ["3:4"]),
        ([10, 10, 4], ["1:10"], [1], ["3:4"]),
        # an entry that its own revision does not owe more than the last one stands
        ([10, 5, 8, 6], ["1:5", "3:3"], [3], ["4:1"]),
        # a fact that changed withdraws nothing: its own revision owes no more today than the last
        ([0, 0], ["1:15"], [], []),
        ([5, 5], ["1:15"], [], []),
        # nor does an end that is not known any more
        ([15, None], ["1:15"], [], []),
        # what was withdrawn before is not withdrawn again
        ([15, 0, 0], ["1:15 honoured"], [], []),
        ([15, 0, 0], ["1:15 taken back"], [], []),
        ([10, 0, 15, 10], ["1:10 honoured", "3:5"], [3], []),
    ],
)
def test_a_narrower_revision_withdraws_what_it_does_not_owe_the_last_first(
    levels: list[int | None], books: list[str], withdrawn: list[int], granted_when_reversed: list[str]
) -> None:
    assert follows(levels, books, honour=False) == (withdrawn, granted_when_reversed)
    assert follows(levels, books, honour=True) == (withdrawn, [])


def test_a_retraction_withdraws_everything_whatever_the_facts_are_today() -> None:
    assert follows([0, 0, 0], ["1:10", "2:5"], retracted=True) == ([2, 1], [])


@pytest.mark.parametrize("became", ["honoured", "taken back"])
def test_a_retraction_withdraws_nothing_a_second_time(became: str) -> None:
    assert follows([10, 0, 0], [f"1:10 {became}", "2:5"], retracted=True) == ([2], [])
    assert follows([10, 0], [f"1:10 {became}"], retracted=True, honour=False) == ([], [])


def test_an_entry_of_a_revision_that_is_not_known_here_stands() -> None:
    """A run of an older revision that ends late finds what the newer one has written."""
    assert follows([10], ["1:10", "2:5"], honour=False) == ([], [])
