"""What entitlements reads and writes on Kafka: records to declarations, orders and contracts, decisions to records.

The bytes' shapes are in `schemas`; this file only fills them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from schemas.events import (
    ContractChanged,
    IncidentApproved,
    IncidentPaused,
    IncidentResumed,
)
from schemas.ids import event_id
from schemas.progress import reports
from schemas.statements import REVISIONS
from schemas.values import plain
from services.entitlements.domain import Decision, Grant, SubstituteGrant, Terms
from services.entitlements.policy import Policy
from services.entitlements.prepared import Prepared
from services.entitlements.store import Run
from services.runtime.envelope import Decoder, Encoder, Record

SOURCE = "urn:amends:entitlements"
INCIDENTS = Decoder(
    {
        **REVISIONS,
        "incident.approved.v1": IncidentApproved,
        "incident.paused.v1": IncidentPaused,
        "incident.resumed.v1": IncidentResumed,
    }
)
CONTRACTS = Decoder({"contract.changed.v1": ContractChanged}, tombstones=True)
_ENTITLEMENT = Encoder("entitlement.granted.v1", SOURCE)
_WITHDRAWN = Encoder("entitlement.withdrawn.v1", SOURCE)
_ANNOUNCEMENT = Encoder("announcement.requested.v1", SOURCE)
_POLICY = Encoder("policy.published.v1", SOURCE)
_PROGRESS = Encoder("progress.reported.v1", SOURCE)
_RUN = Encoder("run.reported.v1", SOURCE)

DETAILS_ONLY = ("details",)


@dataclass(frozen=True, slots=True)
class Voice:
    """What all events of one revision of an incident have in common.

    `declared` is when the revisions before it were declared, by number: what is owed since one of them is judged by
    its own "now", whenever it was decided.
    """

    shared: Mapping[str, Any]
    letters: tuple[str, ...]
    declared: Mapping[int, str]


def voice(prepared: Prepared, letters: tuple[str, ...]) -> Voice:
    """What the events of a case have in common; what is as always is left out."""
    shared: dict[str, Any] = {
        "incident_id": prepared.incident_id,
        "revision": prepared.revision,
        "policy": prepared.policy,
        "declared_at": prepared.declared_at.isoformat(),
        "time_zone": prepared.time_zone,
    }
    if prepared.drill:
        shared["drill"] = True
    if letters != DETAILS_ONLY:
        shared["letters"] = letters
    declared = {one.number: one.declared_at.isoformat() for one in prepared.revisions[:-1]}
    return Voice(shared, letters, declared)


def entitlements(voice: Voice, decisions: Iterable[Decision]) -> list[Record]:
    """One `entitlement.granted.v1` per customer who is owed something now."""
    return _ENTITLEMENT.records(
        (
            decision.customer_id,
            event_id("entitlement", *[grant.entry_id for grant in decision.grants]),
            granted(voice, decision),
        )
        for decision in decisions
        if decision.grants
    )


def granted(voice: Voice, decision: Decision) -> dict[str, Any]:
    """The data of a customer's `entitlement.granted.v1`."""
    return {
        **voice.shared,
        "customer_id": decision.customer_id,
        "remedies": [_remedy(grant, voice.declared) for grant in decision.grants],
    }


def withdrawals(voice: Voice, decisions: Iterable[Decision]) -> list[Record]:
    """One `entitlement.withdrawn.v1` per customer who is no longer owed something."""
    return _WITHDRAWN.records(
        (
            decision.customer_id,
            event_id("withdrawal", *[withdrawn.entry_id for withdrawn in decision.withdrawals]),
            {
                **voice.shared,
                "customer_id": decision.customer_id,
                "withdrawals": [
                    {
                        "entry_id": withdrawn.entry_id,
                        "grant_id": withdrawn.grant_id,
                        "rule": withdrawn.rule,
                        "kind": withdrawn.kind,
                        "withdraws": withdrawn.withdraws,
                        "honoured": withdrawn.honoured,
                    }
                    for withdrawn in decision.withdrawals
                ],
            },
        )
        for decision in decisions
        if decision.withdrawals
    )


def announcements(voice: Voice, decisions: Iterable[Decision]) -> list[Record]:
    """One `announcement.requested.v1` per customer who is owed something now, if the policy wants them told at once."""
    if "announcement" not in voice.letters:
        return []
    shared = {
        name: value for name, value in voice.shared.items() if name not in ("declared_at", "time_zone", "letters")
    }
    return _ANNOUNCEMENT.records(
        (
            decision.customer_id,
            event_id("announcement", *[grant.entry_id for grant in decision.grants]),
            {
                **shared,
                "customer_id": decision.customer_id,
                "remedies": [_remedy(grant, {}) for grant in decision.grants],
            },
        )
        for decision in decisions
        if decision.grants
    )


def _remedy(grant: Grant, declared: Mapping[int, str]) -> dict[str, Any]:
    told = {"entry_id": grant.entry_id, "grant_id": grant.grant_id, **_terms(grant.terms)}
    if grant.contract_id is not None:
        told["contract_id"] = grant.contract_id
        told["product"] = grant.product
        if declared and (then := declared.get(grant.terms.stamp)):
            told["declared_at"] = then
    if grant.substitutes:
        told["substitutes"] = [_substitute(substitute) for substitute in grant.substitutes]
    return told


def _substitute(substitute: SubstituteGrant) -> dict[str, Any]:
    remedy = {"entry_id": substitute.entry_id, "grant_id": substitute.grant_id, **_terms(substitute.terms)}
    return {"reasons": substitute.reasons, "remedy": remedy}


@lru_cache(maxsize=16_384)  # a share of the fee makes terms for each fee
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


def policy_published(policy: Policy) -> list[Record]:
    """`policy.published.v1`."""
    data = {
        "policy": policy.key,
        "title": policy.title,
        "time_zone": policy.time_zone,
        "letters": policy.letters,
        "texts": policy.texts,
    }
    return _POLICY.records([(policy.key, event_id("policy", policy.key, policy.digest), data)])


def progress(totals: Mapping[tuple[str, str], Mapping[str, int]], drills: Collection[str] = ()) -> list[Record]:
    """`progress.reported.v1` for (incident, lane) pairs with their running totals; `drills` are incidents that are."""
    return _PROGRESS.records(reports("entitlements", totals, drills))


def run_reported(
    run: Run, number: int, state: str, *, plan: str | None = None, reason: str | None = None, drill: bool = False
) -> list[Record]:
    """`run.reported.v1`; `number` is that of the audit entry that tells the same."""
    data: dict[str, Any] = {
        "incident_id": run.incident_id,
        "revision": run.revision,
        "run": run.run,
        "state": state,
        "plan": plan,
        "reason": reason,
    }
    if drill:
        data["drill"] = True
    return _RUN.records([(run.incident_id, event_id("run", run.incident_id, str(number), state), data)])
