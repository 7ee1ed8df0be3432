"""The ledger, whatever comes in whatever order, however often, however it is cut into batches: the same books.

What is judged by a date depends on the contract as it stands. So no declaration lies between a contract's own end and
the end that earlier extensions gave it, except where a test says what happens there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EntitlementGranted, Remedy
from services.billing.decide import decide
from services.billing.domain import Addon, Contract, Entry, Voucher
from tests.unit.billing.builders import CODES, addon, contract, credit, event, extension, voucher

FIRST_DECLARED, LAST_DECLARED = date(2011, 5, 1), date(2011, 5, 31)


@dataclass
class Books:
    """Billing's tables in memory: the fold of all batches over the contracts as they were."""

    contracts: dict[str, Contract]
    entries: dict[str, Entry] = field(default_factory=dict)
    events: int = 0

    def take(self, batch: Iterable[EntitlementGranted]) -> None:
        """Apply a batch, as the handler does: what stands in the ledger already has had its effect."""
        for one in batch:
            entries, changed = decide(one, self.entries.keys(), self.contracts, CODES, datetime(2031, 1, 1, tzinfo=UTC))
            self.entries |= {entry.entry_id: entry for entry in entries}
            self.contracts |= changed
            self.events += bool(entries)

    def told(self) -> tuple[object, ...]:
        """All that must not depend on the order; which days an entry moved from and to does, and so is left out."""
        ends = {c.contract_id: (c.ends_on, c.terminated_on, c.version) for c in self.contracts.values()}
        addons = {c.contract_id: frozenset(c.complimentary) for c in self.contracts.values()}
        entries = {e.entry_id: e._replace(ends_on_before=None, ends_on_after=None) for e in self.entries.values()}
        vouchers = {e.grant_id: e.issued for e in self.entries.values() if isinstance(e.issued, Voucher)}
        return ends, addons, entries, vouchers


def ends(at_earliest: date, at_latest: date) -> st.SearchStrategy[str]:
    return st.dates(at_earliest, at_latest).map(date.isoformat)


over = ends(FIRST_DECLARED - timedelta(days=400), FIRST_DECLARED - timedelta(days=1))
running = ends(LAST_DECLARED + timedelta(days=2), LAST_DECLARED + timedelta(days=400))
contracts = st.lists(
    st.builds(contract, ends_on=st.one_of(st.none(), over, running), terminated_on=st.one_of(st.none(), over, running)),
    min_size=1,
    max_size=4,
).map(lambda made: {f"K-{n}": one._replace(contract_id=f"K-{n}") for n, one in enumerate(made)})
names = st.sampled_from([f"K-{n}" for n in range(5)])  # some of them nobody's


@st.composite
def entitlements(draw: st.DrawFn) -> list[EntitlementGranted]:
    """Events of up to six incidents, each declared on some day of May, each with up to four remedies."""
    made = []
    for number in range(draw(st.integers(1, 6))):
        incident = f"incident-{number}"
        remedies: dict[str, Remedy] = {}
        for kind, name, days in draw(
            st.lists(st.tuples(st.integers(0, 3), names, st.integers(1, 40)), min_size=1, max_size=4)
        ):
            remedy: Remedy
            match kind:
                case 0:
                    remedy = extension(name, days, incident=incident)
                case 1:
                    remedy = addon(name, incident=incident)
                case 2:
                    remedy = voucher(incident=incident)
                case _:
                    remedy = credit(incident=incident)
            remedies.setdefault(remedy.entry_id, remedy)
        day = draw(st.dates(FIRST_DECLARED, LAST_DECLARED))
        declared = datetime(day.year, day.month, day.day, draw(st.integers(3, 21)), tzinfo=UTC)
        made.append(event(*remedies.values(), incident=incident, declared_at=declared))
    return made


def cut(events: Sequence[EntitlementGranted], sizes: Sequence[int]) -> list[Sequence[EntitlementGranted]]:
    """The events in batches of these sizes, the last one with what is left."""
    batches, start = [], 0
    for size in (*sizes, len(events)):
        batches.append(events[start : start + size])
        start += size
    return batches


@given(contracts, entitlements(), st.data())
def test_any_order_any_repetition_and_any_batching_gives_the_same_books(
    held: dict[str, Contract], events: list[EntitlementGranted], data: st.DataObject
) -> None:
    plain = Books(dict(held))
    plain.take(events)
    repeated = [*events, *data.draw(st.lists(st.sampled_from(events), max_size=6))]
    shuffled = data.draw(st.permutations(repeated))
    otherwise = Books(dict(held))
    for batch in cut(shuffled, data.draw(st.lists(st.integers(1, 5), max_size=4))):
        otherwise.take(batch)
    assert otherwise.told() == plain.told()
    assert otherwise.events == plain.events == len(events)


@given(contracts, entitlements())
def test_an_end_is_the_agreed_one_plus_the_sum_of_the_days(
    held: dict[str, Contract], events: list[EntitlementGranted]
) -> None:
    books = Books(dict(held))
    books.take(events)
    for name, before in held.items():
        applied = [e for e in books.entries.values() if e.contract_id == name and e.reason is None]
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


def test_the_days_of_one_remedy_are_counted_once_however_its_event_is_repeated_within_a_batch() -> None:
    one = event(extension())
    books = Books({"K-1": contract()})
    books.take([one] * 10)
    assert books.contracts["K-1"].ends_on == date(2012, 3, 16)
