"""The events that the services exchange, one model per type and version.

A field is never removed or retyped within a version; unknown fields are ignored when reading. The JSON Schemas in
`schemas/json` are made from these models, and `make test` compares both with what was committed before.
"""

from __future__ import annotations

from datetime import date
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, model_validator

from schemas.values import NO_NUL, Identifier, Money, Text, Value

# ── amends.incidents.v1 ──────────────────────────────────────────────────────────────────────────────────────────


class Impact(Value):
    """The half-open window [starts_at, ends_at) in which the promise was broken; no end while it lasts."""

    starts_at: AwareDatetime
    ends_at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Impact:
        if self.ends_at is not None and self.ends_at <= self.starts_at:
            raise ValueError(
                f"ends_at {self.ends_at.isoformat()} is not after starts_at {self.starts_at.isoformat()}: "
                "write an end after the start, or null while it lasts"
            )
        return self


class Scope(Value):
    """Which contracts the incident could have hit: everyone's, or those that match every list that is given."""

    everyone: bool = False
    sites: tuple[Identifier, ...] = ()
    families: tuple[Identifier, ...] = ()
    contract_ids: tuple[Identifier, ...] = ()

    @model_validator(mode="after")
    def _names_someone(self) -> Scope:
        lists = bool(self.sites or self.families or self.contract_ids)
        if self.everyone == lists:
            raise ValueError('a scope is either {"everyone": true} or at least one of sites, families, contract_ids')
        return self


PolicyName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*@[1-9][0-9]*$", max_length=120)]
Revision = Annotated[int, Field(ge=1, le=1_000_000)]


class IncidentDeclared(Value):
    """A promise was broken: when, for whom, and which policy says what is owed."""

    incident_id: Identifier
    revision: Revision
    title: Annotated[str, Field(min_length=1, max_length=300, pattern=NO_NUL)]
    drill: bool
    impact: Impact
    scope: Scope
    policy: PolicyName
    declared_by: Identifier
    declared_at: AwareDatetime


class IncidentAmended(IncidentDeclared):
    """A later statement of the same incident, whole, with a higher revision."""


class IncidentResolved(Value):
    """The impact is over: its end is known."""

    incident_id: Identifier
    revision: Revision
    ends_at: AwareDatetime
    declared_by: Identifier
    declared_at: AwareDatetime


class IncidentRetracted(Value):
    """The incident is taken back."""

    incident_id: Identifier
    revision: Revision
    reason: Text
    declared_by: Identifier
    declared_at: AwareDatetime


# ── amends.customers.v1, amends.contracts.v1 ─────────────────────────────────────────────────────────────────────


class CustomerChanged(Value):
    """A customer as the CRM knows him: the columns of customers.csv."""

    customer_id: Identifier
    name: Annotated[str, Field(max_length=1000, pattern=NO_NUL)] | None = None
    email: Annotated[str, Field(max_length=1000, pattern=NO_NUL)] | None = None
    locale: Annotated[str, Field(max_length=35, pattern=NO_NUL)] | None = None


class ComplimentaryAddon(Value):
    """An add-on given as a remedy; it ends by itself on `ends_on` and never renews at a price."""

    addon_id: Identifier
    product: Identifier
    starts_on: date
    ends_on: date


class ContractChanged(Value):
    """A contract as billing knows it: the columns of contracts.csv, and what remedies have added to it."""

    contract_id: Identifier
    customer_id: Identifier
    family: Identifier
    product: Identifier
    site: Identifier | None = None
    starts_on: date
    ends_on: date | None = None
    terminated_on: date | None = None
    monthly_fee: Money | None = None
    addons: tuple[Identifier, ...] = ()
    attributes: dict[str, Any] = Field(default_factory=dict)
    complimentary: tuple[ComplimentaryAddon, ...] = ()
    version: Annotated[int, Field(ge=0)] = 0
    """Counts billing's changes of this contract: of two events the higher is the later, whatever their order."""


# ── amends.entitlements.v1 ───────────────────────────────────────────────────────────────────────────────────────


class _Remedy(Value):
    entry_id: Identifier
    grant_id: Identifier
    rule: Identifier


class ExtensionRemedy(_Remedy):
    """Calendar days added to a contract's end."""

    kind: Literal["extension"]
    contract_id: Identifier
    product: Identifier
    days: Annotated[int, Field(ge=1, le=3660)]


class AddonRemedy(_Remedy):
    """A complimentary add-on on a contract, with an end of its own."""

    kind: Literal["addon"]
    contract_id: Identifier
    product: Identifier
    ends_on: date


