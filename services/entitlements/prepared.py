"""An incident and its policy, compiled once, ready to be applied to any number of customers.

Each revision in force is kept: what is owed since when follows from all of them. Leaves to `rules` the conditions, to
`reach` the days of an impact per time zone, and to `decide` what follows for a customer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.events import Interval
from schemas.statements import Statement, merged
from services.entitlements.domain import Neighbour, Terms
from services.entitlements.outage import Outage, lasted, local_day, overlap
from services.entitlements.policy import Policy
from services.entitlements.quantities import Fee, Reckoned, reckon
from services.entitlements.reach import Reach, reach
from services.entitlements.rules import NO_HOURS, Offer, PreparedRule, prepared_rules

__all__ = ["Hours", "Prepared", "Revision", "lasted", "prepare"]

_FIRST_YEAR, _LAST_YEAR = 1900, 2999
_KEPT_AT_MOST = 10_000


class Hours(NamedTuple):
    """The hours that an offer is reckoned by; `key` tells those of one revision apart."""

    key: object
    outage: Outage


@dataclass(frozen=True, slots=True)
class Beside:
    """A neighbour, compiled: its hours, merged, and whom it reaches, if that counts."""

    incident_id: str
    intervals: tuple[Interval, ...]
    reach: Reach | None


@dataclass(frozen=True, slots=True)
class Revision:
    """One statement in force, compiled. `lasts` says that its end is not known; dates count from `declared_on`."""

    number: int
    retracted: bool
    lasts: bool
    declared_at: datetime
    declared_on: date
    reach: Reach
    hours: Hours
    """Its own; none that count while it lasts."""
    neighbours: Mapping[str, Beside]
    _kept: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def near(self, others: frozenset[str]) -> frozenset[str]:
        """Those of the neighbours whose hours overlap this incident's, or those of one of them that do, and so on."""
        found: frozenset[str] = self._once(
            ("near", others), lambda: _connected(self.reach.intervals, others, self.neighbours)
        )
        return found

    def hours_with(self, near: frozenset[str]) -> Hours:
        """This incident's hours and theirs, none of them twice."""
        if not near or self.lasts:
            return self.hours
        hours: Hours = self._once(("with", near), lambda: self._merged("with", near, self.hours.outage.intervals))
        return hours

    def hours_of(self, near: frozenset[str]) -> Hours:
        """Their hours alone, none of them twice."""
        hours: Hours = self._once(("of", near), lambda: self._merged("of", near, ()))
        return hours

    def reckoned(self, offer: Offer, hours: Hours, zone: str, fee: Fee | None) -> Reckoned:
        """What an offer comes to by those hours, in that zone's calendar, for that fee."""
        if offer.flat is not None:
            return offer.flat
        key = ("reckoned", offer.number, hours.key, zone if offer.by_calendar else "", fee if offer.by_fee else None)
        how: Reckoned = self._kept.get(key) or self._once(key, lambda: reckon(offer.remedy, hours.outage, zone, fee))
        return how

    def terms(self, offer: Offer, quantity: Decimal, currency: str | None) -> Terms:
        """As much of an offer as that, with this revision's dates; the same one for all who get it."""
        key = ("terms", offer.number, quantity, currency)
        made: Terms = self._kept.get(key) or self._once(
            key, lambda: offer.terms(quantity, currency, self.declared_on, self.number)
        )
        return made

    def _merged(self, which: str, near: frozenset[str], own: Sequence[Interval]) -> Hours:
        theirs = [interval for name in near for interval in self.neighbours[name].intervals]
        return Hours((which, near), Outage(merged([*own, *theirs])))

    def _once(self, key: object, make: Callable[[], Any]) -> Any:
        known = self._kept.get(key)
        if known is None:
            known = make()
            if len(self._kept) < _KEPT_AT_MOST:
                self._kept[key] = known
        return known


@dataclass(frozen=True, slots=True)
class Prepared:
    """An incident and its policy, ready to be applied to any number of customers; `policy` is `name@version`."""

    incident_id: str
    policy: str
    time_zone: str
    drill: bool
    declared_at: datetime
    honour: bool
    rules: tuple[PreparedRule, ...]
    revisions: tuple[Revision, ...]
    neighbours: Mapping[str, Beside]
    barring: frozenset[str]
    """The rules that keep a later one from giving something."""
    plain: tuple[tuple[PreparedRule, Terms, Terms | None], ...] | None
    """The rules with their terms, when there is one revision, flat rules and nothing beside: the common case."""

    @property
    def last(self) -> Revision:
        """The revision that is in force."""
        return self.revisions[-1]

    @property
    def revision(self) -> int:
        """Its number."""
        return self.last.number

    @property
    def retracted(self) -> bool:
        """Whether the incident is taken back."""
        return self.last.retracted


