"""Closing the books: every equation broken once, and the gap that tells it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from services.cli import books
from services.cli.books import Differences, Gap, close, differences, differing, gap

INCIDENT: dict[str, Any] = {"incident_id": "i1", "revision": 1, "state": "done", "customers": 5}
ENTITLEMENTS: dict[str, Any] = {
    "considered": 5, "entitled": 3, "excluded": 2, "exclusions": {"ended_before": 2}, "remedies": 7, "days": 30,
    "open_chunks": 0,
}  # fmt: skip
BILLING: dict[str, Any] = {
    "customers": 3, "applied": 6, "refused": 1, "days": 15, "refusals": {"expired": 1}, "liability": {"EUR": "15.00"},
    "unsound": [], "quarantined": [],
}  # fmt: skip
NOTIFICATIONS: dict[str, Any] = {
    "customers": 3, "letters": {"details": {"sent": 2, "no_address": 1}}, "without_profile": [], "quarantined": [],
}  # fmt: skip
NONE = Differences()


def closed(
    granted_applied: Differences = NONE, adjusted_told: Differences = NONE, **changed: dict[str, Any]
) -> dict[str, Any]:
    """The books with some answers changed: `billing={"applied": 5}`."""
    answers = {
        "incident": INCIDENT, "entitlements": ENTITLEMENTS, "billing": BILLING, "notifications": NOTIFICATIONS,
    }  # fmt: skip
    incident, entitlements, billing, notifications = (
        copy.deepcopy(answer) | changed.get(name, {}) for name, answer in answers.items()
    )
    return close(incident, entitlements, billing, notifications, granted_applied, adjusted_told)


def test_books_that_add_up_close() -> None:
    assert closed() == {
        "incident_id": "i1",
        "revision": 1,
        "customers": {"considered": 5, "entitled": 3, "excluded": 2, "adjusted": 3, "quarantined": 0},
        "remedies": {"granted": 7, "applied": 6, "refused": 1},
        "letters": {"details": {"sent": 2, "failed": 0, "in_doubt": 0, "suppressed": 0, "no_address": 1, "pending": 0}},
        "liability": {"EUR": "15.00"},
        "days_granted": 30,
        "days_applied": 15,
        "exclusions": {"ended_before": 2},
        "refusals": {"expired": 1},
        "closed": True,
        "gaps": [],
    }


@pytest.mark.parametrize("status", ["failed", "in_doubt", "suppressed", "no_address"])
def test_a_letter_that_came_to_its_end_in_any_way_closes_the_books(status: str) -> None:
    assert closed(notifications={"letters": {"details": {"sent": 2, status: 1}}})["closed"]


def test_a_correction_is_beside_the_count_of_customers() -> None:
    letters = {"details": {"sent": 3}, "correction": {"sent": 1}}
    books = closed(notifications={"letters": letters})
    assert books["closed"]
    assert books["letters"]["correction"]["sent"] == 1


def test_an_incident_that_entitles_nobody_closes() -> None:
    nobody = {"entitled": 0, "excluded": 5, "remedies": 0, "days": 0}
    books = closed(
        entitlements=nobody,
        billing={"customers": 0, "applied": 0, "refused": 0},
        notifications={"letters": {}, "customers": 0},
    )
    assert books["closed"]
    assert books["letters"] == {"details": dict.fromkeys(books["letters"]["details"], 0)}


@pytest.mark.parametrize(
    ("changed", "gaps"),
    [
        ({"entitlements": {"considered": 6}}, ["customers considered: 6, and it should be 5"]),
        ({"entitlements": {"entitled": 4, "excluded": 1}}, ["customers entitled: 4, and it should be 3"]),
        ({"billing": {"applied": 5}}, ["remedies granted: 7, and it should be 6"]),
        ({"billing": {"refused": 2}}, ["remedies granted: 7, and it should be 8"]),
        (
            {"notifications": {"letters": {"details": {"sent": 2}}}},
            ["customers adjusted: 3, and it should be 2"],
        ),
        (
            {"notifications": {"letters": {"details": {"sent": 2, "no_address": 2}}}},
            ["customers adjusted: 3, and it should be 4"],
        ),
        (
            {"incident": {"state": "running"}, "entitlements": {"open_chunks": 2}},
            ["the plan is not done: running, 2 chunks are open"],
        ),
        (
            {"notifications": {"letters": {"details": {"sent": 2, "pending": 1}}}},
            ["1 letters are not settled yet"],
        ),
        (
            {"notifications": {"letters": {"details": {"sent": 3}, "correction": {"pending": 2}}}},
            ["2 letters are not settled yet"],
        ),
        (
            {"billing": {"unsound": ["contract K1: extended by 30 days, its ledger says 15"]}},
            ["billing's ledger does not add up: contract K1: extended by 30 days, its ledger says 15"],
        ),
    ],
)
def test_what_does_not_add_up_is_a_gap(changed: Any, gaps: list[str]) -> None:
    books = closed(NONE, NONE, **changed)
    assert not books["closed"]
    assert books["gaps"] == gaps


@pytest.mark.parametrize(
    ("granted_applied", "adjusted_told", "gap"),
    [
        (Differences(missing=frozenset({"C2", "C1"})), NONE, "2 customers are entitled and not adjusted: C1, C2"),
        (Differences(unexpected=frozenset({"C9"})), NONE, "1 customers are adjusted and were not entitled: C9"),
        (
            Differences(unlike=frozenset({"C3"})),
            NONE,
            "1 customers have other remedies in billing than they were granted: C3",
        ),
        (NONE, Differences(missing=frozenset({"C4"})), "1 customers are adjusted and have no letter: C4"),
        (NONE, Differences(unexpected=frozenset({"C5"})), "1 customers have a letter and were not adjusted: C5"),
    ],
)
def test_a_gap_between_two_services_names_its_customers_though_the_sums_agree(
    granted_applied: Differences, adjusted_told: Differences, gap: str
) -> None:
    books = closed(granted_applied, adjusted_told)
    assert not books["closed"]
    assert books["gaps"] == [gap]


def test_a_customer_in_billings_quarantine_is_counted_and_named_apart() -> None:
    books = closed(
        Differences(missing=frozenset({"C1", "C2"})),
        entitlements={"entitled": 4, "excluded": 1},
        billing={"quarantined": ["C1", "C8"]},
    )
    assert books["customers"]["quarantined"] == 1
    assert books["gaps"] == [
        "1 customers are entitled and quarantined in billing: C1",
        "1 customers are entitled and not adjusted: C2",
    ]


def test_a_customer_in_the_quarantine_of_notifications_is_named_apart() -> None:
    books = closed(
        adjusted_told=Differences(missing=frozenset({"C1", "C2"})),
        notifications={"quarantined": ["C2"], "letters": {"details": {"sent": 1}}},
    )
    assert books["gaps"] == [
        "1 customers are adjusted and quarantined in notifications: C2",
        "1 customers are adjusted and have no letter: C1",
        "customers adjusted: 3, and it should be 1",
    ]


def test_who_lacks_a_profile_is_named() -> None:
    letters = {"letters": {"details": {"sent": 2, "pending": 1}}, "without_profile": ["C7"]}
    assert closed(notifications=letters)["gaps"] == [
        "letters wait for the profile of their customers: C7",
        "1 letters are not settled yet",
    ]


def test_a_gap_names_twenty_and_counts_the_rest() -> None:
    (told,) = gap("customers are missing", [f"C{number:02}" for number in range(23, 0, -1)])
    assert str(told) == f"23 customers are missing: {', '.join(f'C{n:02}' for n in range(1, 21))} and 3 more"
    assert str(Gap("nothing to name")) == "nothing to name"
    assert gap("customers are missing", []) == []


# ── Comparing two services ───────────────────────────────────────────────────────────────────────────────────────


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
    assert found == Differences(frozenset("a"), frozenset("d"), frozenset("c"))
    assert differences(left, right, items=False).unlike == frozenset()


def test_the_statuses_are_those_that_a_letter_can_end_in_and_pending() -> None:
    assert books.STATUSES == ("sent", "failed", "in_doubt", "suppressed", "no_address", "pending")
