"""What becomes of add-ons, vouchers and credits."""

from __future__ import annotations

from decimal import Decimal

import pytest

from schemas.ids import grant_id
from schemas.values import Money
from services.billing.domain import Addon, Voucher
from services.billing.vouchers import is_well_formed
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
    voucher,
)


@pytest.mark.parametrize(
    ("ends_on", "terminated_on"),
    [
        ("2012-03-01", None),
        ("2011-06-13", None),  # the domain ends a month later, as one did in the case
        ("2011-05-01", None),  # it is over
        (None, None),
        (None, "2011-05-01"),
    ],
)
def test_an_addon_runs_to_its_own_end_whatever_becomes_of_the_contract(
    ends_on: str | None, terminated_on: str | None
) -> None:
    held = contract(ends_on=ends_on, terminated_on=terminated_on)
    (entry,), changed = decided(event(addon()), held)
    given = Addon(addon().entry_id, "business-mail", day("2011-05-13"), day("2012-05-13"))
    assert (entry.outcome, entry.issued) == ("applied", given)
    after = changed[CONTRACT]
    assert after.complimentary == (given,)
    assert (after.ends_on, after.terminated_on, after.addons) == (held.ends_on, held.terminated_on, held.addons)
    assert after.version == held.version + 1


def test_an_addon_is_left_where_it_is_by_an_extension() -> None:
    _, changed = decided(event(addon(), extension()), contract())
    assert changed[CONTRACT].complimentary[0].ends_on == day("2012-05-13")
    assert changed[CONTRACT].ends_on == day("2012-03-16")


@pytest.mark.parametrize("held", [contract("K-2"), contract(customer_id="C-2")], ids=["nobody's", "somebody else's"])
def test_an_addon_on_a_contract_that_the_customer_does_not_hold_is_refused(held: object) -> None:
    (entry,), changed = decided(event(addon()), held)  # type: ignore[arg-type]
    assert (entry.outcome, entry.reason, entry.issued) == ("refused", "unknown_contract", None)
    assert changed == {}


def test_an_addon_never_ends_before_it_starts() -> None:
    (entry,), _ = decided(event(addon(ends_on="2011-01-01")), contract())
    assert isinstance(entry.issued, Addon)
    assert entry.issued.starts_on == entry.issued.ends_on == day("2011-05-13")


def test_a_voucher_has_the_terms_of_its_remedy() -> None:
    (entry,), changed = decided(event(voucher()))
    issued = entry.issued
    assert isinstance(issued, Voucher)
    assert (issued.amount, issued.currency, issued.merchant) == (Decimal("5.00"), "EUR", "Fotoaruba")
    assert (issued.shipping_cap, issued.handling_covered) == (Decimal("1.90"), True)
    assert issued.valid_until == day("2012-05-13")
    assert (entry.outcome, entry.amount, entry.currency) == ("applied", Decimal("5.00"), "EUR")
    assert changed == {}


def test_a_vouchers_code_and_hash_follow_from_its_entry() -> None:
    (entry,), _ = decided(event(voucher()))
    issued = entry.issued
    assert isinstance(issued, Voucher)
    assert issued.voucher_id == entry.entry_id
    assert entry.grant_id == grant_id(INCIDENT, CUSTOMER, "customer", "photo-voucher")
    assert is_well_formed(issued.code)
    assert issued.code == CODES.code(entry.entry_id)
    assert issued.code_hash == CODES.hashed(issued.code)


def test_a_voucher_without_a_shipping_cap_has_none() -> None:
    (entry,), _ = decided(event(voucher(shipping=None)))
    assert isinstance(entry.issued, Voucher)
    assert entry.issued.shipping_cap is None


def test_a_voucher_goes_to_a_customer_without_any_contract() -> None:
    (entry,), _ = decided(event(voucher("C-9"), customer_id="C-9"))
    assert (entry.outcome, entry.customer_id, entry.contract_id) == ("applied", "C-9", None)


def test_a_credit_is_an_entry_with_its_amount() -> None:
    (entry,), changed = decided(event(credit(Money(amount=Decimal(700), currency="JPY"))))
    assert (entry.kind, entry.outcome, entry.amount, entry.currency) == ("credit", "applied", Decimal(700), "JPY")
    assert entry.issued is None
    assert changed == {}
