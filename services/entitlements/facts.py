"""The facts that a chunk was decided with: read as rows, turned into contracts, kept compressed to explain by.

What is kept is what was decided with, to the letter, so that an explanation next year says what was true then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

import cramjam
import orjson

from services.entitlements.domain import Complimentary, Contract

COLUMNS = (
    "contract_id", "customer_id", "family", "product", "site", "starts_on", "ends_on", "terminated_on", "monthly_fee",
    "currency", "addons", "attributes", "complimentary",
)  # fmt: skip
_CUSTOMER = COLUMNS.index("customer_id")


def by_customer(rows: Iterable[Sequence[Any]]) -> dict[str, list[Contract]]:
    """Rows of `COLUMNS`, in the customers' order, as contracts by customer."""
    return {
        customer: [contract(row) for row in share] for customer, share in groupby(rows, key=lambda row: row[_CUSTOMER])
    }


def contract(row: Sequence[Any]) -> Contract:
    """One row as a contract."""
    *known, addons, attributes, given = row
    complimentary = tuple(Complimentary(product, _day(starts), _day(ends)) for product, starts, ends in given)
    return Contract(*known, tuple(addons), attributes, complimentary)  # type: ignore[call-arg]  # ten are known


def keep(rows: Sequence[Sequence[Any]]) -> bytes:
    """Rows as bytes: zstd over JSON."""
    plain = orjson.dumps([tuple(row) for row in rows], default=str)
    return bytes(cramjam.zstd.compress(plain, level=1))


def kept(facts: bytes, customer_id: str) -> list[dict[str, Any]]:
    """One customer's rows out of kept facts, as plain objects by column."""
    rows = orjson.loads(bytes(cramjam.zstd.decompress(facts)))
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows if row[_CUSTOMER] == customer_id]


def kept_contract(fact: dict[str, Any]) -> Contract:
    """A kept fact as the contract that it was."""
    row = [fact[name] for name in COLUMNS]
    row[5:8] = [day and _day(day) for day in row[5:8]]
    row[8] = None if row[8] is None else Decimal(row[8])
    return contract(row)


def _day(text: str) -> date:
    return date.fromisoformat(text)
