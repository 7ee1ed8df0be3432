"""Owed since when: which entries follow from what each revision owes and from what is in the books already.

What is owed *since* a revision is the least that it and the later ones owe. Each revision adds what is missing to
that, once; so a widening incident leads to the same entries, however its revisions arrived and were run, and what was
narrowed away before anybody was decided is never granted. A narrower revision withdraws whole entries, the last first.
Leaves to `decide` what a revision owes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.entitlements.domain import ZERO, PriorGrant

Level = Decimal | None
"""What is owed under one revision: days, money or 1; None while it is not known, since the end is not."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What follows for one target of one rule: entries to withdraw, the last first, and (stamp, quantity) to grant."""

    withdrawn: tuple[PriorGrant, ...]
    granted: tuple[tuple[int, Decimal], ...]


_NOTHING = Settled((), ())


def held(entries: Sequence[PriorGrant]) -> Decimal:
    """How much the customer has: what was not taken back, honoured entries included."""
    return sum((entry.quantity for entry in entries if entry.held), ZERO)


def settle(levels: Sequence[Level], entries: Sequence[PriorGrant], *, retracted: bool, honour: bool) -> Settled:
    """What is owed now beyond `entries`, and what of them is owed no longer.

    `levels` are what the revisions 1, 2, … owe on today's facts, so that a fact that changed withdraws nothing;
    `retracted` says that the last one takes the incident back, which does. Honoured entries still count as held.
    """
    if not entries and len(levels) == 1:  # the common case
        return Settled((), ((1, levels[0]),)) if levels[0] else _NOTHING
    withdrawn = _no_longer_owed(levels, entries, retracted) if entries else ()
    has = held(entries)
    first = 0
    if withdrawn and not honour:
        has -= sum(entry.quantity for entry in withdrawn)
        first = len(levels) - 1  # what the reversal took too much of is given anew, by the revision that reversed
    stamps = {entry.stamp for entry in entries}
    granted: list[tuple[int, Decimal]] = []
    since = owed_since(levels)
    for index in range(first, len(levels)):
        owed = since[index]
        if owed is not None and owed > has and index + 1 not in stamps:
            granted.append((index + 1, owed - has))
            has = owed
    return Settled(withdrawn, tuple(granted))


def owed_since(levels: Sequence[Level]) -> list[Level]:
    """For each revision the least that it and the later ones owe; None where what it owes is not known."""
    since: list[Level] = [None] * len(levels)
    least: Level = None
    for index in range(len(levels) - 1, -1, -1):
        owed = levels[index]
        if owed is not None:
            least = since[index] = owed if least is None else min(least, owed)
    return since


def _no_longer_owed(levels: Sequence[Level], entries: Sequence[PriorGrant], retracted: bool) -> tuple[PriorGrant, ...]:
    now = levels[-1]
    if not retracted and now is None:
        return ()
    level = held(entries)
    withdrawn: list[PriorGrant] = []
    for entry in sorted(entries, key=_last_first):
        if entry.withdrawn:
            level -= entry.quantity if entry.honoured else ZERO  # it was brought down before, and need not be again
            continue
        if not retracted:
            then = levels[entry.stamp - 1] if entry.stamp <= len(levels) else None
            if then is None or now is None or then <= now or level <= now:
                continue
        withdrawn.append(entry)
        level -= entry.quantity
    return tuple(withdrawn)


def _last_first(entry: PriorGrant) -> tuple[int, str]:
    return -entry.stamp, entry.entry_id
