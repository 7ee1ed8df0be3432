"""The ledger, whatever comes in whatever order, however often, however it is cut into batches: the same books."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EntitlementGranted
from services.billing.batch import Batch, Facts
from services.billing.domain import Addon, Contract, Entry, Voucher, Withdrawn
from services.billing.reversals import Ledger
from tests.unit.billing.builders import CODES, contract, event, extension
from tests.unit.billing.strategies import Event, contracts, cut, entitlements, lives


@dataclass
class Books:
    """Billing's tables in memory: the fold of all batches over the contracts as they were."""

    contracts: dict[str, Contract]
    entries: dict[str, Entry] = field(default_factory=dict)
    held: dict[str, Withdrawn] = field(default_factory=dict)
    events: int = 0

    def take(self, batch: Iterable[Event]) -> None:
        """Apply a batch, as the handler does: what stands in the ledger already has had its effect."""
        facts = Facts(set(self.entries), self.contracts, Ledger.of(self.entries.values()), tuple(self.held.values()))
        settled = Batch(facts, CODES)
        for one in batch:
            if isinstance(one, EntitlementGranted):
                settled.grant("p0", one, datetime(2031, 1, 1, tzinfo=UTC))
            else:
                settled.withdraw("p0", one)
        for answer in (*settled.applied, *settled.reversed):
            self.entries |= {entry.entry_id: entry for entry in answer.entries}
        self.contracts = self.contracts | settled.changed
        self.held |= {one.entry_id: one for one in settled.held}
        for entry_id in settled.released:
            del self.held[entry_id]
        self.events += len(settled.applied)

    def told(self) -> tuple[object, ...]:
        """All that must not depend on the order; which days an entry moved from and to does, and so is left out."""
        ends = {c.contract_id: (c.ends_on, c.terminated_on, c.version) for c in self.contracts.values()}
        addons = {c.contract_id: frozenset(c.complimentary) for c in self.contracts.values()}
        entries = {e.entry_id: e._replace(ends_on_before=None, ends_on_after=None) for e in self.entries.values()}
        return ends, addons, entries, self.held


@given(contracts, lives(), st.data())
def test_any_order_any_repetition_and_any_batching_gives_the_same_books(
    held: dict[str, Contract], events: list[Event], data: st.DataObject
) -> None:
    plain = Books(dict(held))
    plain.take(events)
    repeated = [*events, *data.draw(st.lists(st.sampled_from(events), max_size=6))]
    shuffled = data.draw(st.permutations(repeated))
    otherwise = Books(dict(held))
    for batch in cut(shuffled, data.draw(st.lists(st.integers(1, 5), max_size=4))):
        otherwise.take(batch)
    assert otherwise.told() == plain.told()
    assert otherwise.events == plain.events
    assert not plain.held


@given(contracts, lives())
def test_an_end_is_the_agreed_one_plus_the_sum_of_the_days(held: dict[str, Contract], events: list[Event]) -> None:
    books = Books(dict(held))
    books.take(events)
    for name, before in held.items():
        applied = [e for e in books.entries.values() if e.contract_id == name and e.is_effective]
        days = timedelta(days=sum(e.days or 0 for e in applied))
        after = books.contracts[name]
        assert after.ends_on == (before.ends_on and before.ends_on + days)
        assert after.terminated_on == (before.terminated_on and before.terminated_on + days)
        assert after.version == before.version + len(applied)


@given(contracts, entitlements())
def test_the_entries_of_a_contract_are_a_chain_of_dates(
    held: dict[str, Contract], events: list[EntitlementGranted]
) -> None:
    books = Books(dict(held))
    books.take(events)
    standing = {name: one.ends_on for name, one in held.items()}
    for entry in books.entries.values():
        if entry.kind == "extension" and entry.reason is None:
            assert entry.contract_id is not None
            assert entry.days is not None
            before = standing[entry.contract_id]
            assert before is not None
            assert (entry.ends_on_before, entry.ends_on_after) == (before, before + timedelta(days=entry.days))
            standing[entry.contract_id] = entry.ends_on_after


@given(contracts, entitlements())
def test_every_remedy_gets_exactly_one_entry(held: dict[str, Contract], events: list[EntitlementGranted]) -> None:
    books = Books(dict(held))
    books.take([*events, *events])
    assert sorted(books.entries) == sorted(remedy.entry_id for one in events for remedy in one.remedies)


@given(contracts, entitlements())
def test_only_an_applied_remedy_has_an_effect(held: dict[str, Contract], events: list[EntitlementGranted]) -> None:
    books = Books(dict(held))
    books.take(events)
    for entry in books.entries.values():
        if entry.reason is not None:
            assert entry.issued is None
            assert entry.ends_on_after is None
            assert entry.kind in ("extension", "addon")
    given_addons = {addon.addon_id for one in books.contracts.values() for addon in one.complimentary}
    assert given_addons == {e.issued.addon_id for e in books.entries.values() if isinstance(e.issued, Addon)}


@given(entitlements())
def test_no_two_grants_share_a_code(events: list[EntitlementGranted]) -> None:
    books = Books({})
    books.take(events)
    vouchers = [e.issued for e in books.entries.values() if isinstance(e.issued, Voucher)]
    assert len({one.code for one in vouchers}) == len({one.code_hash for one in vouchers}) == len(vouchers)


@given(contracts, lives())
def test_sums_are_the_truth(held: dict[str, Contract], events: list[Event]) -> None:
    """What is taken back is exactly what was given, once: no customer ends with less than nothing."""
    books = Books(dict(held))
    books.take(events)
    effective = [entry for entry in books.entries.values() if entry.is_effective]
    for taken in (entry for entry in effective if entry.reverses is not None):
        given = [e for e in effective if taken.reverses in (e.entry_id, e.substitutes)]
        assert [(e.days, e.amount) for e in given] == [(taken.days and -taken.days, taken.amount and -taken.amount)]
    assert sum(entry.amount or 0 for entry in effective) >= 0
    assert all(books.contracts[name].ends_on == one.ends_on for name, one in held.items() if not _is_given(name, books))


def _is_given(contract_id: str, books: Books) -> bool:
    """Whether the days that a contract was given stand, in whole or in part."""
    return sum(e.days or 0 for e in books.entries.values() if e.contract_id == contract_id and e.is_effective) > 0


def test_the_days_of_one_remedy_are_counted_once_however_its_event_is_repeated_within_a_batch() -> None:
    one = event(extension())
    books = Books({"K-1": contract()})
    books.take([one] * 10)
    assert books.contracts["K-1"].ends_on == date(2012, 3, 16)
