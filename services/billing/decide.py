"""What becomes of each remedy: pure, from the event, the contracts as they stand, and nothing else.

No decision asks the wall clock: what counts as today is the day of the declaration where the contract lives, of the
revision since which the remedy is owed.
Leaves to `reversals` what becomes of a remedy that is no longer owed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from schemas.events import (
    AddonRemedy,
    CreditRemedy,
    EntitlementGranted,
    ExtensionRemedy,
    Remedy,
    VoucherRemedy,
)
from services.billing.domain import Addon, Contract, Entry, Kind, Reason, Voucher, local_date
from services.billing.vouchers import DRILL, CodeSource

_UTC = "UTC"


def decide(
    event: EntitlementGranted,
    seen: Collection[str],
    contracts: Mapping[str, Contract],
    codes: CodeSource,
    received_at: datetime,
) -> tuple[list[Entry], dict[str, Contract]]:
    """The entries for one customer's remedies, and the contracts that they change.

    `seen` are the entry ids that stand in the ledger already: they have had their effect. `contracts` are
    all contracts that the event names, as they stand; `received_at` counts as the declaration where the event has none.
    A remedy that is refused is followed by its substitute's entry, if it has one for that reason. A drill is decided
    against the contracts as they stand, and changes none: what it says does not add up.
    """
    entries: list[Entry] = []
    changed: dict[str, Contract] = {}
    now, zone = event.declared_at or received_at, event.time_zone or _UTC
    codes = DRILL if event.drill else codes
    here: set[str] = set()  # an event that names an entry twice has it once
    for remedy in event.remedies:
        if remedy.entry_id in seen or remedy.entry_id in here:
            continue
        here.add(remedy.entry_id)
        if isinstance(remedy, VoucherRemedy | CreditRemedy):
            entries.append(_money(event, remedy, codes))
            continue
        contract = changed.get(remedy.contract_id) or contracts.get(remedy.contract_id)
        if contract is not None and contract.customer_id != event.customer_id:
            contract = None  # somebody else's: of this customer we know no such contract
        then = remedy.declared_at or now
        if isinstance(remedy, ExtensionRemedy):
            entry, after = _extension(event, remedy, contract, then, zone)
        else:
            entry, after = _addon(event, remedy, contract, local_date(then, zone))
        entries.append(entry)
        if after is not None and not event.drill:
            changed[remedy.contract_id] = after
        for substitute in remedy.substitutes:
            if entry.reason in substitute.reasons:
                if substitute.remedy.entry_id not in here:
                    here.add(substitute.remedy.entry_id)
                    entries.append(_money(event, substitute.remedy, codes, remedy.entry_id))
                break
    return entries, changed


def _extension(
    event: EntitlementGranted, remedy: ExtensionRemedy, contract: Contract | None, now: datetime, zone: str
) -> tuple[Entry, Contract | None]:
    """Additive extensions: the new end is the end as it stands plus the days, in calendar days."""
    reason: Reason | None = "unknown_contract" if contract is None else _cannot_extend(contract, remedy.days, now, zone)
    after = None if contract is None or reason else contract.extended(remedy.days)
    entry = _entry(
        event,
        remedy,
        "extension",
        reason=reason,
        contract_id=remedy.contract_id,
        product=remedy.product,
        days=remedy.days,
        ends_on_before=contract.ends_on if contract else None,
        ends_on_after=after.ends_on if after else None,
    )
    return entry, after


def _cannot_extend(contract: Contract, days: int, now: datetime, zone: str) -> Reason | None:
    """Why a contract cannot be extended, if so: it is over by whichever day comes first, or it has no end to move.

    A date such as 9999-12-31 stands for never, and the calendar has no later one: it is no end to move either.
    """
    ends_on, terminated_on = contract.ends_on, contract.terminated_on
    today = contract.day(now, zone)
    if terminated_on is not None and (ends_on is None or terminated_on <= ends_on) and terminated_on <= today:
        return "terminated"
    if ends_on is None:
        return "open_ended"
    if ends_on < today:
        return "expired"
    latest = max(ends_on, terminated_on or ends_on)
    return "open_ended" if latest > date.max - timedelta(days=days) else None


def _addon(
    event: EntitlementGranted, remedy: AddonRemedy, contract: Contract | None, starts_on: date
) -> tuple[Entry, Contract | None]:
    """An add-on runs to an end of its own, whatever becomes of the contract."""
    addon = Addon(remedy.entry_id, remedy.product, starts_on, max(starts_on, remedy.ends_on))
    entry = _entry(
        event,
        remedy,
        "addon",
        reason=None if contract else "unknown_contract",
        contract_id=remedy.contract_id,
        product=remedy.product,
        issued=addon if contract else None,
    )
    return entry, contract.with_addon(addon) if contract else None


def _money(
    event: EntitlementGranted, remedy: VoucherRemedy | CreditRemedy, codes: CodeSource, substitutes: str | None = None
) -> Entry:
    """A voucher (value and shipping have separate caps) or a credit, which is its own entry on the account."""
    amount = remedy.amount
    return _entry(
        event,
        remedy,
        remedy.kind,
        amount=amount.amount,
        currency=amount.currency,
        substitutes=substitutes,
        issued=_voucher(remedy, codes) if isinstance(remedy, VoucherRemedy) else None,
    )


def _voucher(remedy: VoucherRemedy, codes: CodeSource) -> Voucher:
    """The voucher that a remedy promises; its code follows from the entry."""
    code = codes.code(remedy.entry_id)
    amount, cap = remedy.amount, remedy.shipping_cap
    return Voucher(
        remedy.entry_id,
        amount.amount,
        amount.currency,
        remedy.merchant,
        cap.amount if cap else None,
        remedy.handling_covered,
        remedy.valid_until,
        code,
        codes.hashed(code),
    )


def _entry(event: EntitlementGranted, remedy: Remedy, kind: Kind, **became: Any) -> Entry:
    """The entry for a remedy; `became` says what was made of it."""
    return Entry(
        event.incident_id,
        event.customer_id,
        event.revision,
        remedy.entry_id,
        remedy.grant_id,
        remedy.rule,
        kind,
        event.drill,
        **became,
    )
