"""Closing the books of an incident: pure, from what each service says of it.

Customers considered = entitled + excluded; entitled = adjusted + quarantined; remedies granted = applied + refused;
withdrawals asked for = reversals applied + refused; customers adjusted = details letters settled, whichever way, and
entitled = announcements, where the policy wants them. What does not add up is a gap, and the customers in it are named.
A record that is set aside is quarantined and a gap; one that somebody dropped is still quarantined, and an answer.
Leaves to `census` the comparison of who is held by whom.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.cli.census import NAMED_AT_MOST, Differences, Gap, gap
from services.cli.hold import hold

STATUSES = ("sent", "failed", "in_doubt", "suppressed", "no_address", "pending")
DETAILS = ("details",)
Told = Mapping[str, Any]
Letters = Mapping[str, Mapping[str, int]]


def close(
    incident: Told,
    entitlements: Told,
    billing: Told,
    notifications: Told,
    granted_applied: Differences,
    adjusted_told: Differences,
    now: datetime,
) -> dict[str, Any]:
    """The books as `amends reconcile --output json` prints them; `now` is for what a person can still approve."""
    waiting, dropped = frozenset(billing["quarantined"]), frozenset(billing.get("dropped", ()))
    quarantined = granted_applied.missing & (waiting | dropped)
    not_taken_in = frozenset(notifications.get("dropped", ()))
    wanted = tuple(incident.get("letters", DETAILS))
    letters = {
        kind: {status: notifications["letters"].get(kind, {}).get(status, 0) for status in STATUSES}
        for kind in sorted({*wanted, *notifications["letters"]})
    }
    reversals = _reversals(entitlements, billing)
    gaps = [
        *_under_way(incident, entitlements, billing, letters, notifications["without_profile"], now),
        *_held_apart(granted_applied, waiting, dropped),
        *_letter_gaps(adjusted_told, frozenset(notifications["quarantined"]), not_taken_in),
        *[Gap(f"billing's ledger does not add up: {problem}") for problem in billing["unsound"]],
        *_customers(entitlements, billing, letters, wanted, quarantined, adjusted_told.missing & not_taken_in),
        *_remedies(entitlements, billing, reversals, _unanswered(granted_applied, dropped)),
    ]
    return {
        "incident_id": incident["incident_id"],
        "revision": incident["revision"],
        "drill": bool(incident.get("drill")),
        "state": incident["state"],
        "customers": {
            "considered": entitlements["considered"],
            "entitled": entitlements["entitled"],
            "excluded": entitlements["excluded"],
            "adjusted": billing["customers"],
            "quarantined": len(quarantined),
        },
        "remedies": {
            "granted": entitlements["remedies"],
            "applied": billing["applied"],
            "refused": billing["refused"],
            # The three above are what other programs rely on; this one is told where there is something to tell.
            **({"substituted": billing["substituted"]} if billing.get("substituted") else {}),
        },
        "reversals": reversals,
        "letters": letters,
        "liability": billing["liability"],
        "days_granted": entitlements["days"],
        "days_applied": billing["days"],
        "exclusions": entitlements["exclusions"],
        "refusals": billing["refusals"],
        "closed": not gaps,
        "gaps": [str(one) for one in gaps],
    }


def _under_way(
    incident: Told, entitlements: Told, billing: Told, letters: Letters, without_profile: Sequence[str], now: datetime
) -> list[Gap]:
    """What is not finished yet, and what it waits for if only a person can let it go on."""
    found = _unfinished(incident, entitlements, billing) + _unsettled(letters, without_profile)
    waits = hold(incident, now) if found else None
    return found + ([Gap(f"the incident {waits}")] if waits else [])


def _held_apart(granted_applied: Differences, waiting: frozenset[str], dropped: frozenset[str]) -> list[Gap]:
    """Whom entitlements and billing do not hold alike; whoever's record was dropped has his answer."""
    missing, unlike = granted_applied.missing - dropped, granted_applied.unlike - dropped
    return [
        *gap("customers are entitled and quarantined in billing", missing & waiting),
        *gap("customers are entitled and not adjusted", missing - waiting),
        *gap("customers are adjusted and were not entitled", granted_applied.unexpected),
        *gap("customers are adjusted, and more of theirs is quarantined in billing", unlike & waiting),
        *gap("customers have other remedies in billing than they were granted", unlike - waiting),
    ]


