"""What becomes of a remedy that is no longer owed: an entry of its own takes it back, or says why it stands.

Pure, from the withdrawal, the customer's entries, and contracts and vouchers as they stand. Nothing is rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from schemas.events import EntitlementWithdrawn, StandsBecause
from services.billing.domain import Contract, Entry, Target, Voucher, Withdrawn, local_date
from services.billing.vouchers import CodeSource


def withdrawals(event: EntitlementWithdrawn) -> list[Withdrawn]:
    """What an event says is no longer owed, one by one."""
    return [
        Withdrawn(
            event.incident_id,
            event.customer_id,
            one.entry_id,
            one.grant_id,
            event.revision,
            one.rule,
            one.withdraws,
            one.honoured,
            event.declared_at,
            event.time_zone,
            event.drill,
            event.letters,
        )
        for one in event.withdrawals
    ]


@dataclass
class Ledger:
    """The entries of the customers whom withdrawals concern: what was given, in whose place, what was taken back."""

    _given: dict[str, Entry] = field(default_factory=dict)
    _in_place_of: dict[str, Entry] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Ledger:
        """The ledger with these entries."""
        ledger = cls()
        ledger.add(entries)
        return ledger

    def add(self, entries: Iterable[Entry]) -> None:
        """Take these entries in as well."""
        for entry in entries:
            if entry.reverses is not None:
                if entry.reason is None:
                    self._taken.add(entry.reverses)
            elif entry.substitutes is not None:
                self._in_place_of[entry.substitutes] = entry
            else:
                self._given[entry.entry_id] = entry

    def given(self, entry_id: str) -> Entry | None:
        """The entry that was given under this id, applied or refused."""
        return self._given.get(entry_id)

    def standing(self, given: Entry) -> Entry | None:
        """What has an effect because of a given entry: itself, or what took its place; None when nothing has."""
        if given.entry_id in self._taken:
            return None
        return given if given.reason is None else self._in_place_of.get(given.entry_id)


def take_back(
    withdrawn: Withdrawn, given: Entry, ledger: Ledger, contracts: Mapping[str, Contract], codes: CodeSource
) -> tuple[Entry, Contract | None]:
    """The entry for a withdrawal of a given one, and the contract that it changes.

    What has an effect because of the given entry is taken back: its own, or its substitute's. `contracts` must hold the
    contract of an extension or add-on that may be taken back.
    """
    standing = ledger.standing(given)
    about = standing or given
    contract = contracts.get(about.contract_id or "")
    reason = _stands_because(withdrawn, standing, contract)
    entry = Entry(
        withdrawn.incident_id,
        withdrawn.customer_id,
        withdrawn.revision,
        withdrawn.entry_id,
        withdrawn.grant_id,
        withdrawn.rule,
        about.kind,
        withdrawn.drill,
        reason,
        about.contract_id,
        about.product,
        reverses=withdrawn.withdraws,
        target=_target(withdrawn, about, codes),
    )
    if reason == "refused_before":
        return entry, None
    entry = entry._replace(
        days=None if about.days is None else -about.days,
        amount=None if about.amount is None else -about.amount,
        currency=about.currency,
    )
    if contract is None or reason is not None:
        return entry, None
    if about.kind == "addon":
        return entry, contract.without_addon(about.entry_id, _day(withdrawn))
    after = contract.extended(-(about.days or 0))
    return entry._replace(ends_on_before=contract.ends_on, ends_on_after=after.ends_on), after


def _stands_because(withdrawn: Withdrawn, standing: Entry | None, contract: Contract | None) -> StandsBecause | None:
    """Why nothing is taken back, if so. A drill never had an effect, and what was used is not taken back."""
    if withdrawn.honoured:
        return "honoured"
    if standing is None or standing.drill or withdrawn.drill:
        return "refused_before"
    if standing.kind == "voucher":
        return "redeemed" if isinstance(standing.issued, Voucher) and standing.issued.redeemed else None
    if standing.kind == "extension":
        return "used" if contract is None or _are_used(standing.days or 0, contract, withdrawn) else None
    return None


def _are_used(days: int, contract: Contract, withdrawn: Withdrawn) -> bool:
    """Whether some of the days are over: without them service would have ended before the withdrawal was declared."""
    today = contract.day(withdrawn.declared_at, withdrawn.time_zone)
    return contract.extended(-days).last_day < today


def _target(withdrawn: Withdrawn, about: Entry, codes: CodeSource) -> Target:
    target = Target(about.entry_id, _day(withdrawn), withdrawn.declared_at)
    voucher = about.issued
    if not isinstance(voucher, Voucher) or about.drill:
        return target
    code = codes.code(about.entry_id)
    known = codes.hashed(code) == voucher.code_hash  # another secret made it: the code that we would tell is none
    return target._replace(merchant=voucher.merchant, code=code if known else None)


def _day(withdrawn: Withdrawn) -> date:
    """The day from which an add-on is withdrawn: the declaration's where the policy lives, as its first day was."""
    return local_date(withdrawn.declared_at, withdrawn.time_zone)
