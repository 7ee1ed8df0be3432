"""The values of billing: a contract as its ledger sees it, and an entry in that ledger.

They are named tuples: a batch makes tens of thousands of them. Leaves to `decide` what becomes of a remedy, to
`reversals` what becomes of its withdrawal, to `vouchers` how a code is made, to the store how they are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

from schemas.events import LetterKind, RefusalReason, StandsBecause

Kind = Literal["extension", "addon", "voucher", "credit"]
Reason = RefusalReason | StandsBecause


class Addon(NamedTuple):
    """A complimentary add-on: it ends by itself on `ends_on` and never renews."""

    addon_id: str
    product: str
    starts_on: date
    ends_on: date

    def withdrawn(self, day: date) -> Addon:
        """The add-on as it is left when it is withdrawn from a day on: that day is its last, at the latest."""
        return self._replace(ends_on=max(self.starts_on, min(self.ends_on, day)))


class Contract(NamedTuple):
    """A contract as it stands: it runs through its `ends_on` day; `terminated_on` is the first day without service."""

    contract_id: str
    customer_id: str
    family: str
    product: str
    site: str | None
    starts_on: date
    ends_on: date | None
    terminated_on: date | None
    monthly_fee: Decimal | None
    currency: str | None
    addons: tuple[str, ...]
    attributes: Mapping[str, Any]
    version: int
    complimentary: tuple[Addon, ...] = ()

    def extended(self, days: int) -> Contract:
        """The contract with calendar days added to its end (or taken off); a scheduled cancellation moves with it."""
        more = timedelta(days=days)
        return self._replace(
            ends_on=self.ends_on and self.ends_on + more,
            terminated_on=self.terminated_on and self.terminated_on + more,
            version=self.version + 1,
        )

    def with_addon(self, addon: Addon) -> Contract:
        """The contract with one complimentary add-on more."""
        return self._replace(complimentary=(*self.complimentary, addon), version=self.version + 1)

    def without_addon(self, addon_id: str, day: date) -> Contract:
        """The contract with one complimentary add-on withdrawn from a day on."""
        left = (addon.withdrawn(day) if addon.addon_id == addon_id else addon for addon in self.complimentary)
        return self._replace(complimentary=tuple(left), version=self.version + 1)

    @property
    def last_day(self) -> date:
        """The last day of service, whichever of end and termination comes first; the calendar's last without them."""
        terminated = self.terminated_on and self.terminated_on - timedelta(days=1)
        return min(self.ends_on or date.max, terminated or date.max)

    def day(self, instant: datetime, default_zone: str) -> date:
        """The date of an instant where the contract lives: its attribute `time_zone`, else the policy's zone."""
        zone = self.attributes.get("time_zone")
        return local_date(instant, zone if isinstance(zone, str) else default_zone)


class Voucher(NamedTuple):
    """A voucher with its terms; `code` goes to the customer, the database keeps `code_hash`."""

    voucher_id: str
    amount: Decimal
    currency: str
    merchant: str
    shipping_cap: Decimal | None
    handling_covered: bool
    valid_until: date
    code: str
    code_hash: bytes
    redeemed: bool = False


class Withdrawn(NamedTuple):
    """An entry that is no longer owed, with what the event that says so counts as now and here."""

    incident_id: str
    customer_id: str
    entry_id: str
    grant_id: str
    revision: int
    rule: str
    withdraws: str
    honoured: bool
    declared_at: datetime
    time_zone: str
    drill: bool
    letters: tuple[LetterKind, ...] | None


class Target(NamedTuple):
    """The entry whose effect a reversal is about (a substitute's, where that took the place of what was withdrawn).

    `day` and `at` say since when it is no longer owed; `merchant` and `code` tell a customer which voucher it is.
    """

    entry_id: str
    day: date
    at: datetime
    merchant: str | None = None
    code: str | None = None


class Entry(NamedTuple):
    """What became of one remedy, or of its withdrawal.

    `issued` is what was put into the world for a remedy, beside a moved date. A reversal names the withdrawn entry
    (`reverses`) and has negative days or a negative amount, so that sums are the truth; a substitute names the refused
    entry in whose place it stands (`substitutes`). An entry of a drill has no effect.
    """

    incident_id: str
    customer_id: str
    revision: int
    entry_id: str
    grant_id: str
    rule: str
    kind: Kind
    drill: bool
    reason: Reason | None = None
    contract_id: str | None = None
    product: str | None = None
    days: int | None = None
    ends_on_before: date | None = None
    ends_on_after: date | None = None
    amount: Decimal | None = None
    currency: str | None = None
    reverses: str | None = None
    substitutes: str | None = None
    issued: Addon | Voucher | None = None
    target: Target | None = None

    @property
    def outcome(self) -> Literal["applied", "refused"]:
        """Refused when there is a reason, else applied."""
        return "applied" if self.reason is None else "refused"

    @property
    def is_effective(self) -> bool:
        """Whether it has moved, issued or taken back anything."""
        return self.reason is None and not self.drill


@lru_cache(maxsize=4096)
def local_date(instant: datetime, zone: str) -> date:
    """The calendar date of an instant in a zone; UTC's for a zone that nobody knows."""
    try:
        known = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        known = ZoneInfo("UTC")
    try:
        return instant.astimezone(known).date()
    except OverflowError:  # the first or the last day of the calendar: in that zone it would be outside
        return instant.date()
