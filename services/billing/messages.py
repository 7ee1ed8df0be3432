"""What billing reads and writes on Kafka: records to typed events, entries and contracts to records.

The bytes' shapes are in `schemas`; this file only fills them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from schemas.events import EntitlementGranted, EntitlementWithdrawn
from schemas.ids import event_id
from schemas.progress import reports
from schemas.values import plain
from services.billing.batch import Answer
from services.billing.domain import Addon, Contract, Entry, Voucher
from services.runtime.envelope import Decoder, Encoder, Record

SOURCE = "urn:amends:billing"
ENTITLEMENTS = Decoder({"entitlement.granted.v1": EntitlementGranted, "entitlement.withdrawn.v1": EntitlementWithdrawn})
_ADJUSTMENT = Encoder("adjustment.applied.v1", SOURCE)
_REVERSAL = Encoder("adjustment.reversed.v1", SOURCE)
_CONTRACT = Encoder("contract.changed.v1", SOURCE)
_PROGRESS = Encoder("progress.reported.v1", SOURCE)


def adjustments(answers: Iterable[Answer]) -> list[Record]:
    """One `adjustment.applied.v1` per customer, from his entries."""
    return _ADJUSTMENT.records(
        (
            answer.entries[0].customer_id,
            event_id("adjustment", *[entry.entry_id for entry in answer.entries]),
            adjustment(answer.entries, answer.letters),
        )
        for answer in answers
    )


def adjustment(entries: Sequence[Entry], letters: Sequence[str] | None = None) -> dict[str, Any]:
    """The data of an `adjustment.applied.v1`, from one customer's entries."""
    return _answer(entries, letters) | {"outcomes": [outcome(entry) for entry in entries]}


def reversals(answers: Iterable[Answer]) -> list[Record]:
    """One `adjustment.reversed.v1` per customer, from the entries for what he is no longer owed."""
    return _REVERSAL.records(
        (
            answer.entries[0].customer_id,
            event_id("reversal", *[entry.entry_id for entry in answer.entries]),
            _answer(answer.entries, answer.letters) | {"reversals": [reversal(entry) for entry in answer.entries]},
        )
        for answer in answers
    )


def _answer(entries: Sequence[Entry], letters: Sequence[str] | None) -> dict[str, Any]:
    first = entries[0]
    told: dict[str, Any] = {
        "incident_id": first.incident_id,
        "revision": first.revision,
        "customer_id": first.customer_id,
    }
    if first.drill:
        told["drill"] = True
    if letters is not None:
        told["letters"] = letters
    return told


def outcome(entry: Entry) -> dict[str, Any]:
    """An entry as an outcome of `adjustment.applied.v1`."""
    told: dict[str, Any] = {
        "entry_id": entry.entry_id,
        "grant_id": entry.grant_id,
        "kind": entry.kind,
        "outcome": entry.outcome,
    }
    if entry.reason is not None:
        told["reason"] = entry.reason
    if entry.substitutes is not None:
        told["substitutes"] = entry.substitutes
    if entry.contract_id is not None:
        told["contract_id"] = entry.contract_id
        told["product"] = entry.product
    issued = entry.issued
    if isinstance(issued, Voucher):
        told["voucher_id"] = issued.voucher_id
        told["code"] = issued.code
        told["valid_until"] = issued.valid_until
        told["amount"] = money(issued.amount, issued.currency)
        told["merchant"] = issued.merchant
        if issued.shipping_cap is not None:
            told["shipping_cap"] = money(issued.shipping_cap, issued.currency)
        told["handling_covered"] = issued.handling_covered
    elif isinstance(issued, Addon):
        told["addon_id"] = issued.addon_id
        told["ends_on"] = issued.ends_on
    elif entry.kind == "extension" and entry.reason is None:
        told["ends_on"] = {"before": entry.ends_on_before, "after": entry.ends_on_after}
    elif entry.kind == "credit":
        told["credit_id"] = entry.entry_id
        told["amount"] = entry.amount is not None and money(entry.amount, entry.currency or "")
    return told


def reversal(entry: Entry) -> dict[str, Any]:
    """An entry as a reversal of `adjustment.reversed.v1`: what was taken back, or what stands."""
    told: dict[str, Any] = {
        "entry_id": entry.entry_id,
        "grant_id": entry.grant_id,
        "kind": entry.kind,
        "reverses": entry.reverses,
        "outcome": entry.outcome,
    }
    if entry.reason is not None:
        told["reason"] = entry.reason
    if entry.contract_id is not None:
        told["contract_id"] = entry.contract_id
        told["product"] = entry.product
    if entry.days is not None:
        told["days"] = -entry.days
    if entry.ends_on_after is not None:
        told["ends_on"] = {"before": entry.ends_on_before, "after": entry.ends_on_after}
    if entry.amount is not None:
        told["amount"] = money(-entry.amount, entry.currency or "")
    target = entry.target
    if target is not None and target.merchant is not None:
        told["merchant"] = target.merchant
        if target.code is not None:
            told["code"] = target.code
    return told


def contracts(changed: Iterable[Contract]) -> list[Record]:
    """One `contract.changed.v1` per contract, as it stands after the change."""
    return _CONTRACT.records(
        (
            contract.contract_id,
            event_id("contract", contract.contract_id, str(contract.version)),
            _contract(contract),
        )
        for contract in changed
    )


def _contract(contract: Contract) -> dict[str, Any]:
    fee = contract.monthly_fee
    told: dict[str, Any] = {
        "contract_id": contract.contract_id,
        "customer_id": contract.customer_id,
        "family": contract.family,
        "product": contract.product,
        "site": contract.site,
        "starts_on": contract.starts_on,
        "ends_on": contract.ends_on,
        "terminated_on": contract.terminated_on,
        "monthly_fee": None if fee is None else money(fee, contract.currency or ""),
        "addons": contract.addons,
        "attributes": contract.attributes,
        "version": contract.version,
    }
    if contract.complimentary:
        told["complimentary"] = [
            {"addon_id": a.addon_id, "product": a.product, "starts_on": a.starts_on, "ends_on": a.ends_on}
            for a in sorted(contract.complimentary)  # one telling of a version is like another, to the byte
        ]
    return told


def progress(totals: Mapping[tuple[str, str], Mapping[str, int]], drills: Collection[str] = ()) -> list[Record]:
    """`progress.reported.v1` for (incident, lane) pairs with their running totals; `drills` are marked."""
    return _PROGRESS.records(reports("billing", totals, drills))


def money(amount: Decimal, currency: str) -> dict[str, str]:
    """Money as it stands on the wire, with the currency's own number of decimals."""
    return {"amount": plain(amount, currency), "currency": currency}