class VoucherRemedy(_Remedy):
    """A voucher: value and shipping have separate caps, handling is covered or not."""

    kind: Literal["voucher"]
    amount: Money
    merchant: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    shipping_cap: Money | None = None
    handling_covered: bool = False
    valid_until: date


class CreditRemedy(_Remedy):
    """Money on the customer's account."""

    kind: Literal["credit"]
    amount: Money


Remedy = Annotated[ExtensionRemedy | AddonRemedy | VoucherRemedy | CreditRemedy, Field(discriminator="kind")]


class EntitlementGranted(Value):
    """All that one customer is owed for one revision of an incident."""

    incident_id: Identifier
    revision: Revision
    policy: PolicyName
    customer_id: Identifier
    remedies: Annotated[tuple[Remedy, ...], Field(min_length=1)]
    declared_at: AwareDatetime | None = None
    """What counts as "now" for whoever applies the remedies (absent: the event's own time)."""
    time_zone: Annotated[str, Field(max_length=64)] | None = None
    """The policy's zone, for contracts without one of their own (absent: UTC)."""


# ── amends.adjustments.v1 ────────────────────────────────────────────────────────────────────────────────────────

RefusalReason = Literal["expired", "terminated", "open_ended", "unknown_contract"]


class DateChange(Value):
    """A date before and after a remedy."""

    before: date
    after: date


class _Outcome(Value):
    entry_id: Identifier
    grant_id: Identifier
    outcome: Literal["applied", "refused"]
    reason: RefusalReason | None = None

    @model_validator(mode="after")
    def _a_refusal_has_a_reason(self) -> _Outcome:
        if (self.outcome == "refused") != (self.reason is not None):
            raise ValueError("a refused outcome has a reason, an applied one has none")
        return self


class ExtensionOutcome(_Outcome):
    """What became of an extension; `ends_on` is there when it was applied."""

    kind: Literal["extension"]
    contract_id: Identifier
    product: Identifier
    ends_on: DateChange | None = None


class AddonOutcome(_Outcome):
    """What became of an add-on."""

    kind: Literal["addon"]
    contract_id: Identifier | None = None
    addon_id: Identifier | None = None
    product: Identifier
    ends_on: date | None = None


class VoucherOutcome(_Outcome):
    """The voucher that was issued, with its code and its terms."""

    kind: Literal["voucher"]
    voucher_id: Identifier | None = None
    code: Annotated[str, Field(max_length=64)] | None = None
    valid_until: date | None = None
    amount: Money | None = None
    merchant: Annotated[str, Field(max_length=200, pattern=NO_NUL)] | None = None
    shipping_cap: Money | None = None
    handling_covered: bool = False


class CreditOutcome(_Outcome):
    """The credit that was booked."""

    kind: Literal["credit"]
    credit_id: Identifier | None = None
    amount: Money | None = None


Outcome = Annotated[ExtensionOutcome | AddonOutcome | VoucherOutcome | CreditOutcome, Field(discriminator="kind")]


class AdjustmentApplied(Value):
    """What billing made of one customer's remedies."""

    incident_id: Identifier
    revision: Revision
    customer_id: Identifier
    outcomes: Annotated[tuple[Outcome, ...], Field(min_length=1)]


# ── amends.letters.v1 ────────────────────────────────────────────────────────────────────────────────────────────

LetterKind = Literal["announcement", "details", "correction"]
LetterStatus = Literal["sent", "failed", "in_doubt", "suppressed", "no_address"]


class LetterSettled(Value):
    """A letter has come to its end, one way or another."""

    letter_id: Identifier
    incident_id: Identifier
    customer_id: Identifier
    kind: LetterKind
    status: LetterStatus


# ── amends.progress.v1 ───────────────────────────────────────────────────────────────────────────────────────────


class ProgressReported(Value):
    """How far one lane of a stage has come with an incident: running totals, so a repeat or a swap is harmless."""

    incident_id: Identifier
    stage: Literal["entitlements", "billing", "notifications"]
    lane: Identifier
    totals: dict[Identifier, int]


EVENTS: MappingProxyType[str, type[Value]] = MappingProxyType(
    {
        "incident.declared.v1": IncidentDeclared,
        "incident.amended.v1": IncidentAmended,
        "incident.resolved.v1": IncidentResolved,
        "incident.retracted.v1": IncidentRetracted,
        "customer.changed.v1": CustomerChanged,
        "contract.changed.v1": ContractChanged,
        "entitlement.granted.v1": EntitlementGranted,
        "adjustment.applied.v1": AdjustmentApplied,
        "letter.settled.v1": LetterSettled,
        "progress.reported.v1": ProgressReported,
    }
)
"""Every type of event and its model."""
