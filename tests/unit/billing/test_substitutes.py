"""What takes the place of days or of an add-on that have to be refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from schemas.events import RefusalReason
from services.billing.domain import Contract, Voucher
from tests.unit.billing.builders import CODES, addon, contract, decided, event, extension, in_its_place


@pytest.mark.parametrize(
    ("held", "reason"),
    [
        (contract(ends_on="2011-05-01"), "expired"),
        (contract(terminated_on="2011-05-01"), "terminated"),
        (contract(ends_on=None), "open_ended"),
        (contract("K-9"), "unknown_contract"),
    ],
)
def test_a_refused_extension_is_followed_by_what_takes_its_place(held: Contract, reason: RefusalReason) -> None:
    stead = in_its_place(extension(), [reason])
    (refused, credited), changed = decided(event(extension(substitutes=[stead])), held)
    assert (refused.outcome, refused.reason, refused.substitutes) == ("refused", reason, None)
    assert (credited.kind, credited.outcome, credited.amount) == ("credit", "applied", Decimal("24.95"))
    assert credited.substitutes == refused.entry_id
    assert (credited.entry_id, credited.grant_id) == (stead.remedy.entry_id, stead.remedy.grant_id)
    assert changed == {}


def test_a_refused_addon_has_a_substitute_too() -> None:
    stead = in_its_place(addon(), ["unknown_contract"])
    (refused, credited), _ = decided(event(addon(substitutes=[stead])))
    assert (refused.kind, refused.reason) == ("addon", "unknown_contract")
    assert (credited.kind, credited.substitutes) == ("credit", refused.entry_id)


def test_a_voucher_in_its_place_has_a_code_of_its_own_entry() -> None:
    stead = in_its_place(extension(), ["open_ended"], as_voucher=True)
    (_, given), _ = decided(event(extension(substitutes=[stead])), contract(ends_on=None))
    assert isinstance(given.issued, Voucher)
    assert given.issued.voucher_id == given.entry_id == stead.remedy.entry_id
    assert given.issued.code == CODES.code(given.entry_id)


def test_the_first_substitute_for_the_reason_counts() -> None:
    steads = [
        in_its_place(extension(), ["terminated"], "1.00"),
        in_its_place(extension(), ["expired", "open_ended"], "2.00"),
        in_its_place(extension(), ["open_ended"], "3.00"),
    ]
    (_, credited), _ = decided(event(extension(substitutes=steads)), contract(ends_on=None))
    assert credited.amount == Decimal("2.00")


def test_another_reason_has_no_substitute() -> None:
    (refused,), _ = decided(
        event(extension(substitutes=[in_its_place(extension(), ["terminated"])])), contract(ends_on=None)
    )
    assert refused.reason == "open_ended"


def test_what_is_applied_needs_no_substitute() -> None:
    reasons: list[RefusalReason] = ["expired", "terminated", "open_ended", "unknown_contract"]
    (entry,), _ = decided(event(extension(substitutes=[in_its_place(extension(), reasons)])), contract())
    assert (entry.kind, entry.outcome) == ("extension", "applied")


def test_a_refusal_that_stands_in_the_ledger_brings_no_second_substitute() -> None:
    remedy = extension(substitutes=[in_its_place(extension(), ["open_ended"])])
    assert decided(event(remedy), contract(ends_on=None), seen=[remedy.entry_id]) == ([], {})
