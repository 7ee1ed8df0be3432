"""Contracts, remedies and events for billing's tests: only what a case is about has to be said.

Ids follow from their causes as in production, so that a case that comes twice is the same case.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from schemas.events import (
    AddonRemedy,
    CreditRemedy,
    EntitlementGranted,
    EntitlementWithdrawn,
    ExtensionRemedy,
    LetterKind,
    RefusalReason,
    Remedy,
    Substitute,
    VoucherRemedy,
    Withdrawal,
)
from schemas.ids import entry_id, grant_id, substitute_id, withdrawal_id
from schemas.values import Money
from services.billing.batch import Batch, Facts
from services.billing.decide import decide
from services.billing.domain import Contract, Entry
from services.billing.reversals import Ledger
from services.billing.vouchers import Codes

INCIDENT, CUSTOMER, CONTRACT = "aruba-2011-04-29", "C-1", "K-1"
DECLARED = datetime(2011, 5, 13, 10, 0, tzinfo=UTC)
WITHDRAWN = datetime(2011, 5, 20, 10, 0, tzinfo=UTC)
ROME = "Europe/Rome"
SECRET = bytes(range(32))
CODES = Codes(SECRET)


def day(text: str) -> date:
    """A date from YYYY-MM-DD."""
    return date.fromisoformat(text)


def contract(
    contract_id: str = CONTRACT,
    ends_on: str | None = "2012-03-01",
    terminated_on: str | None = None,
    customer_id: str = CUSTOMER,
    **attributes: Any,
) -> Contract:
    """A dedicated server's contract; what is said by name beside the dates are its attributes."""
    return Contract(
        contract_id,
        customer_id,
        "dedicated",
        "dedicated-server",
        "arezzo-1",
        day("2009-03-01"),
        day(ends_on) if ends_on else None,
        day(terminated_on) if terminated_on else None,
        Decimal("49.90"),
        "EUR",
        (),
        attributes,
        1,
    )


def extension(
    contract_id: str = CONTRACT,
    days: int = 15,
    rule: str = "extra-days",
    incident: str = INCIDENT,
    revision: int = 1,
    substitutes: Sequence[Substitute] = (),
) -> ExtensionRemedy:
    """Days for a contract."""
    grant = grant_id(incident, CUSTOMER, contract_id, rule)
    return ExtensionRemedy(
        entry_id=entry_id(grant, revision), grant_id=grant, rule=rule, kind="extension",
        contract_id=contract_id, product="dedicated-server", days=days, substitutes=tuple(substitutes),
    )  # fmt: skip


def addon(
    contract_id: str = CONTRACT,
    ends_on: str = "2012-05-13",
    incident: str = INCIDENT,
    revision: int = 1,
    substitutes: Sequence[Substitute] = (),
) -> AddonRemedy:
    """A year of Business Mail on a contract."""
    grant = grant_id(incident, CUSTOMER, contract_id, "business-mail")
    return AddonRemedy(
        entry_id=entry_id(grant, revision), grant_id=grant, rule="business-mail", kind="addon",
        contract_id=contract_id, product="business-mail", ends_on=day(ends_on), substitutes=tuple(substitutes),
    )  # fmt: skip


def voucher(
    customer_id: str = CUSTOMER, incident: str = INCIDENT, shipping: str | None = "1.90", revision: int = 1
) -> VoucherRemedy:
    """The case's voucher: 5.00 EUR at Fotoaruba, shipping up to 1.90 EUR, handling covered."""
    grant = grant_id(incident, customer_id, "customer", "photo-voucher")
    return VoucherRemedy(
        entry_id=entry_id(grant, revision), grant_id=grant, rule="photo-voucher", kind="voucher",
        amount=euros("5.00"), merchant="Fotoaruba", shipping_cap=euros(shipping) if shipping else None,
        handling_covered=True, valid_until=day("2012-05-13"),
    )  # fmt: skip


def credit(
    amount: Money | None = None, customer_id: str = CUSTOMER, incident: str = INCIDENT, revision: int = 1
) -> CreditRemedy:
    """Money on the account."""
    grant = grant_id(incident, customer_id, "customer", "fee-back")
    return CreditRemedy(
        entry_id=entry_id(grant, revision), grant_id=grant, rule="fee-back", kind="credit",
        amount=amount or euros("12.47"),
    )  # fmt: skip


