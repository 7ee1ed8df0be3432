"""Entitlements' own metrics: what was decided, by customers and remedies; drills are counted apart, never together."""

from __future__ import annotations

from collections import Counter as Count
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter

from services.entitlements.domain import Decision

_DRILL = {False: "false", True: "true"}
_KINDS = ("extension", "addon", "voucher", "credit")


class EntitlementsMetrics:
    """What has been decided by this process since it started."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._customers = Counter(
            "amends_entitlements_customers", "Customers decided", ["outcome", "drill"], registry=registry
        )
        self._remedies = Counter(
            "amends_entitlements_remedies", "Remedies granted", ["kind", "drill"], registry=registry
        )
        self._withdrawals = Counter(
            "amends_entitlements_withdrawals", "Remedies no longer owed", ["honoured", "drill"], registry=registry
        )
        for drill in _DRILL.values():
            for outcome in ("entitled", "excluded", "unchanged"):
                self._customers.labels(outcome, drill)
            for kind in _KINDS:
                self._remedies.labels(kind, drill)
            for honoured in _DRILL.values():
                self._withdrawals.labels(honoured, drill)

    def count(self, drill: bool, decisions: Sequence[Decision]) -> None:
        """Count decisions that are committed."""
        marked = _DRILL[drill]
        outcomes = Count(
            "entitled" if decision.grants else "excluded" if decision.exclusion else "unchanged"
            for decision in decisions
        )
        kinds = Count(grant.kind for decision in decisions for grant in decision.grants)
        honoured = Count(withdrawn.honoured for decision in decisions for withdrawn in decision.withdrawals)
        for outcome, count in outcomes.items():
            self._customers.labels(outcome, marked).inc(count)
        for kind, count in kinds.items():
            self._remedies.labels(kind, marked).inc(count)
        for stands, count in honoured.items():
            self._withdrawals.labels(_DRILL[stands], marked).inc(count)
