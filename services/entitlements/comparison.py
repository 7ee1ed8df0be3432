"""The same customers under two policies: who gains, who loses, and what it costs. Pure.

What a customer gets is compared by days, by money in each currency and by add-ons: whoever has more of something and
less of nothing gains; whoever has more of one and less of another is mixed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from services.entitlements.domain import Decision
from services.entitlements.money import told

_NAMED_AT_MOST = 5
_Worth = dict[str, Decimal]


class Comparison:
    """Adds up what two policies make of the same customers."""

    def __init__(self, a: str, b: str) -> None:
        self._names = {"a": a, "b": b}
        self._totals: dict[str, _Worth] = {"a": {}, "b": {}}
        self._counts: Counter[str] = Counter()
        self._samples: dict[str, list[dict[str, Any]]] = {"gain": [], "lose": [], "mixed": []}

    def add(self, under_a: Iterable[Decision], under_b: Iterable[Decision]) -> None:
        """Compare customers, decided in the same order under both."""
        for a, b in zip(under_a, under_b, strict=True):
            before, after = worth(a), worth(b)
            for name, one in (("a", before), ("b", after)):
                for unit, amount in one.items():
                    self._totals[name][unit] = self._totals[name].get(unit, Decimal(0)) + amount
            verdict = compared(before, after)
            self._counts[verdict] += 1
            if verdict != "same" and len(self._samples[verdict]) < _NAMED_AT_MOST:
                self._samples[verdict].append({"customer_id": a.customer_id, "a": _shown(before), "b": _shown(after)})

    def told(self) -> dict[str, Any]:
        """The result, as JSON can tell it."""
        counts = {name: self._counts[name] for name in ("gain", "lose", "mixed", "same")}
        return {
            **self._names,
            "customers": sum(counts.values()),
            **counts,
            "days": {name: int(total.get("days", 0)) for name, total in self._totals.items()},
            "addons": {name: int(total.get("addons", 0)) for name, total in self._totals.items()},
            "money": {name: told(_money(total)) for name, total in self._totals.items()},
            "samples": self._samples,
        }


def worth(decision: Decision) -> _Worth:
    """What a decision gives, by unit: `days`, `addons`, and each currency."""
    found: _Worth = {}
    for grant in decision.grants:
        if grant.kind == "extension":
            unit, amount = "days", Decimal(grant.days or 0)
        elif grant.kind == "addon":
            unit, amount = "addons", Decimal(1)
        else:
            unit, amount = grant.currency or "", grant.amount or Decimal(0)
        found[unit] = found.get(unit, Decimal(0)) + amount
    return found


def compared(before: _Worth, after: _Worth) -> str:
    """`gain`, `lose`, `mixed` or `same`: what a customer makes of the change from one to the other."""
    changes = [after.get(unit, Decimal(0)) - before.get(unit, Decimal(0)) for unit in before.keys() | after.keys()]
    more, less = any(change > 0 for change in changes), any(change < 0 for change in changes)
    if more and less:
        return "mixed"
    return "gain" if more else "lose" if less else "same"


def _money(total: _Worth) -> dict[str, Decimal]:
    return {unit: amount for unit, amount in total.items() if unit not in ("days", "addons")}


def _shown(one: _Worth) -> dict[str, str]:
    return {unit: str(amount) for unit, amount in sorted(one.items())}
