"""What becomes of a remedy that is no longer owed: taken back by an entry of its own, or left to stand, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from schemas.events import Remedy
from schemas.ids import withdrawal_id
from services.billing.batch import Batch, Facts
from services.billing.domain import Addon, Voucher
from services.billing.reversals import Ledger
from tests.unit.billing.builders import (
    CODES,
    CONTRACT,
    CUSTOMER,
    INCIDENT,
    addon,
    contract,
    credit,
    day,
    decided,
    event,
    extension,
    in_its_place,
    reversal,
    settled,
    voucher,
    withdrawal,
    withdrawn,
)

EVERY_KIND: list[Remedy] = [extension(), addon(), voucher(), credit()]


def test_days_are_taken_back_by_an_entry_with_negative_days() -> None:
    entry, changed = reversal(event(extension()), withdrawn(withdrawal(extension())), contract())
    assert (entry.kind, entry.outcome, entry.reason, entry.days) == ("extension", "applied", None, -15)
    assert (entry.ends_on_before, entry.ends_on_after) == (day("2012-03-16"), day("2012-03-01"))
    assert (entry.contract_id, entry.product) == (CONTRACT, "dedicated-server")
    assert changed[CONTRACT].ends_on == day("2012-03-01")
    assert changed[CONTRACT].version == contract().version + 2


def test_a_scheduled_cancellation_moves_back_with_the_end() -> None:
    held = contract(ends_on="2012-03-01", terminated_on="2011-12-01")
    _, changed = reversal(event(extension()), withdrawn(withdrawal(extension())), held)
    assert (changed[CONTRACT].ends_on, changed[CONTRACT].terminated_on) == (held.ends_on, held.terminated_on)


def test_an_addon_is_withdrawn_from_the_day_of_the_declaration_on() -> None:
    entry, changed = reversal(event(addon()), withdrawn(withdrawal(addon())), contract())
    assert (entry.kind, entry.outcome, entry.contract_id) == ("addon", "applied", CONTRACT)
    assert entry.target is not None
    assert (entry.target.entry_id, entry.target.day) == (addon().entry_id, day("2011-05-20"))
    left = Addon(addon().entry_id, "business-mail", day("2011-05-13"), day("2011-05-20"))
    assert changed[CONTRACT].complimentary == (left,)
    assert changed[CONTRACT].version == contract().version + 2


@pytest.mark.parametrize(
    ("ends_on", "declared_on", "left"),
    [
        ("2012-05-13", "2011-05-13", "2011-05-13"),  # on its first day
        ("2012-05-13", "2011-05-01", "2011-05-13"),  # by a declaration that says to be older: never before its start
        ("2012-05-13", "2012-05-13", "2012-05-13"),
        ("2011-05-16", "2011-05-20", "2011-05-16"),  # it was over already
    ],
)
def test_a_withdrawn_addon_ends_within_its_own_days(ends_on: str, declared_on: str, left: str) -> None:
    at = datetime.fromisoformat(f"{declared_on}T10:00:00+00:00")
    remedy = addon(ends_on=ends_on)
    _, changed = reversal(event(remedy), withdrawn(withdrawal(remedy), declared_at=at), contract())
    assert changed[CONTRACT].complimentary[0].ends_on == day(left)


def test_an_addon_that_is_withdrawn_leaves_the_others_alone() -> None:
    second = addon(incident="second")
    batch = settled(event(addon()), event(second, incident="second"), withdrawn(withdrawal(addon())), held=[contract()])
    assert [one.ends_on for one in batch.changed[CONTRACT].complimentary] == [day("2011-05-20"), day("2012-05-13")]


def test_a_voucher_is_voided_and_named_by_its_code() -> None:
    entry, changed = reversal(event(voucher()), withdrawn(withdrawal(voucher())))
    assert (entry.kind, entry.outcome, entry.amount, entry.currency) == ("voucher", "applied", Decimal("-5.00"), "EUR")
    assert entry.target is not None
    assert (entry.target.merchant, entry.target.code) == ("Fotoaruba", CODES.code(voucher().entry_id))
    assert entry.issued is None
    assert changed == {}


def test_a_credit_is_taken_back_by_a_negative_entry() -> None:
    entry, _ = reversal(event(credit()), withdrawn(withdrawal(credit())))
    assert (entry.kind, entry.outcome, entry.amount, entry.currency) == ("credit", "applied", Decimal("-12.47"), "EUR")


@pytest.mark.parametrize("remedy", EVERY_KIND, ids=lambda remedy: remedy.kind)
def test_a_reversal_says_what_it_answers(remedy: Remedy) -> None:
    entry, _ = reversal(event(remedy), withdrawn(withdrawal(remedy, 3), revision=3), contract())
    assert entry.entry_id == withdrawal_id(remedy.entry_id, 3)
    assert (entry.reverses, entry.grant_id, entry.rule) == (remedy.entry_id, remedy.grant_id, remedy.rule)
    assert (entry.incident_id, entry.customer_id, entry.revision) == (INCIDENT, CUSTOMER, 3)


@pytest.mark.parametrize("remedy", EVERY_KIND, ids=lambda remedy: remedy.kind)
def test_what_is_honoured_stands(remedy: Remedy) -> None:
    batch = settled(event(remedy), held=[contract()])
    before = dict(batch.changed)
    batch.withdraw("p0", withdrawn(withdrawal(remedy, honoured=True)))
    ((_, (entry,), _),) = batch.reversed
    assert (entry.outcome, entry.reason) == ("refused", "honoured")
    assert (entry.days, entry.amount) in (
        (-15, None),
        (None, None),
        (None, Decimal("-5.00")),
        (None, Decimal("-12.47")),
    )
    assert batch.changed == before


def test_a_redeemed_voucher_is_never_taken_back() -> None:
    ((given,), _) = decided(event(voucher()))
    assert isinstance(given.issued, Voucher)
    redeemed = given._replace(issued=given.issued._replace(redeemed=True))
    batch = Batch(Facts(ledger=Ledger.of([redeemed])), CODES)
    batch.withdraw("p0", withdrawn(withdrawal(voucher())))
    ((_, (entry,), _),) = batch.reversed
    assert (entry.outcome, entry.reason, entry.amount) == ("refused", "redeemed", Decimal("-5.00"))
    assert entry.target is not None
    assert entry.target.code == CODES.code(voucher().entry_id)


@pytest.mark.parametrize(
    ("ends_on", "terminated_on", "declared_on", "reason"),
    [
        ("2011-05-20", None, "2011-05-20", None),  # without the days its last day is today
        ("2011-05-19", None, "2011-05-20", "used"),  # it lives on the days already
        ("2011-05-13", None, "2011-06-30", "used"),  # they are all over
        ("2012-03-01", "2011-05-21", "2011-05-20", None),  # without service from tomorrow on
        ("2012-03-01", "2011-05-20", "2011-05-20", "used"),  # it would have stopped yesterday
        ("2011-05-20", "2012-01-01", "2011-05-20", None),
    ],
)
def test_days_that_were_used_are_not_taken_back(
    ends_on: str, terminated_on: str | None, declared_on: str, reason: str | None
) -> None:
    at = datetime.fromisoformat(f"{declared_on}T10:00:00+00:00")
    held = contract(ends_on=ends_on, terminated_on=terminated_on)
    entry, changed = reversal(event(extension()), withdrawn(withdrawal(extension()), declared_at=at), held)
    assert (entry.reason, entry.days) == (reason, -15)
    moved = 0 if reason is None else 15
    assert changed[CONTRACT].ends_on == held.extended(moved).ends_on
    assert (entry.ends_on_after is None) == (reason is not None)


@pytest.mark.parametrize(("zone", "reason"), [("Europe/Rome", "used"), ("America/New_York", None)])
def test_days_are_used_by_the_calendar_where_the_contract_lives(zone: str, reason: str | None) -> None:
    late = datetime(2011, 5, 20, 23, 30, tzinfo=UTC)  # in Rome it is the 21st
    held = contract(ends_on="2011-05-20", time_zone=zone)
    entry, _ = reversal(event(extension()), withdrawn(withdrawal(extension()), declared_at=late), held)
    assert entry.reason == reason


def test_days_count_as_used_by_what_else_stands_on_the_contract() -> None:
    """Two incidents gave 15 days each: as long as the other's carry the contract, these are not used."""
    held = contract(ends_on="2011-05-13")
    second = extension(incident="second")
    batch = settled(event(extension()), event(second, incident="second"), held=[held])
    batch.withdraw("p0", withdrawn(withdrawal(extension())))
    batch.withdraw("p0", withdrawn(withdrawal(second), incident="second"))
    assert [answer.entries[0].reason for answer in batch.reversed] == [None, "used"]
    assert batch.changed[CONTRACT].ends_on == day("2011-05-28")


