"""Whom an incident reaches: the contracts in its scope that were in service on a day of it, where the contract is.

Works with dates: an impact's days are those of the contract's time zone. Leaves to `prepared` which revision reaches
how far, and to `decide` what follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from schemas.events import Interval, Scope
from services.entitlements.domain import CLOSENESS, Contract, SparedReason
from services.entitlements.outage import INSTANT, local_day
from services.entitlements.policy_fields import known_zones

_ZONES_AT_MOST = 1000


@dataclass(frozen=True, slots=True)
class Window:
    """The days of an impact in one time zone, from the first to the last, both included.

    `parts` are its stretches of days when there are several; what lies between them is not of the impact.
    """

    first_day: date
    last_day: date
    time_zone: str
    parts: tuple[tuple[date, date], ...] = ()

    def meets(self, first: date, last: date) -> bool:
        """Whether some day of the impact is among the days from the first to the last."""
        if not self.parts:
            return first <= self.last_day and last >= self.first_day
        return any(first <= until and last >= since for since, until in self.parts)

    def __str__(self) -> str:
        parts = self.parts or ((self.first_day, self.last_day),)
        stretches = " and ".join(f"from {first} to {last}" for first, last in parts)
        return f"the impact was {stretches} in {self.time_zone}"


@dataclass(frozen=True, slots=True)
class Reach:
    """The scope and the windows of an incident; `intervals` are merged and at least one."""

    intervals: tuple[Interval, ...]
    time_zone: str
    everyone: bool
    sites: frozenset[str] | None
    families: frozenset[str] | None
    contract_ids: frozenset[str] | None
    _windows: dict[str, Window] = field(default_factory=dict, repr=False, compare=False)

    def in_scope(self, contract: Contract) -> bool:
        """Whether the incident could have hit the contract: it matches every list that the scope gives."""
        return self.everyone or (
            (self.sites is None or contract.site in self.sites)
            and (self.families is None or contract.family in self.families)
            and (self.contract_ids is None or contract.contract_id in self.contract_ids)
        )

    def spared(self, contract: Contract) -> SparedReason | None:
        """Why the incident did not hit the contract, or None when it did."""
        if not self.everyone and not self.in_scope(contract):
            return "not_in_scope"
        return out_of_service(contract, self.window(contract))

    def window(self, contract: Contract) -> Window:
        """The days of the impact where the contract is: in its attribute `time_zone`, else in the policy's zone.

        A zone that nobody knows is as good as none: one bad attribute must not cost the customer his remedy.
        """
        zone = contract.attributes.get("time_zone", self.time_zone)
        window = self._windows.get(zone) if isinstance(zone, str) else None
        return window or self._new_window(zone)

    def _new_window(self, zone: object) -> Window:
        known = zone if isinstance(zone, str) and zone in known_zones() else self.time_zone
        parts = _stretches(self.intervals, known)
        window = Window(parts[0][0], parts[-1][1], known, parts if len(parts) > 1 else ())
        if isinstance(zone, str) and len(self._windows) < _ZONES_AT_MOST:
            self._windows[zone] = window
        return window


def reach(scope: Scope, intervals: Sequence[Interval], time_zone: str) -> Reach:
    """A scope and merged intervals, compiled; `time_zone` is the policy's."""
    return Reach(
        tuple(intervals), time_zone, scope.everyone, _set(scope.sites), _set(scope.families), _set(scope.contract_ids)
    )


def out_of_service(contract: Contract, window: Window) -> SparedReason | None:
    """Why the contract was in service on no day of the window, or None when it was.

    It is in service from `starts_on` through `ends_on`, and no longer on `terminated_on`; of the two ends the
    earlier one decides, and `ends_on` when both fall on the same last day. A contract that never had a day of
    service counts as terminated before. Of several parts, the reason that came closest.
    """
    starts_on, ends_on, terminated_on = contract.starts_on, contract.ends_on, contract.terminated_on
    if (terminated_on is not None and terminated_on <= starts_on) or (ends_on is not None and ends_on < starts_on):
        return "terminated_before"
    if starts_on > window.last_day:
        return "started_after"
    first_day = window.first_day
    if ends_on is not None and ends_on < first_day and (terminated_on is None or ends_on < terminated_on):
        return "ended_before"
    if terminated_on is not None and terminated_on <= first_day:
        return "terminated_before"
    return _in_none_of(window, contract) if window.parts else None


def _stretches(intervals: Iterable[Interval], zone: str) -> tuple[tuple[date, date], ...]:
    """The days of merged intervals in a zone, as stretches that have no day in common."""
    stretches: list[tuple[date, date]] = []
    for one in intervals:
        first, last = local_day(one.starts_at, zone), local_day(one.ends_at - INSTANT, zone)
        if stretches and first <= stretches[-1][1]:
            first = stretches.pop()[0]
        stretches.append((first, last))
    return tuple(stretches)


def _in_none_of(window: Window, contract: Contract) -> SparedReason | None:
    reasons = [out_of_service(contract, Window(first, last, window.time_zone)) for first, last in window.parts]
    return None if None in reasons else closest(reason for reason in reasons if reason is not None)


def closest(reasons: Iterable[SparedReason]) -> SparedReason:
    """The reason that came closest to being hit; `not_in_scope` for none."""
    return max(reasons, key=CLOSENESS.__getitem__, default="not_in_scope")


def _set(names: Sequence[str]) -> frozenset[str] | None:
    return frozenset(names) or None