def _reversals(entitlements: Told, billing: Told) -> dict[str, Any]:
    """What was withdrawn, what of it billing took back, and what stands, with the reasons."""
    answered = billing.get("reversals", {"applied": 0, "refused": {}})
    stands = answered["refused"]
    return {
        "asked": entitlements.get("withdrawals", 0),
        "applied": answered["applied"],
        "refused": sum(stands.values()),
        "stands": stands,
    }


def _unfinished(incident: Told, entitlements: Told, billing: Told) -> list[Gap]:
    """What is still to be decided, and what billing cannot take back yet."""
    found = []
    if incident["state"] != "done":
        chunks = entitlements["open_chunks"]
        found.append(Gap(f"the plan is not done: {incident['state']}, {chunks} chunks are open"))
    held = billing.get("held", 0)
    if held:
        found.append(Gap(f"{held} withdrawals wait in billing for what they withdraw", held))
    return found


def _unsettled(letters: Letters, without_profile: Sequence[str]) -> list[Gap]:
    """Letters that are still under way."""
    found = []
    if without_profile:
        named = tuple(without_profile[:NAMED_AT_MOST])
        found.append(Gap("letters wait for the profile of their customers", len(without_profile), named))
    pending = sum(states["pending"] for states in letters.values())
    if pending:
        found.append(Gap(f"{pending} letters are not settled yet", pending))
    return found


def _letter_gaps(adjusted_told: Differences, waiting: frozenset[str], dropped: frozenset[str]) -> list[Gap]:
    missing = adjusted_told.missing - dropped
    return [
        *gap("customers are adjusted and quarantined in notifications", missing & waiting),
        *gap("customers are adjusted and have no letter", missing - waiting),
        *gap("customers have a letter and were not adjusted", adjusted_told.unexpected),
    ]


def _customers(
    entitlements: Told,
    billing: Told,
    letters: Letters,
    wanted: Sequence[str],
    quarantined: frozenset[str],
    untold: frozenset[str],
) -> list[Gap]:
    """The equations of the books, as sums; the comparison of ids names who is behind a difference.

    `untold`: customers whose answer was dropped in notifications, so that no letter was written.
    """
    entitled, adjusted = entitlements["entitled"], billing["customers"]
    equations = [
        ("customers considered", entitlements["considered"], entitled + entitlements["excluded"]),
        ("customers entitled", entitled, adjusted + len(quarantined)),
    ]
    if "details" in wanted:
        equations.append(("customers adjusted", adjusted, sum(letters["details"].values()) + len(untold)))
    if "announcement" in wanted:
        equations.append(("customers announced to", entitled, sum(letters["announcement"].values())))
    return _unequal(equations)


def _remedies(entitlements: Told, billing: Told, reversals: Told, unanswered: int) -> list[Gap]:
    """Everything that was granted or withdrawn has its answer from billing, or from whoever dropped it."""
    granted, answered = entitlements["remedies"], billing["applied"] + billing["refused"]
    asked, taken = reversals["asked"], reversals["applied"] + reversals["refused"]
    if unanswered:  # of a record that nobody could read, nobody knows what was in it
        return _unequal([("remedies granted and withdrawn", granted + asked, answered + taken + unanswered)])
    return _unequal([("remedies granted", granted, answered), ("withdrawals asked for", asked, taken)])


def _unanswered(granted_applied: Differences, dropped: frozenset[str]) -> int:
    """How many remedies and withdrawals were in the records that somebody dropped."""
    return sum(more for customer, more in granted_applied.items.items() if customer in dropped)


def _unequal(equations: Sequence[tuple[str, int, int]]) -> list[Gap]:
    return [Gap(f"{name}: {left}, and it should be {right}") for name, left, right in equations if left != right]
