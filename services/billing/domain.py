"""The values of billing: a contract as its ledger sees it, and an entry in that ledger.

They are named tuples: a batch makes tens of thousands of them. Leaves to `decide` what becomes of a remedy, to
`vouchers` how a code is made, to the store how they are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

Kind = Literal["extension", "addon", "voucher", "credit"]
Reason = Literal["expired", "terminated", "open_ended", "unknown_contract"]


class Addon(NamedTuple):
    """A complimentary add-on: it ends by itself on `ends_on` and never renews."""

    addon_id: str
    product: str
    starts_on: date
    ends_on: date


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
        """The contract with calendar days added to its end; a scheduled cancellation moves with it."""
        more = timedelta(days=days)
        return self._replace(
            ends_on=self.ends_on and self.ends_on + more,
            terminated_on=self.terminated_on and self.terminated_on + more,
            version=self.version + 1,
        )

    def with_addon(self, addon: Addon) -> Contract:
        """The contract with one complimentary add-on more."""
        return self._replace(complimentary=(*self.complimentary, addon), version=self.version + 1)

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


class Entry(NamedTuple):
    """What became of one remedy. `issued` is what was put into the world for it, beside a moved date."""

    incident_id: str
    customer_id: str
    revision: int
    entry_id: str
    grant_id: str
    rule: str
    kind: Kind
    reason: Reason | None = None
    contract_id: str | None = None
    product: str | None = None
    days: int | None = None
    ends_on_before: date | None = None
    ends_on_after: date | None = None
    amount: Decimal | None = None
    currency: str | None = None
    issued: Addon | Voucher | None = None

    @property
    def outcome(self) -> Literal["applied", "refused"]:
        """Refused when there is a reason, else applied."""
        return "applied" if self.reason is None else "refused"


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
