"""Telling what was decided and what was published in one way, so that the two can be compared word for word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from services.entitlements import messages
from services.entitlements.cases import Case
from services.entitlements.domain import Decision
from services.runtime.envelope import Record
from tests.life.oracle import Told

_BY = ("entry_id", "addon_id")
_UNSAID = ("code", "merchant")
"""What the oracle leaves to the tests of vouchers: the secret, and where it can be spent."""


def as_told(case: Case, decision: Decision) -> list[Told]:
    """A decision as the events that are published of it."""
    voice = messages.voice(case.prepared, case.policy.letters)
    records = [
        *messages.withdrawals(voice, [decision]),
        *messages.entitlements(voice, [decision]),
        *messages.announcements(voice, [decision]),
    ]
    return [told(record) for record in records]


def told(record: Record) -> Told:
    """A record as its type, its key and what it says."""
    event_type = dict(record.headers)["ce_type"].decode()
    return event_type, (record.key or b"").decode(), orjson.loads(record.value) if record.value else {}


def same(actual: Iterable[Told], expected: Iterable[Told]) -> None:
    """The same events, in whatever order; the first difference is shown whole."""
    left, right = _in_order(actual), _in_order(expected)
    for one, other in zip(left, right, strict=False):
        assert one == other, f"told\n  {_json(one)}\nand should have been\n  {_json(other)}"
    assert len(left) == len(right), f"told\n  {_json(left)}\nand should have been\n  {_json(right)}"


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _in_order(events: Iterable[Told]) -> Sequence[Any]:
    plain = [(event_type, key, plainly(data)) for event_type, key, data in events]
    return sorted(plain, key=lambda event: orjson.dumps(event, option=orjson.OPT_SORT_KEYS))


def plainly(value: Any) -> Any:
    """The same without what says nothing: nulls, empty lists, the order of entries, the offset of an instant."""
    if isinstance(value, dict):
        unsaid = _UNSAID if "reverses" in value or "voucher_id" in value else ()
        value = {name: one for name, one in value.items() if name not in unsaid}
        return {name: plainly(one) for name, one in value.items() if one not in (None, [], ())}
    if isinstance(value, list | tuple):
        rows = [plainly(one) for one in value]
        for name in _BY:
            if rows and all(isinstance(row, dict) and name in row for row in rows):
                return sorted(rows, key=lambda row: str(row[name]))
        return rows
    if isinstance(value, str) and len(value) >= 16 and value[4:5] == "-" and value[10:11] == "T":
        return datetime.fromisoformat(value).astimezone(UTC).isoformat()
    return value
