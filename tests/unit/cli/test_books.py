"""Closing the books: every equation broken once, and the gap that tells it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from services.cli import books
from services.cli.books import close
from services.cli.census import Differences

INCIDENT: dict[str, Any] = {
    "incident_id": "i1", "revision": 1, "state": "done", "customers": 5, "drill": False, "letters": ["details"],
    "paused": False, "waits_for": None, "gate": None, "plan": None,
}  # fmt: skip
ENTITLEMENTS: dict[str, Any] = {
    "considered": 5, "entitled": 3, "excluded": 2, "exclusions": {"ended_before": 2}, "remedies": 7, "days": 30,
    "open_chunks": 0, "withdrawals": 0,
}  # fmt: skip
BILLING: dict[str, Any] = {
    "customers": 3, "applied": 6, "refused": 1, "days": 15, "refusals": {"expired": 1}, "liability": {"EUR": "15.00"},
    "unsound": [], "quarantined": [], "substituted": 0, "reversals": {"applied": 0, "refused": {}},
}  # fmt: skip
NOTIFICATIONS: dict[str, Any] = {
    "customers": 3, "letters": {"details": {"sent": 2, "no_address": 1}}, "without_profile": [], "quarantined": [],
}  # fmt: skip
NONE = Differences()
NOW = datetime(2026, 1, 1, tzinfo=UTC)


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
    return close(incident, entitlements, billing, notifications, granted_applied, adjusted_told, NOW)


def test_books_that_add_up_close() -> None:
    assert closed() == {
        "incident_id": "i1",
        "revision": 1,
        "drill": False,
        "state": "done",
        "customers": {"considered": 5, "entitled": 3, "excluded": 2, "adjusted": 3, "quarantined": 0},
        "remedies": {"granted": 7, "applied": 6, "refused": 1},
        "reversals": {"asked": 0, "applied": 0, "refused": 0, "stands": {}},
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


def test_a_dropped_record_is_quarantined_and_the_books_close_over_it() -> None:
    books = closed(
        Differences(missing=frozenset({"C1"}), unlike=frozenset({"C2"}), items={"C1": 2, "C2": 1}),
        billing={"dropped": ["C1", "C2"], "customers": 2, "applied": 4, "refused": 0},
        notifications={"letters": {"details": {"sent": 2}}},
    )
    assert (books["customers"]["adjusted"], books["customers"]["quarantined"]) == (2, 1)
    assert (books["gaps"], books["closed"]) == ([], True)


def test_what_is_missing_beyond_a_dropped_record_is_a_gap_all_the_same() -> None:
    books = closed(
        Differences(missing=frozenset({"C1"}), items={"C1": 2}),
        billing={"dropped": ["C1"], "customers": 2, "applied": 3, "refused": 0},
        notifications={"letters": {"details": {"sent": 2}}},
    )
    assert books["gaps"] == ["remedies granted and withdrawn: 7, and it should be 5"]


def test_an_answer_that_was_dropped_in_notifications_needs_no_letter() -> None:
    books = closed(
        adjusted_told=Differences(missing=frozenset({"C2"})),
        notifications={"dropped": ["C2"], "letters": {"details": {"sent": 2}}},
    )
    assert (books["gaps"], books["closed"]) == ([], True)


def test_who_lacks_a_profile_is_named() -> None:
    letters = {"letters": {"details": {"sent": 2, "pending": 1}}, "without_profile": ["C7"]}
    assert closed(notifications=letters)["gaps"] == [
        "letters wait for the profile of their customers: C7",
        "1 letters are not settled yet",
    ]


def test_the_statuses_are_those_that_a_letter_can_end_in_and_pending() -> None:
    assert books.STATUSES == ("sent", "failed", "in_doubt", "suppressed", "no_address", "pending")


# ── The life of an incident ──────────────────────────────────────────────────────────────────────────────────────


def test_withdrawals_are_taken_back_or_stand_with_a_reason() -> None:
    told = closed(
        entitlements={"withdrawals": 5},
        billing={"reversals": {"applied": 2, "refused": {"honoured": 2, "redeemed": 1}}},
    )
    assert told["closed"]
    assert told["reversals"] == {"asked": 5, "applied": 2, "refused": 3, "stands": {"honoured": 2, "redeemed": 1}}


@pytest.mark.parametrize(
    ("asked", "answered", "gaps"),
    [
        (5, {"applied": 2, "refused": {"honoured": 2}}, ["withdrawals asked for: 5, and it should be 4"]),
        (0, {"applied": 1, "refused": {}}, ["withdrawals asked for: 0, and it should be 1"]),
    ],
)
def test_a_withdrawal_without_its_answer_is_a_gap(asked: int, answered: dict[str, Any], gaps: list[str]) -> None:
    assert closed(entitlements={"withdrawals": asked}, billing={"reversals": answered})["gaps"] == gaps


def test_a_substitute_is_beside_what_was_applied_and_refused() -> None:
    told = closed(billing={"substituted": 1})
    assert told["closed"]
    assert told["remedies"] == {"granted": 7, "applied": 6, "refused": 1, "substituted": 1}


@pytest.mark.parametrize(
    ("wanted", "letters", "gaps"),
    [
        (["announcement", "details"], {"announcement": {"sent": 3}, "details": {"sent": 3}}, []),
        (["announcement"], {"announcement": {"sent": 3}}, []),
        (["announcement"], {"announcement": {"sent": 2}}, ["customers announced to: 3, and it should be 2"]),
        (["announcement", "details"], {"announcement": {"sent": 3}}, ["customers adjusted: 3, and it should be 0"]),
        (["announcement"], {}, ["customers announced to: 3, and it should be 0"]),
        (["details"], {"details": {"sent": 3}, "correction": {"sent": 9}}, []),
    ],
)
def test_each_kind_of_letter_that_the_policy_wants_is_counted(
    wanted: list[str], letters: dict[str, Any], gaps: list[str]
) -> None:
    told = closed(incident={"letters": wanted}, notifications={"letters": letters})
    assert told["gaps"] == gaps
    assert told["letters"].keys() == {*wanted, *letters}


def test_a_drill_is_marked() -> None:
    assert closed(incident={"drill": True})["drill"] is True


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"state": "held", "waits_for": 2}, "the incident waits for revision 2"),
        ({"state": "paused", "paused": True}, "the incident is paused: `amends resume i1 --as NAME`"),
        (
            {
                "state": "approval", "gate": "start", "reason": "much", "declared_by": ["anna"],
                "plan": {"hash": "ab" * 32, "forecast": None, "expires_at": None},
            },
            f"the incident waits for approval: much\nplan {'ab' * 32}\namends approve i1 --plan",
        ),
    ],
    ids=["held", "paused", "approval"],
)  # fmt: skip
def test_what_waits_for_a_person_says_for_what(changed: dict[str, Any], words: str) -> None:
    first, second = closed(incident=changed)["gaps"]
    assert first == f"the plan is not done: {changed['state']}, 0 chunks are open"
    assert second.startswith(words)


def test_letters_that_wait_because_of_a_pause_say_so_though_the_plan_is_done() -> None:
    told = closed(incident={"paused": True}, notifications={"letters": {"details": {"sent": 2, "pending": 1}}})
    assert told["gaps"] == [
        "1 letters are not settled yet",
        "the incident is paused: `amends resume i1 --as NAME` lets it go on",
    ]
    assert closed(incident={"paused": True})["closed"]


def test_a_withdrawal_that_waits_in_billing_is_said() -> None:
    told = closed(entitlements={"withdrawals": 1}, billing={"held": 1})
    assert told["gaps"] == [
        "1 withdrawals wait in billing for what they withdraw",
        "withdrawals asked for: 1, and it should be 0",
    ]
