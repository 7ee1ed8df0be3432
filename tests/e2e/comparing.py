"""The topics' records as the values that the oracle speaks of: by customer, by contract, without ids."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Any

from tests.e2e.expected import Standing, in_order
from tests.e2e.outside import Record

_IDS = ("entry_id", "grant_id", "rule", "addon_id", "voucher_id", "credit_id", "code")


def without(data: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The object without these fields, and without those that are null."""
    return {name: value for name, value in data.items() if name not in names and value is not None}


def granted(records: Iterable[Record], incident_id: str) -> dict[str, list[dict[str, Any]]]:
    """An incident's remedies by customer, of all events about him."""
    return _by_customer(records, incident_id, "remedies")


def outcomes(records: Iterable[Record], incident_id: str) -> dict[str, list[dict[str, Any]]]:
    """An incident's outcomes by customer, of all events about him."""
    return _by_customer(records, incident_id, "outcomes")


def _by_customer(records: Iterable[Record], incident_id: str, items: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for record in once(records):
        if record.data["incident_id"] == incident_id:
            found[record.data["customer_id"]] += [without(item, _IDS) for item in record.data[items]]
    return {customer: in_order(told) for customer, told in found.items()}


def once(records: Iterable[Record]) -> list[Record]:
    """Each event once, however often it stands in the topic."""
    return list({record.event_id: record for record in records}.values())


def last_of_each(records: Iterable[Record]) -> dict[str, Any]:
    """The data of the last record of each key; of contracts it is also the one with the highest version."""
    last: dict[str, Any] = {}
    for record in records:
        before = last.get(record.key, {})
        assert record.data.get("version", 0) >= before.get("version", 0), f"{record.key} goes back"
        last[record.key] = record.data
    return last


def standings(records: Iterable[Record]) -> dict[str, Standing]:
    """How each contract stands by its last record."""
    return {
        key: Standing(
            _day(data.get("ends_on")),
            _day(data.get("terminated_on")),
            tuple(
                sorted(
                    (c["product"], _sure(c["starts_on"]), _sure(c["ends_on"])) for c in data.get("complimentary", ())
                )
            ),
        )
        for key, data in last_of_each(records).items()
    }


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _sure(text: str) -> date:
    return date.fromisoformat(text)