@pytest.mark.parametrize(
    "remedy", [extension("K-404"), extension("K-open"), addon("K-404")], ids=["unknown", "open-ended", "add-on"]
)
def test_what_was_refused_has_nothing_to_take_back(remedy: Remedy) -> None:
    entry, changed = reversal(event(remedy), withdrawn(withdrawal(remedy)), contract("K-open", ends_on=None))
    assert (entry.outcome, entry.reason, entry.kind) == ("refused", "refused_before", remedy.kind)
    assert (entry.days, entry.amount) == (None, None)
    assert changed == {}


def test_nothing_is_taken_back_twice() -> None:
    batch = settled(event(extension()), held=[contract()])
    batch.withdraw("p0", withdrawn(withdrawal(extension(), 2)))
    batch.withdraw("p0", withdrawn(withdrawal(extension(), 4), revision=4))
    assert [answer.entries[0].reason for answer in batch.reversed] == [None, "refused_before"]
    assert batch.changed[CONTRACT].ends_on == contract().ends_on


def test_what_was_honoured_first_can_be_taken_back_later() -> None:
    batch = settled(event(extension()), held=[contract()])
    batch.withdraw("p0", withdrawn(withdrawal(extension(), 2, honoured=True)))
    batch.withdraw("p0", withdrawn(withdrawal(extension(), 4), revision=4))
    assert [answer.entries[0].reason for answer in batch.reversed] == ["honoured", None]


