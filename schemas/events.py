"""The events that the services exchange, one model per type and version.

A field is never removed or retyped within a version; unknown fields are ignored when reading. The JSON Schemas in
`schemas/json` are made from these models, and `make test` compares both with what was committed before.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from schemas.values import (
    NO_NUL,
    Attributes,
    Day,
    Identifier,
    Instant,
    Money,
    Text,
    Value,
    Zone,
    not_too_many,
    without_nul,
)

# ── amends.incidents.v1 ──────────────────────────────────────────────────────────────────────────────────────────


class Interval(Value):
    """A half-open window [starts_at, ends_at) that is over."""

    starts_at: Instant
    ends_at: Instant

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Interval:
        if self.ends_at <= self.starts_at:
            raise ValueError(
                f"ends_at {self.ends_at.isoformat()} is not after starts_at {self.starts_at.isoformat()}: "
                "write an end after the start"
            )
        return self


class Impact(Value):
    """The half-open window [starts_at, ends_at) in which the promise was broken; no end while it lasts."""

    starts_at: Instant
    ends_at: Instant | None = None
    also: Annotated[tuple[Interval, ...], Field(max_length=100)] = ()
    """Further windows of the same incident: one that was reopened, or merged from several. They may overlap."""

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


PlanHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""SHA-256 of what a plan comes to: what a person approves."""
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
    declared_at: Instant


class IncidentAmended(IncidentDeclared):
    """A later statement of the same incident, whole, with a higher revision."""


class IncidentResolved(Value):
    """The impact is over: its end is known."""

    incident_id: Identifier
    revision: Revision
    ends_at: Instant
    declared_by: Identifier
    declared_at: Instant


class IncidentRetracted(Value):
    """The incident is taken back."""

    incident_id: Identifier
    revision: Revision
    reason: Text
    declared_by: Identifier
    declared_at: Instant


class IncidentApproved(Value):
    """A second person answers for one exact plan of an incident."""

    incident_id: Identifier
    plan: PlanHash
    approved_by: Identifier
    approved_at: Instant


class IncidentPaused(Value):
    """Nothing more is decided or sent for the incident until it is resumed; of two orders the later one counts."""

    incident_id: Identifier
    paused_by: Identifier
    paused_at: Instant
    reason: Text | None = None


class IncidentResumed(Value):
    """A paused incident goes on."""

    incident_id: Identifier
    resumed_by: Identifier
    resumed_at: Instant


# ── amends.policies.v1 ───────────────────────────────────────────────────────────────────────────────────────────

LetterKind = Literal["announcement", "details", "correction"]
Language = Annotated[str, Field(pattern=r"^[a-z]{2}$")]


class PolicyPublished(Value):
    """A policy as it was published, once and for all: what the services beside entitlements need to know of it."""

    policy: PolicyName
    title: Annotated[str, Field(min_length=1, max_length=300, pattern=NO_NUL)]
    time_zone: Annotated[Zone, Field(min_length=1)]
    letters: tuple[LetterKind, ...]
    texts: dict[Language, dict[LetterKind, Text]] = Field(default_factory=dict)
    """The paragraph that a letter of a kind opens with, by language; the service's own words where there is none."""


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
    starts_on: Day
    ends_on: Day


class ContractChanged(Value):
    """A contract as billing knows it: the columns of contracts.csv, and what remedies have added to it."""

    contract_id: Identifier
    customer_id: Identifier
    family: Identifier
    product: Identifier
    site: Identifier | None = None
    starts_on: Day
    ends_on: Day | None = None
    terminated_on: Day | None = None
    monthly_fee: Money | None = None
    addons: tuple[Identifier, ...] = ()
    attributes: Attributes = Field(default_factory=dict)
    complimentary: tuple[ComplimentaryAddon, ...] = ()
    version: Annotated[int, Field(ge=0)] = 0
    """Counts billing's changes of this contract: of two events the higher is the later, whatever their order."""


# ── amends.entitlements.v1 ───────────────────────────────────────────────────────────────────────────────────────


class _Remedy(Value):
    entry_id: Identifier
    grant_id: Identifier
    rule: Identifier


