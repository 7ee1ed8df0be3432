"""The facts that a chunk was decided with: read as rows, turned into contracts, kept compressed to explain by.

What is kept is what was decided with, to the letter, so that an explanation next year says what was true then: the
contracts, and what other incidents had paid for the same hours. What the incident itself had given is in the books.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any

import cramjam
import orjson

from schemas.events import Interval, Scope
from services.entitlements.domain import Complimentary, Contract, Neighbour, OtherGrant

COLUMNS = (
    "contract_id", "customer_id", "family", "product", "site", "starts_on", "ends_on", "terminated_on", "monthly_fee",
    "currency", "addons", "attributes", "complimentary",
)  # fmt: skip
_CUSTOMER = COLUMNS.index("customer_id")


@dataclass(frozen=True, slots=True)
class Facts:
    """A chunk's contracts as rows of `COLUMNS`, and what the incidents beside had given its customers, if anything."""

    contracts: Sequence[Sequence[Any]]
    others: Mapping[str, Sequence[OtherGrant]] = field(default_factory=dict)
    neighbours: Sequence[Neighbour] = ()


@dataclass(frozen=True, slots=True)
class CustomerFacts:
    """One customer's share of kept facts, as JSON can tell it."""

    contracts: list[dict[str, Any]]
    others: list[dict[str, Any]] = field(default_factory=list)
    neighbours: list[dict[str, Any]] = field(default_factory=list)


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


def keep(facts: Facts) -> bytes:
    """Facts as bytes: zstd over JSON. Without an incident beside it they are the contracts alone."""
    rows: Any = [tuple(row) for row in facts.contracts]
    if facts.neighbours:
        rows = {
            "contracts": rows,
            "others": {name: [_values(grant) for grant in given] for name, given in facts.others.items()},
            "neighbours": [_neighbour(one) for one in facts.neighbours],
        }
    return bytes(cramjam.zstd.compress(orjson.dumps(rows, default=str), level=1))


def kept(facts: bytes, customer_id: str) -> CustomerFacts:
    """One customer's share of kept facts."""
    whole = orjson.loads(bytes(cramjam.zstd.decompress(facts)))
    rows = whole["contracts"] if isinstance(whole, dict) else whole
    contracts = [dict(zip(COLUMNS, row, strict=True)) for row in rows if row[_CUSTOMER] == customer_id]
    if not isinstance(whole, dict):
        return CustomerFacts(contracts)
    others = [dict(zip(_OTHER, grant, strict=True)) for grant in whole["others"].get(customer_id, [])]
    return CustomerFacts(contracts, others, whole["neighbours"])


def kept_contract(fact: Mapping[str, Any]) -> Contract:
    """A kept fact as the contract that it was."""
    row = [fact[name] for name in COLUMNS]
    row[5:8] = [day and _day(day) for day in row[5:8]]
    row[8] = None if row[8] is None else Decimal(row[8])
    return contract(row)


def kept_other(fact: Mapping[str, Any]) -> OtherGrant:
    """A kept fact as what another incident had given."""
    return OtherGrant(**{**fact, "quantity": Decimal(fact["quantity"])})


def kept_neighbour(fact: Mapping[str, Any]) -> Neighbour:
    """A kept fact as the incident beside."""
    intervals = [Interval.model_validate(interval, strict=False) for interval in fact["intervals"]]
    scope = fact["scope"] and Scope.model_validate(fact["scope"], strict=False)
    return Neighbour(fact["incident_id"], tuple(intervals), scope)


_OTHER = ("incident_id", "rule", "target", "choice", "quantity")


def _values(grant: OtherGrant) -> list[str]:
    return [str(getattr(grant, name)) for name in _OTHER]


def _neighbour(one: Neighbour) -> dict[str, Any]:
    return {
        "incident_id": one.incident_id,
        "intervals": [interval.model_dump(mode="json") for interval in one.intervals],
        "scope": one.scope and one.scope.model_dump(mode="json"),
    }


def _day(text: str) -> date:
    return date.fromisoformat(text)
