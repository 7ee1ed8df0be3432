"""What entitlements reads and writes on Kafka: records to declarations and contracts, decisions to records.

The bytes' shapes are in `schemas`; this file only fills them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from schemas.events import (
    ContractChanged,
    IncidentAmended,
    IncidentDeclared,
    IncidentResolved,
    IncidentRetracted,
)
from schemas.ids import event_id
from schemas.progress import reports
from schemas.values import plain
from services.entitlements.domain import Decision, Grant, Terms
from services.runtime.envelope import Decoder, Encoder, Record

SOURCE = "urn:amends:entitlements"
INCIDENTS = Decoder(
    {
        "incident.declared.v1": IncidentDeclared,
        "incident.amended.v1": IncidentAmended,
        "incident.resolved.v1": IncidentResolved,
        "incident.retracted.v1": IncidentRetracted,
    }
)
CONTRACTS = Decoder({"contract.changed.v1": ContractChanged}, tombstones=True)
_ENTITLEMENT = Encoder("entitlement.granted.v1", SOURCE)
_PROGRESS = Encoder("progress.reported.v1", SOURCE)


def entitlements(incident: IncidentDeclared, time_zone: str, decisions: Iterable[Decision]) -> list[Record]:
    """One `entitlement.granted.v1` per customer who is owed something now; `time_zone` is the policy's."""
    shared = {
        "incident_id": incident.incident_id,
        "revision": incident.revision,
        "policy": incident.policy,
        "declared_at": incident.declared_at.isoformat(),
        "time_zone": time_zone,
    }
    return _ENTITLEMENT.records(
        (
            decision.customer_id,
            event_id("entitlement", *[grant.entry_id for grant in decision.grants]),
            {
                **shared,
                "customer_id": decision.customer_id,
                "remedies": [_remedy(grant) for grant in decision.grants],
            },
        )
        for decision in decisions
        if decision.grants
    )


def _remedy(grant: Grant) -> dict[str, Any]:
    told = {"entry_id": grant.entry_id, "grant_id": grant.grant_id, **_terms(grant.terms)}
    if grant.contract_id is not None:
        told["contract_id"] = grant.contract_id
        told["product"] = grant.product
    return told


@lru_cache(maxsize=1024)
def _terms(terms: Terms) -> Mapping[str, Any]:
    """What all grants of the same terms have in common."""
    told: dict[str, Any] = {"rule": terms.rule, "kind": terms.kind}
    if terms.kind == "extension":
        told["days"] = terms.days
    elif terms.kind == "addon":
        told["ends_on"] = terms.ends_on
    elif terms.amount is not None and terms.currency is not None:
        told["amount"] = {"amount": plain(terms.amount, terms.currency), "currency": terms.currency}
        if terms.kind == "voucher":
            told |= {
                "merchant": terms.merchant,
                "handling_covered": terms.handling_covered,
                "valid_until": terms.valid_until,
            }
            if terms.shipping_cap is not None:
                told["shipping_cap"] = {"amount": plain(terms.shipping_cap, terms.currency), "currency": terms.currency}
    return told


def progress(totals: Mapping[tuple[str, str], Mapping[str, int]]) -> list[Record]:
    """`progress.reported.v1` for (incident, lane) pairs with their running totals."""
    return _PROGRESS.records(reports("entitlements", totals))