def test_one_event_has_one_answer() -> None:
    batch = settled(event(*EVERY_KIND), withdrawn(*map(withdrawal, EVERY_KIND)), held=[contract()])
    (answer,) = batch.reversed
    assert [entry.kind for entry in answer.entries] == ["extension", "addon", "voucher", "credit"]
    assert {entry.outcome for entry in answer.entries} == {"applied"}


def test_the_letters_that_the_policy_wants_are_passed_on() -> None:
    batch = settled(
        event(credit(), letters=("announcement",)), withdrawn(withdrawal(credit()), letters=("announcement", "details"))
    )
    assert [answer.letters for answer in batch.applied] == [("announcement",)]
    assert [answer.letters for answer in batch.reversed] == [("announcement", "details")]


# ── A withdrawal before what it withdraws ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("remedy", EVERY_KIND, ids=lambda remedy: remedy.kind)
def test_a_withdrawal_that_comes_first_waits_and_takes_effect_with_its_original(remedy: Remedy) -> None:
    in_order = settled(event(remedy), withdrawn(withdrawal(remedy)), held=[contract()])
    the_other_way = settled(withdrawn(withdrawal(remedy)), event(remedy), held=[contract()])
    assert the_other_way.reversed == in_order.reversed
    assert the_other_way.applied == in_order.applied
    assert the_other_way.changed == in_order.changed
    assert the_other_way.held == []


def test_a_withdrawal_waits_until_its_original_comes() -> None:
    batch = settled(withdrawn(withdrawal(extension())), withdrawn(withdrawal(extension())), held=[contract()])
    assert [one.withdraws for one in batch.held] == [extension().entry_id]
    assert (batch.applied, batch.reversed, batch.changed) == ([], [], {})


def test_what_waits_does_not_keep_the_rest_of_its_event_waiting() -> None:
    both = withdrawn(withdrawal(credit()), withdrawal(extension()))
    batch = settled(event(credit()), both, held=[contract()])
    assert [[entry.kind for entry in answer.entries] for answer in batch.reversed] == [["credit"]]
    batch.grant("p1", event(extension()), datetime(2031, 1, 1, tzinfo=UTC))
    assert [[entry.kind for entry in answer.entries] for answer in batch.reversed] == [["credit"], ["extension"]]
    assert batch.reversed[1].lane == "p1"
    assert batch.held == []


def test_withdrawals_of_two_revisions_that_waited_are_answered_one_by_one() -> None:
    batch = settled(
        withdrawn(withdrawal(voucher(), 3), revision=3),
        withdrawn(withdrawal(extension(), 2), revision=2),
        event(extension(), voucher()),
        held=[contract()],
    )
    assert [[(e.revision, e.kind) for e in entries] for _, entries, _ in batch.reversed] == [
        [(2, "extension")],
        [(3, "voucher")],
    ]


# ── Substitutes ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("as_voucher", [False, True])
def test_a_withdrawal_of_what_was_refused_takes_back_what_took_its_place(as_voucher: bool) -> None:
    stead = in_its_place(extension(), ["open_ended"], as_voucher=as_voucher)
    remedy = extension(substitutes=[stead])
    entry, changed = reversal(event(remedy), withdrawn(withdrawal(remedy)), contract(ends_on=None))
    assert (entry.kind, entry.outcome) == (stead.remedy.kind, "applied")
    assert (entry.amount, entry.currency, entry.contract_id) == (Decimal("-24.95"), "EUR", None)
    assert (entry.reverses, entry.substitutes) == (remedy.entry_id, None)
    assert entry.target is not None
    assert entry.target.entry_id == stead.remedy.entry_id
    assert changed == {}


def test_a_substitute_that_is_honoured_stands() -> None:
    remedy = extension(substitutes=[in_its_place(extension(), ["open_ended"])])
    entry, _ = reversal(event(remedy), withdrawn(withdrawal(remedy, honoured=True)), contract(ends_on=None))
    assert (entry.kind, entry.reason, entry.amount) == ("credit", "honoured", Decimal("-24.95"))


def test_a_substitute_is_not_taken_back_twice() -> None:
    remedy = extension(substitutes=[in_its_place(extension(), ["open_ended"])])
    batch = settled(event(remedy), held=[contract(ends_on=None)])
    batch.withdraw("p0", withdrawn(withdrawal(remedy, 2)))
    batch.withdraw("p0", withdrawn(withdrawal(remedy, 4), revision=4))
    assert [answer.entries[0].reason for answer in batch.reversed] == [None, "refused_before"]