def prepare(policy: Policy, statements: Sequence[Statement], neighbours: Sequence[Neighbour] = ()) -> Prepared:
    """Compiles the policy for an incident: its statements of the revisions 1, 2, … in force, the last one counts.

    The impact is half-open, so its last day is that of the instant before its end; without an end it reaches to
    `declared_at`, never to the wall clock. Periods count from the day of the declaration in the policy's zone.
    Raises ValueError when a revision is missing, when the incident names another policy, or a year in which no
    calendar can be relied on.
    """
    if not statements or any(said.revision != number for number, said in enumerate(statements, 1)):
        raise ValueError("the statements must be those of the revisions 1, 2, … without a gap")
    for said in statements:
        if said.policy != policy.key:
            raise ValueError(f"incident {said.incident_id} names policy {said.policy}, not {policy.key}")
        _check_years(said)
    last = statements[-1]
    rules = prepared_rules(policy)
    beside = _near_ones(statements, [_beside(one, policy) for one in neighbours]) if _merges(rules) else {}
    revisions = tuple(_revision(said, policy, beside) for said in statements)
    return Prepared(
        incident_id=last.incident_id,
        policy=policy.key,
        time_zone=policy.time_zone,
        drill=last.drill,
        declared_at=last.declared_at,
        honour=policy.when_narrowed == "honour",
        rules=rules,
        revisions=revisions,
        neighbours=beside,
        barring=frozenset(name for rule in rules for name in rule.unless),
        plain=_plain(rules, revisions, beside),
    )


def _check_years(said: Statement) -> None:
    impact = said.impact
    ends = [instant for one in impact.also for instant in (one.starts_at, one.ends_at)]
    for instant in (impact.starts_at, impact.ends_at or said.declared_at, said.declared_at, *ends):
        if not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
            raise ValueError(f"{instant.isoformat()} is not in the years {_FIRST_YEAR} to {_LAST_YEAR}")


def _revision(said: Statement, policy: Policy, beside: Mapping[str, Beside]) -> Revision:
    lasts = said.impact.ends_at is None
    return Revision(
        number=said.revision,
        retracted=said.retracted,
        lasts=lasts,
        declared_at=said.declared_at,
        declared_on=local_day(said.declared_at, policy.time_zone),
        reach=reach(said.scope, lasted(said), policy.time_zone),
        hours=Hours("own", NO_HOURS if lasts else Outage(said.intervals)),
        neighbours=beside,
    )


def _beside(one: Neighbour, policy: Policy) -> Beside:
    intervals = merged(one.intervals)
    reached = reach(one.scope, intervals, policy.time_zone) if one.scope and intervals else None
    return Beside(one.incident_id, intervals, reached)


def _merges(rules: Sequence[PreparedRule]) -> bool:
    return any(rule.merged for rule in rules)


def _near_ones(statements: Sequence[Statement], besides: Sequence[Beside]) -> dict[str, Beside]:
    """The neighbours that share an hour with some revision, or with one that does, and so on."""
    all_of_them = {one.incident_id: one for one in besides}
    near = frozenset[str]().union(
        *(_connected(lasted(said), frozenset(all_of_them), all_of_them) for said in statements)
    )
    return {name: one for name, one in all_of_them.items() if name in near}


def _connected(
    intervals: Sequence[Interval], others: frozenset[str], neighbours: Mapping[str, Beside]
) -> frozenset[str]:
    hours, found = list(intervals), frozenset[str]()
    while near := {name for name in others - found if overlap(hours, neighbours[name].intervals)}:
        found |= near
        hours += [interval for name in near for interval in neighbours[name].intervals]
    return found


def _plain(
    rules: Sequence[PreparedRule], revisions: Sequence[Revision], beside: Mapping[str, Beside]
) -> tuple[tuple[PreparedRule, Terms, Terms | None], ...] | None:
    [*before, last] = revisions
    if before or last.retracted or beside:
        return None
    if any(rule.needs_end or rule.by_window or rule.unless or rule.substitutes for rule in rules):
        return None
    plain: list[tuple[PreparedRule, Terms, Terms | None]] = []
    for rule in rules:
        terms = [
            last.terms(offer, offer.flat.quantity, offer.flat.currency)
            for offer in (rule.give, rule.instead)
            if offer is not None and offer.flat is not None
        ]
        if len(terms) != 1 + (rule.instead is not None):
            return None
        plain.append((rule, terms[0], terms[1] if len(terms) > 1 else None))
    return tuple(plain)
