"""Comparing two services: which buckets differ, who is behind it, and how that is told."""

from __future__ import annotations

from typing import Any

import pytest

from services.cli.census import Differences, Gap, differences, differing, gap


def test_a_gap_names_twenty_and_counts_the_rest() -> None:
    (told,) = gap("customers are missing", [f"C{number:02}" for number in range(23, 0, -1)])
    assert str(told) == f"23 customers are missing: {', '.join(f'C{n:02}' for n in range(1, 21))} and 3 more"
    assert str(Gap("nothing to name")) == "nothing to name"
    assert gap("customers are missing", []) == []


def bucket(number: int, members: int = 1, members_hash: str = "a", items: int = 2, items_hash: str = "x") -> Any:
    return {
        "bucket": number, "members": members, "members_hash": members_hash, "items": items, "items_hash": items_hash,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("right", "items", "found"),
    [
        ([bucket(1), bucket(2)], True, []),
        ([bucket(2), bucket(1)], True, []),
        ([bucket(1)], True, [2]),
        ([bucket(1), bucket(2), bucket(3)], True, [3]),
        ([bucket(1, members=2), bucket(2)], True, [1]),
        ([bucket(1), bucket(2, members_hash="b")], False, [2]),
        ([bucket(1), bucket(2, items_hash="y")], True, [2]),
        ([bucket(1), bucket(2, items=3)], True, [2]),
        ([bucket(1), bucket(2, items=3, items_hash="y")], False, []),
    ],
)
def test_buckets_differ_in_members_and_where_it_matters_in_items(
    right: list[Any], items: bool, found: list[int]
) -> None:
    assert differing([bucket(1), bucket(2)], right, items=items) == found


def test_members_are_missing_unexpected_or_unlike() -> None:
    left = [{"member": name, "items": 1, "items_hash": name} for name in ("a", "b", "c")]
    right = [{"member": "b", "items": 1, "items_hash": "b"}, {"member": "c", "items": 2, "items_hash": "c"}]
    right.append({"member": "d", "items": 1, "items_hash": "d"})
    found = differences(left, right, items=True)
    assert found == Differences(frozenset("a"), frozenset("d"), frozenset("c"), {"a": 1, "c": -1})
    assert differences(left, right, items=False).unlike == frozenset()