class VoucherRemedy(_Remedy):
    """A voucher: value and shipping have separate caps, handling is covered or not."""

    kind: Literal["voucher"]
    amount: Money
    merchant: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_NUL)]
    shipping_cap: Money | None = None
    handling_covered: bool = False
    valid_until: Day


class CreditRemedy(_Remedy):
    """Money on the customer's account."""

    kind: Literal["credit"]
    amount: Money


RefusalReason = Literal["expired", "terminated", "open_ended", "unknown_contract"]


class Substitute(Value):
    """What is owed in place of a remedy that billing has to refuse for one of these reasons."""

    reasons: Annotated[tuple[RefusalReason, ...], Field(min_length=1)]
    remedy: Annotated[VoucherRemedy | CreditRemedy, Field(discriminator="kind")]


class ExtensionRemedy(_Remedy):
    """Calendar days added to a contract's end."""

    kind: Literal["extension"]
    contract_id: Identifier
    product: Identifier
    days: Annotated[int, Field(ge=1, le=3660)]
    substitutes: tuple[Substitute, ...] = ()
    declared_at: Instant | None = None
    """What counts as "now" for it, where it is owed since another revision than the event's (absent: the event's)."""


class AddonRemedy(_Remedy):
    """A complimentary add-on on a contract, with an end of its own."""

    kind: Literal["addon"]
    contract_id: Identifier
    product: Identifier
    ends_on: Day
    substitutes: tuple[Substitute, ...] = ()
    declared_at: Instant | None = None
    """As an extension's."""


Remedy = Annotated[ExtensionRemedy | AddonRemedy | VoucherRemedy | CreditRemedy, Field(discriminator="kind")]


class EntitlementGranted(Value):
    """All that one customer is owed for one revision of an incident."""

    incident_id: Identifier
    revision: Revision
    policy: PolicyName
    customer_id: Identifier
    remedies: Annotated[tuple[Remedy, ...], Field(min_length=1), AfterValidator(not_too_many)]
    declared_at: Instant | None = None
    """What counts as "now" for whoever applies the remedies (absent: the event's own time)."""
    time_zone: Zone | None = None
    """The policy's zone, for contracts without one of their own (absent: UTC)."""
    drill: bool = False
    letters: tuple[LetterKind, ...] | None = None
    """The letters that the policy wants written (absent: the details)."""


class Withdrawal(Value):
    """An entry that is no longer owed. It stands all the same when it is `honoured`."""

    entry_id: Identifier
    grant_id: Identifier
    rule: Identifier
    kind: Literal["extension", "addon", "voucher", "credit"]
    withdraws: Identifier
    """The entry that is withdrawn."""
    honoured: bool


class EntitlementWithdrawn(Value):
    """What one customer is no longer owed since a revision that narrowed the incident or took it back."""

    incident_id: Identifier
    revision: Revision
    policy: PolicyName
    customer_id: Identifier
    withdrawals: Annotated[tuple[Withdrawal, ...], Field(min_length=1), AfterValidator(not_too_many)]
    declared_at: Instant
    time_zone: Zone
    drill: bool = False
    letters: tuple[LetterKind, ...] | None = None


# ── amends.announcements.v1 ──────────────────────────────────────────────────────────────────────────────────────


class AnnouncementRequested(Value):
    """A customer is to be told at once what he is owed; the details follow when billing is done."""

    incident_id: Identifier
    revision: Revision
    policy: PolicyName
    customer_id: Identifier
    remedies: Annotated[tuple[Remedy, ...], Field(min_length=1), AfterValidator(not_too_many)]
    drill: bool = False


# ── amends.adjustments.v1 ────────────────────────────────────────────────────────────────────────────────────────


class DateChange(Value):
    """A date before and after a remedy."""

    before: Day
    after: Day


class _Outcome(Value):
    entry_id: Identifier
    grant_id: Identifier
    outcome: Literal["applied", "refused"]
    reason: RefusalReason | None = None
    substitutes: Identifier | None = None
    """The refused entry in whose place this one stands."""

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
    ends_on: Day | None = None


