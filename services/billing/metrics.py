"""Billing's own metrics: entries, reversals, redemptions; drills are counted apart, never together.

A batch that is rolled back and tried again is counted again; the books are exact, these are for watching.
"""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Iterable
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter

from schemas.events import StandsBecause
from services.billing.domain import Entry, Kind

Redemption = Literal["redeemed", "unknown", "void", "expired", "redeemed_before"]
_DRILL = {False: "false", True: "true"}


class BillingMetrics:
    """What this process has booked and redeemed since it started; every series is there from the start, at zero."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._entries = Counter(
            "amends_billing_entries", "Remedies booked", ["kind", "outcome", "drill"], registry=registry
        )
        self._reversals = Counter(
            "amends_billing_reversals",
            "Withdrawals booked; the reason is empty for what was taken back",
            ["outcome", "reason", "drill"],
            registry=registry,
        )
        self._redemptions = Counter(
            "amends_billing_redemptions", "Attempts to redeem a voucher", ["outcome"], registry=registry
        )
        for drill in _DRILL.values():
            for kind in get_args(Kind):
                for outcome in ("applied", "refused"):
                    self._entries.labels(kind, outcome, drill)
            self._reversals.labels("applied", "", drill)
            for reason in get_args(StandsBecause):
                self._reversals.labels("refused", reason, drill)
        for redemption in get_args(Redemption):
            self._redemptions.labels(redemption)

    def count(self, entries: Iterable[Entry]) -> None:
        """Count entries as they are booked."""
        given: Count[tuple[str, str, bool]] = Count()
        taken: Count[tuple[str, str, bool]] = Count()
        for entry in entries:
            if entry.reverses is None:
                given[entry.kind, entry.outcome, entry.drill] += 1
            else:
                taken[entry.outcome, entry.reason or "", entry.drill] += 1
        for (kind, outcome, drill), count in given.items():
            self._entries.labels(kind, outcome, _DRILL[drill]).inc(count)
        for (outcome, reason, drill), count in taken.items():
            self._reversals.labels(outcome, reason, _DRILL[drill]).inc(count)

    def redeemed(self, outcome: Redemption) -> None:
        """Count an attempt to redeem a voucher."""
        self._redemptions.labels(outcome).inc()
