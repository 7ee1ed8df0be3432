"""The census: who is held by one service and not by the other, and how that is told. Pure.

Services answer with hashes of whole buckets of customers; the members are compared only where those differ.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NAMED_AT_MOST = 20

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
    return [Gap(f"{len(customers)} {what}", len(customers), tuple(sorted(customers)[:NAMED_AT_MOST]))]


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
    items: Mapping[str, int] = field(default_factory=dict)
    """How many items more the first service holds than the second, by customer, of those who are missing or unlike."""

    def __or__(self, other: Differences) -> Differences:
        return Differences(
            self.missing | other.missing,
            self.unexpected | other.unexpected,
            self.unlike | other.unlike,
            {**self.items, **other.items},
        )


def differences(left: Sequence[Mapping[str, Any]], right: Sequence[Mapping[str, Any]], *, items: bool) -> Differences:
    """Compare the members of two services' buckets, one by one."""
    there = {row["member"]: (row["items"], row["items_hash"]) for row in left}
    here = {row["member"]: (row["items"], row["items_hash"]) for row in right}
    both = there.keys() & here.keys()
    unlike = frozenset(member for member in both if there[member] != here[member]) if items else frozenset()
    missing = frozenset(there.keys() - here.keys())
    more = {member: there[member][0] - here.get(member, (0, ""))[0] for member in missing | unlike}
    return Differences(missing, frozenset(here.keys() - there.keys()), unlike, more)
