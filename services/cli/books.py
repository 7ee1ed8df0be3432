"""Closing the books of an incident: pure, from what each service says of it.

Customers considered = entitled + excluded; entitled = adjusted + quarantined; remedies granted = applied + refused;
customers adjusted = letters settled, whichever way. What does not add up is a gap, and the customers in it are named.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_NAMED_AT_MOST = 20
STATUSES = ("sent", "failed", "in_doubt", "suppressed", "no_address", "pending")

Bucket = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that does not add up: what, how many, and some of the customers that it is about."""

    what: str
    count: int = 1
    customers: tuple[str, ...] = ()

    def __str__(self) -> str:
        if not self.customers:
            return self.what
        more = f" and {self.count - len(self.customers)} more" if self.count > len(self.customers) else ""
        return f"{self.what}: {', '.join(self.customers)}{more}"


def gap(what: str, customers: Collection[str]) -> list[Gap]:
    """A gap about these customers; none when there are none."""
    if not customers:
        return []
    return [Gap(f"{len(customers)} {what}", len(customers), tuple(sorted(customers)[:_NAMED_AT_MOST]))]


def differing(left: Sequence[Bucket], right: Sequence[Bucket], *, items: bool) -> list[int]:
    """The buckets in which two services do not hold the same members (and items, where both have them)."""
    names = ("members", "members_hash", "items", "items_hash") if items else ("members", "members_hash")
    there = {bucket["bucket"]: [bucket[name] for name in names] for bucket in left}
    here = {bucket["bucket"]: [bucket[name] for name in names] for bucket in right}
    return sorted(number for number in there.keys() | here.keys() if there.get(number) != here.get(number))


@dataclass(frozen=True, slots=True)
class Differences:
    """The customers whom two services do not hold alike: missing further on, unknown before, different in items."""

    missing: frozenset[str] = frozenset()
    unexpected: frozenset[str] = frozenset()
    unlike: frozenset[str] = frozenset()


def differences(left: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]], *, items: bool) -> Differences:
    """Compare the members of two services' buckets, one by one."""
    there = {row["member"]: (row["items"], row["items_hash"]) for row in left}
    here = {row["member"]: (row["items"], row["items_hash"]) for row in right}
    both = there.keys() & here.keys()
    unlike = frozenset(member for member in both if there[member] != here[member]) if items else frozenset()
    return Differences(frozenset(there.keys() - here.keys()), frozenset(here.keys() - there.keys()), unlike)


def close(
    incident: Mapping[str, Any],
    entitlements: Mapping[str, Any],
    billing: Mapping[str, Any],
    notifications: Mapping[str, Any],
    granted_applied: Differences,
    adjusted_told: Differences,
) -> dict[str, Any]:
    """The books as `amends reconcile --output json` prints them."""
    quarantined = granted_applied.missing & frozenset(billing["quarantined"])
    letters = {
        kind: {status: states.get(status, 0) for status in STATUSES}
        for kind, states in sorted(notifications["letters"].items())
    } or {"details": dict.fromkeys(STATUSES, 0)}
    gaps = [
        *_unfinished(incident, entitlements, letters, notifications["without_profile"]),
        *gap("customers are entitled and quarantined in billing", quarantined),
        *gap("customers are entitled and not adjusted", granted_applied.missing - quarantined),
        *gap("customers are adjusted and were not entitled", granted_applied.unexpected),
        *gap("customers have other remedies in billing than they were granted", granted_applied.unlike),
        *_letter_gaps(adjusted_told, frozenset(notifications["quarantined"])),
        *[Gap(f"billing's ledger does not add up: {problem}") for problem in billing["unsound"]],
        *_sums(entitlements, billing, letters, len(quarantined)),
    ]
    return {
        "incident_id": incident["incident_id"],
        "revision": incident["revision"],
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
        },
        "letters": letters,
        "liability": billing["liability"],
        "days_granted": entitlements["days"],
        "days_applied": billing["days"],
        "exclusions": entitlements["exclusions"],
        "refusals": billing["refusals"],
        "closed": not gaps,
        "gaps": [str(one) for one in gaps],
    }


def _unfinished(
    incident: Mapping[str, Any],
    entitlements: Mapping[str, Any],
    letters: Mapping[str, Mapping[str, int]],
    without_profile: Sequence[str],
) -> list[Gap]:
    """What is still under way."""
    pending = sum(states["pending"] for states in letters.values())
    found = []
    if incident["state"] != "done":
        found.append(Gap(f"the plan is not done: {incident['state']}, {entitlements['open_chunks']} chunks are open"))
    if without_profile:
        named = tuple(without_profile[:_NAMED_AT_MOST])
        found.append(Gap("letters wait for the profile of their customers", len(without_profile), named))
    if pending:
        found.append(Gap(f"{pending} letters are not settled yet", pending))
    return found


def _letter_gaps(adjusted_told: Differences, quarantined: frozenset[str]) -> list[Gap]:
    set_aside = adjusted_told.missing & quarantined
    return [
        *gap("customers are adjusted and quarantined in notifications", set_aside),
        *gap("customers are adjusted and have no letter", adjusted_told.missing - set_aside),
        *gap("customers have a letter and were not adjusted", adjusted_told.unexpected),
    ]


def _sums(
    entitlements: Mapping[str, Any],
    billing: Mapping[str, Any],
    letters: Mapping[str, Mapping[str, int]],
    quarantined: int,
) -> list[Gap]:
    """The equations of the books, as sums; the comparison of ids names who is behind a difference."""
    details = sum(letters.get("details", {}).values())
    equations = [
        ("customers considered", entitlements["considered"], entitlements["entitled"] + entitlements["excluded"]),
        ("customers entitled", entitlements["entitled"], billing["customers"] + quarantined),
        ("remedies granted", entitlements["remedies"], billing["applied"] + billing["refused"]),
        ("customers adjusted", billing["customers"], details),
    ]
    return [Gap(f"{name}: {left}, and it should be {right}") for name, left, right in equations if left != right]