class VoucherOutcome(_Outcome):
    """The voucher that was issued, with its code and its terms."""

    kind: Literal["voucher"]
    voucher_id: Identifier | None = None
    code: Annotated[str, Field(max_length=64), AfterValidator(without_nul)] | None = None
    valid_until: Day | None = None
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
    drill: bool = False
    letters: tuple[LetterKind, ...] | None = None


StandsBecause = Literal["honoured", "redeemed", "used", "refused_before"]
"""Why a withdrawn entry stands: the policy honours it, its voucher or days are used up, or it never had an effect."""


class Reversal(Value):
    """What became of one withdrawal; by kind as in an outcome: what was taken back, or what stands."""

    entry_id: Identifier
    grant_id: Identifier
    kind: Literal["extension", "addon", "voucher", "credit"]
    reverses: Identifier
    outcome: Literal["applied", "refused"]
    reason: StandsBecause | None = None
    contract_id: Identifier | None = None
    product: Identifier | None = None
    days: Annotated[int, Field(ge=1)] | None = None
    ends_on: DateChange | None = None
    amount: Money | None = None
    merchant: Annotated[str, Field(max_length=200, pattern=NO_NUL)] | None = None
    code: Annotated[str, Field(max_length=64), AfterValidator(without_nul)] | None = None

    @model_validator(mode="after")
    def _what_stands_has_a_reason(self) -> Reversal:
        if (self.outcome == "refused") != (self.reason is not None):
            raise ValueError("a refused reversal has a reason, an applied one has none")
        return self


class AdjustmentReversed(Value):
    """What billing made of one customer's withdrawals."""

    incident_id: Identifier
    revision: Revision
    customer_id: Identifier
    reversals: Annotated[tuple[Reversal, ...], Field(min_length=1)]
    drill: bool = False
    letters: tuple[LetterKind, ...] | None = None


# ── amends.letters.v1 ────────────────────────────────────────────────────────────────────────────────────────────

LetterStatus = Literal["sent", "failed", "in_doubt", "suppressed", "no_address"]


class LetterSettled(Value):
    """A letter has come to its end, one way or another."""

    letter_id: Identifier
    incident_id: Identifier
    customer_id: Identifier
    kind: LetterKind
    status: LetterStatus
    drill: bool = False


# ── amends.progress.v1 ───────────────────────────────────────────────────────────────────────────────────────────


class ProgressReported(Value):
    """How far one lane of a stage has come with an incident: running totals, so a repeat or a swap is harmless."""

    incident_id: Identifier
    stage: Literal["entitlements", "billing", "notifications"]
    lane: Identifier
    totals: dict[Identifier, int]
    drill: bool = False


RunState = Literal[
    "held", "waiting", "forecasting", "approval", "canary", "running", "paused", "halted", "superseded", "done"
]
"""Where a run is: waiting for an earlier revision (`held`), for the contracts, for approval, or under way, or over."""


class RunReported(Value):
    """A run of an incident has come to another state."""

    incident_id: Identifier
    revision: Revision
    run: Annotated[int, Field(ge=0)]
    state: RunState
    plan: PlanHash | None = None
    reason: Text | None = None
    drill: bool = False


EVENTS: MappingProxyType[str, type[Value]] = MappingProxyType(
    {
        "incident.declared.v1": IncidentDeclared,
        "incident.amended.v1": IncidentAmended,
        "incident.resolved.v1": IncidentResolved,
        "incident.retracted.v1": IncidentRetracted,
        "incident.approved.v1": IncidentApproved,
        "incident.paused.v1": IncidentPaused,
        "incident.resumed.v1": IncidentResumed,
        "policy.published.v1": PolicyPublished,
        "customer.changed.v1": CustomerChanged,
        "contract.changed.v1": ContractChanged,
        "entitlement.granted.v1": EntitlementGranted,
        "entitlement.withdrawn.v1": EntitlementWithdrawn,
        "announcement.requested.v1": AnnouncementRequested,
        "adjustment.applied.v1": AdjustmentApplied,
        "adjustment.reversed.v1": AdjustmentReversed,
        "letter.settled.v1": LetterSettled,
        "progress.reported.v1": ProgressReported,
        "run.reported.v1": RunReported,
    }
)
"""Every type of event and its model."""
