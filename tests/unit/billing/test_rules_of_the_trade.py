"""The rules of the trade that live in billing, each by its name in one small case; the tables are elsewhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from schemas.events import Remedy
from schemas.values import Money
from services.billing.domain import Addon, Contract, Voucher
from services.billing.messages import money, outcome, reversal
from services.billing.vouchers import ALPHABET, Codes, is_well_formed, plain
from tests.unit.billing.builders import (
    CODES,
    SECRET,
    addon,
    contract,
    credit,
    day,
    decided,
    event,
    extension,
    settled,
    voucher,
    withdrawal,
    withdrawn,
)


def test_several_contracts_each_are_extended_each_have_their_addon_and_the_customer_has_one_voucher() -> None:
    """Several contracts: extension per contract, voucher per customer, add-on per eligible contract."""
    held = [contract(f"K-{n}") for n in range(3)]
    remedies: list[Remedy] = [
        *[extension(c.contract_id) for c in held],
        *[addon(c.contract_id) for c in held],
        voucher(),
    ]
    entries, changed = decided(event(*remedies), *held)
    assert [entry.contract_id for entry in entries if entry.kind == "extension"] == ["K-0", "K-1", "K-2"]
    assert [entry.contract_id for entry in entries if entry.kind == "addon"] == ["K-0", "K-1", "K-2"]
    assert [entry.contract_id for entry in entries if entry.kind == "voucher"] == [None]
    assert {c.ends_on for c in changed.values()} == {day("2012-03-16")}
    assert [len(c.complimentary) for c in changed.values()] == [1, 1, 1]


@pytest.mark.parametrize("first_is_first", [True, False])
def test_additive_extensions_of_two_incidents_give_the_same_date_in_any_order(first_is_first: bool) -> None:
    """Additive extensions: ends_on = base + the sum of the days, in any order; a date is never set."""
    both = [event(extension(days=15)), event(extension(incident="second", days=7), incident="second")]
    batch = settled(*(both if first_is_first else reversed(both)), held=[contract()])
    assert batch.changed["K-1"].ends_on == day("2012-03-01") + timedelta(days=15 + 7)


@pytest.mark.parametrize(
    ("ends_on", "after"),
    [
        ("2011-10-25", "2011-11-09"),  # the end of summer time lies between: 15 dates, not 360 hours
        ("2012-02-14", "2012-02-29"),
        ("2013-02-14", "2013-03-01"),
        ("2011-12-31", "2012-01-15"),
    ],
)
def test_calendar_days_are_dates(ends_on: str, after: str) -> None:
    """Calendar days are DATE arithmetic: daylight saving, 28/29 February and 31 December hold."""
    _, changed = decided(event(extension()), contract(ends_on=ends_on))
    assert changed["K-1"].ends_on == day(after)


def test_a_scheduled_cancellation_moves_with_the_extension_and_back_with_its_withdrawal() -> None:
    """A scheduled cancellation moves with the extension."""
    held = contract(terminated_on="2011-12-01")
    batch = settled(event(extension()), held=[held])
    assert batch.changed["K-1"].terminated_on == day("2011-12-16")
    batch.withdraw("p0", withdrawn(withdrawal(extension())))
    assert batch.changed["K-1"].terminated_on == held.terminated_on


def test_an_addon_carries_its_own_end_whatever_becomes_of_the_contract() -> None:
    """Add-ons carry their own ends_on, never auto-renew, and are marked complimentary."""
    (entry, _), changed = decided(event(addon(), extension()), contract(ends_on="2011-06-13"))
    assert isinstance(entry.issued, Addon)
    assert changed["K-1"].complimentary == (entry.issued,)
    assert entry.issued.ends_on == day("2012-05-13")
    assert changed["K-1"].ends_on == day("2011-06-28")
    assert changed["K-1"].addons == ()  # a gift is none of the add-ons that he pays for


def test_a_voucher_has_two_caps_and_a_code_that_nobody_can_guess_or_mistype() -> None:
    """Vouchers: value and shipping have separate caps, handling is covered; the code is derived, and checked."""
    (entry,), _ = decided(event(voucher()))
    issued = entry.issued
    assert isinstance(issued, Voucher)
    assert (issued.amount, issued.shipping_cap, issued.handling_covered) == (Decimal("5.00"), Decimal("1.90"), True)
    assert issued.code == Codes(SECRET).code(entry.entry_id)  # a replay yields the same
    assert (len(plain(issued.code)) - 1) * 5 >= 80
    assert set(plain(issued.code)) <= set(ALPHABET)
    assert is_well_formed(issued.code)
    assert issued.code.encode() not in issued.code_hash


def test_amended_gives_only_the_difference() -> None:
    """Amended: only the difference is granted, as an entry of its own beside the first."""
    batch = settled(event(extension(days=15)), event(extension(days=5, revision=2), revision=2), held=[contract()])
    assert [entry.days for answer in batch.applied for entry in answer.entries] == [15, 5]
    assert batch.changed["K-1"].ends_on == day("2012-03-01") + timedelta(days=20)


def test_several_vouchers_of_one_grant_are_several_vouchers() -> None:
    """Amended: what is issued is known by its entry, so a difference is a voucher of its own."""
    batch = settled(event(voucher()), event(voucher(revision=2), revision=2))
    issued = [entry.issued for answer in batch.applied for entry in answer.entries]
    assert len({one.code for one in issued if isinstance(one, Voucher)}) == 2


@pytest.mark.parametrize("honoured", [True, False])
def test_narrowed_or_retracted_what_was_given_is_honoured_or_reversed_by_new_entries(honoured: bool) -> None:
    """Narrowed or retracted: honoured by default; where the policy says reverse, reversals are new entries."""
    given = event(extension(), voucher(), credit())
    batch = settled(given, held=[contract()])
    first = list(batch.applied[0].entries)
    batch.withdraw("p0", withdrawn(*[withdrawal(one, honoured=honoured) for one in given.remedies]))
    assert batch.applied[0].entries == first
    entries = batch.reversed[0].entries
    assert {entry.outcome for entry in entries} == {"refused" if honoured else "applied"}
    total = sum(entry.days or 0 for entry in (*first, *entries) if entry.is_effective)
    assert total == (15 if honoured else 0)
    assert batch.changed["K-1"].ends_on == contract().extended(total).ends_on


def test_a_drill_runs_the_whole_way_and_has_no_effect() -> None:
    """Drills: no effect on contracts, money or mailboxes, and marked everywhere."""
    batch = settled(event(extension(), addon(), voucher(), credit(), drill=True), held=[contract()])
    entries = batch.applied[0].entries
    assert len(entries) == 4
    assert all(entry.drill and not entry.is_effective for entry in entries)
    assert batch.changed == {}


@pytest.mark.parametrize(
    ("amount", "currency", "told"), [("12.47", "EUR", "12.47"), ("700", "JPY", "700"), ("1.25", "KWD", "1.250")]
)
def test_money_is_decimal_and_told_with_its_currencys_own_exponent(amount: str, currency: str, told: str) -> None:
    """Rounding: money is Decimal, at the currency's own exponent, never a float; billing rounds nothing at all."""
    remedy = credit(Money(amount=Decimal(amount), currency=currency))
    batch = settled(event(remedy), withdrawn(withdrawal(remedy)))
    given, taken = batch.applied[0].entries[0], batch.reversed[0].entries[0]
    assert isinstance(given.amount, Decimal)
    assert given.amount == Decimal(amount)
    assert taken.amount == -Decimal(amount)
    assert outcome(given)["amount"] == reversal(taken)["amount"] == {"amount": told, "currency": currency}
    assert money(Decimal(amount).quantize(Decimal("0.0001")), currency)["amount"] == told  # as the database gives it


def test_no_decision_of_billing_asks_the_clock() -> None:
    """A replay next year decides the same: what counts as now is what the event says."""
    given, taken = event(extension(), addon()), withdrawn(withdrawal(extension()))
    held: list[Contract] = [contract()]
    this_year, in_ten_years = (
        settled(given, taken, held=held, received_at=datetime(year, 1, 1, tzinfo=UTC)) for year in (2011, 2021)
    )
    assert (this_year.applied, this_year.reversed, this_year.changed) == (
        in_ten_years.applied, in_ten_years.reversed, in_ten_years.changed,
    )  # fmt: skip


def test_the_secret_is_what_makes_a_code() -> None:
    """Vouchers: HMAC with a secret, of which the database keeps only a keyed hash."""
    other = Codes(bytes(reversed(SECRET)))
    entry_id = voucher().entry_id
    assert other.code(entry_id) != CODES.code(entry_id)
    assert other.hashed(CODES.code(entry_id)) != CODES.hashed(CODES.code(entry_id))
