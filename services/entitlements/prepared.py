"""An incident and its policy, compiled once, ready to be applied to any number of customers.

Works out the days of the impact per time zone, the terms that each rule gives, and the conditions as sets. Leaves to
`decide` what follows for a customer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from schemas.events import IncidentDeclared
from services.entitlements.domain import Choice, Condition, Contract, Terms
from services.entitlements.policy import Policy, Remedy, Rule
from services.entitlements.policy_fields import known_zones

_INSTANT = timedelta(microseconds=1)
_FIRST_YEAR, _LAST_YEAR = 1900, 2999
_ZONES_AT_MOST = 1000


@dataclass(frozen=True, slots=True)
class Window:
    """The days of the impact in one time zone, both included."""

    first_day: date
    last_day: date
    time_zone: str


def same(has: object, wanted: object) -> bool:
    """Whether an attribute has the value that a rule wants; true is not 1, although Python says so."""
    return has == wanted and isinstance(has, bool) is isinstance(wanted, bool)


@dataclass(frozen=True, slots=True)
class PreparedRule:
    """A rule with its terms worked out and its conditions as sets. `None` for a condition means any."""

    name: str
    per_contract: bool
    families: frozenset[str] | None
    products: frozenset[str] | None
    sites: frozenset[str] | None
    attributes: tuple[tuple[str, Any], ...]
    give: Terms
    owned: str | None
    instead: Terms | None

    def unmet(self, contract: Contract) -> Condition | None:
        """The first condition that the contract does not meet, or None when the rule is for it."""
        if self.families is not None and contract.family not in self.families:
            return "family"
        if self.products is not None and contract.product not in self.products:
            return "product"
        if self.sites is not None and contract.site not in self.sites:
            return "site"
        for name, wanted in self.attributes:
            if not same(contract.attributes.get(name), wanted):
                return "attributes"
        return None


@dataclass(frozen=True, slots=True)
class Prepared:
    """An incident and its policy, ready to be applied to any number of customers."""

    incident_id: str
    revision: int
    policy: str
    time_zone: str
    starts_at: datetime
    last_instant: datetime
    sites: frozenset[str] | None
    families: frozenset[str] | None
    contract_ids: frozenset[str] | None
    everyone: bool
    rules: tuple[PreparedRule, ...]
    _windows: dict[str, Window] = field(default_factory=dict, repr=False, compare=False)

    def in_scope(self, contract: Contract) -> bool:
        """Whether the incident could have hit the contract: it matches every list that the scope gives."""
        return (
            (self.sites is None or contract.site in self.sites)
            and (self.families is None or contract.family in self.families)
            and (self.contract_ids is None or contract.contract_id in self.contract_ids)
        )

    def window(self, contract: Contract) -> Window:
        """The days of the impact where the contract is: in its attribute `time_zone`, else in the policy's zone.

        A zone that nobody knows is as good as none: one bad attribute must not cost the customer his remedy.
        """
        zone = contract.attributes.get("time_zone", self.time_zone)
        window = self._windows.get(zone) if isinstance(zone, str) else None
        return window or self._new_window(zone)

    def _new_window(self, zone: object) -> Window:
        known = zone if isinstance(zone, str) and zone in known_zones() else self.time_zone
        window = Window(local_day(self.starts_at, known), local_day(self.last_instant, known), known)
        if isinstance(zone, str) and len(self._windows) < _ZONES_AT_MOST:
            self._windows[zone] = window
        return window


def prepare(policy: Policy, incident: IncidentDeclared) -> Prepared:
    """Compiles the policy for the incident.

    The impact is half-open, so its last day is that of the instant before `ends_at`; without an end it reaches to
    `declared_at`, never to the wall clock. Periods count from the day of the declaration in the policy's zone.
    Raises ValueError when the incident names another policy, or a year in which no calendar can be relied on.
    """
    if incident.policy != policy.key:
        raise ValueError(f"incident {incident.incident_id} names policy {incident.policy}, not {policy.key}")
    scope, starts_at = incident.scope, incident.impact.starts_at
    end = incident.impact.ends_at or incident.declared_at
    for instant in (starts_at, end, incident.declared_at):
        if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
            raise ValueError(f"{instant.isoformat()} is not in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    declared_on = local_day(incident.declared_at, policy.time_zone)
    return Prepared(
        incident_id=incident.incident_id,
        revision=incident.revision,
        policy=policy.key,
        time_zone=policy.time_zone,
        starts_at=starts_at,
        last_instant=max(starts_at, end - _INSTANT),
        everyone=scope.everyone,
        sites=frozenset(scope.sites) or None,
        families=frozenset(scope.families) or None,
        contract_ids=frozenset(scope.contract_ids) or None,
        rules=tuple(_prepared_rule(rule, declared_on) for rule in policy.rules),
    )


def local_day(instant: datetime, time_zone: str) -> date:
    """The date on the wall calendar of a zone at an instant."""
    return instant.astimezone(ZoneInfo(time_zone)).date()


def _prepared_rule(rule: Rule, declared_on: date) -> PreparedRule:
    when, owned = rule.when, rule.if_owned
    return PreparedRule(
        name=rule.rule,
        per_contract=rule.per == "contract",
        families=frozenset(when.families) if when.families else None,
        products=frozenset(when.products) if when.products else None,
        sites=frozenset(when.sites) if when.sites else None,
        attributes=tuple((when.attributes or {}).items()),
        give=_terms(rule.rule, "give", rule.give, declared_on),
        owned=owned.product if owned else None,
        instead=_terms(rule.rule, "instead", owned.instead, declared_on) if owned else None,
    )


def _terms(rule: str, choice: Choice, remedy: Remedy, declared_on: date) -> Terms:
    if remedy.extension:
        return Terms(rule, choice, "extension", days=remedy.extension.days)
    if remedy.addon:
        addon = remedy.addon
        return Terms(rule, choice, "addon", product=addon.product, ends_on=addon.length.after(declared_on))
    if remedy.credit:
        money = remedy.credit.amount
        return Terms(rule, choice, "credit", amount=money.amount, currency=money.currency)
    voucher = remedy.voucher
    assert voucher is not None, "a remedy is one of four"
    return Terms(
        rule,
        choice,
        "voucher",
        amount=voucher.amount.amount,
        currency=voucher.amount.currency,
        merchant=voucher.merchant,
        shipping_cap=voucher.shipping_cap.amount if voucher.shipping_cap else None,
        handling_covered=voucher.handling_covered,
        valid_until=voucher.valid_for.after(declared_on),
    )