def in_its_place(
    remedy: Remedy, reasons: Sequence[RefusalReason], amount: str = "24.95", *, as_voucher: bool = False
) -> Substitute:
    """A credit (or a voucher) in place of a remedy that is refused for one of these reasons."""
    grant = substitute_id(remedy.grant_id)
    named: dict[str, Any] = {
        "entry_id": entry_id(grant, 1), "grant_id": grant, "rule": remedy.rule, "amount": euros(amount),
    }  # fmt: skip
    if as_voucher:
        stead: VoucherRemedy | CreditRemedy = VoucherRemedy(
            kind="voucher", merchant="Fotoaruba", valid_until=day("2012-05-13"), **named
        )
    else:
        stead = CreditRemedy(kind="credit", **named)
    return Substitute(reasons=tuple(reasons), remedy=stead)


def withdrawal(remedy: Remedy, revision: int = 2, *, honoured: bool = False) -> Withdrawal:
    """That a remedy is no longer owed, since a revision."""
    return Withdrawal(
        entry_id=withdrawal_id(remedy.entry_id, revision), grant_id=remedy.grant_id, rule=remedy.rule,
        kind=remedy.kind, withdraws=remedy.entry_id, honoured=honoured,
    )  # fmt: skip


def euros(amount: str) -> Money:
    """So many EUR."""
    return Money(amount=Decimal(amount), currency="EUR")


def event(
    *remedies: Remedy,
    customer_id: str = CUSTOMER,
    incident: str = INCIDENT,
    declared_at: datetime | None = DECLARED,
    time_zone: str | None = ROME,
    revision: int = 1,
    drill: bool = False,
    letters: tuple[LetterKind, ...] | None = None,
) -> EntitlementGranted:
    """One customer's remedies, declared on 13 May 2011 at noon in Rome unless told otherwise."""
    return EntitlementGranted(
        incident_id=incident, revision=revision, policy="aruba-2011-04-29@1", customer_id=customer_id,
        remedies=remedies, declared_at=declared_at, time_zone=time_zone, drill=drill, letters=letters,
    )  # fmt: skip


def withdrawn(
    *no_longer_owed: Withdrawal,
    customer_id: str = CUSTOMER,
    incident: str = INCIDENT,
    declared_at: datetime = WITHDRAWN,
    time_zone: str = ROME,
    revision: int = 2,
    drill: bool = False,
    letters: tuple[LetterKind, ...] | None = None,
) -> EntitlementWithdrawn:
    """What one customer is no longer owed, declared a week later unless told otherwise."""
    return EntitlementWithdrawn(
        incident_id=incident, revision=revision, policy="aruba-2011-04-29@1", customer_id=customer_id,
        withdrawals=no_longer_owed, declared_at=declared_at, time_zone=time_zone, drill=drill, letters=letters,
    )  # fmt: skip


def decided(
    what: EntitlementGranted, *contracts: Contract, seen: Iterable[str] = (), received_at: datetime = DECLARED
) -> tuple[list[Entry], dict[str, Contract]]:
    """What billing decides about an event, with these contracts in its books."""
    return decide(what, set(seen), {c.contract_id: c for c in contracts}, CODES, received_at)


def extended(held: Contract, remedies: Sequence[Remedy] = (), **about: Any) -> tuple[Entry, Contract]:
    """The entry and the contract after one event with one extension (of 15 days unless told otherwise)."""
    entries, changed = decided(event(*(remedies or [extension(held.contract_id)]), **about), held)
    return entries[0], changed.get(held.contract_id, held)


def settled(
    *events: EntitlementGranted | EntitlementWithdrawn, held: Iterable[Contract] = (), received_at: datetime = DECLARED
) -> Batch:
    """Events taken as one batch by empty books, with these contracts."""
    batch = Batch(Facts(contracts={c.contract_id: c for c in held}, ledger=Ledger()), CODES)
    for one in events:
        if isinstance(one, EntitlementGranted):
            batch.grant("p0", one, received_at)
        else:
            batch.withdraw("p0", one)
    return batch


def reversal(
    given: EntitlementGranted, taken: EntitlementWithdrawn, *held: Contract
) -> tuple[Entry, dict[str, Contract]]:
    """The one entry for a withdrawal after what it withdraws, and the contracts as they stand then."""
    batch = settled(given, taken, held=held)
    ((_, (entry,), _),) = batch.reversed
    return entry, batch.changed
