"""Words for what every command says: money, counts by reason, an instant, a drill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

DRILL = "DRILL: nothing of this touches a contract, money or a mailbox"


def money(amounts: Mapping[str, str]) -> str:
    """Amounts by currency: `5.00 EUR, 1200 JPY`, or `nothing`."""
    return ", ".join(f"{amount} {currency}" for currency, amount in sorted(amounts.items())) or "nothing"


def reasons(counts: Mapping[str, int]) -> str:
    """Counts by reason: `2 expired, 1 open ended`."""
    return ", ".join(f"{count:,} {plain(reason)}" for reason, count in sorted(counts.items()))


def plain(code: str) -> str:
    """A code as words: `not in scope`."""
    return code.replace("_", " ")


def marked(title: str, drill: bool) -> str:
    """A title that says so when it is a drill's."""
    return f"{title} ({DRILL})" if drill else title


def worth(totals: Mapping[str, Any]) -> str:
    """What remedies come to: `30 days, 5.00 EUR`."""
    told = [f"{totals['days']:,} days"] if totals.get("days") else []
    told += [money(totals["money"])] if totals.get("money") else []
    return ", ".join(told) or "nothing"


def listed(names: Iterable[str]) -> str:
    """Names in a sentence: `a`, `a and b`, `a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
