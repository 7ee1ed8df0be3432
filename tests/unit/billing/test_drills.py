"""A drill is decided like an incident, and nothing comes of it."""

from __future__ import annotations

from datetime import date

import pytest

from schemas.events import EntitlementGranted
from services.billing.domain import Voucher
from tests.unit.billing.builders import (
    addon,
    contract,
    credit,
    day,
    decided,
    event,
    extension,
    in_its_place,
    settled,
    voucher,
    withdrawal,
    withdrawn,
)


def drill(incident: str = "drill") -> EntitlementGranted:
    """Every kind of remedy, as a drill."""
    return event(
        extension(incident=incident), addon(incident=incident), voucher(incident=incident), credit(incident=incident),
        incident=incident, drill=True,
    )  # fmt: skip


def test_a_drill_says_what_would_be_applied_and_changes_no_contract() -> None:
    entries, changed = decided(drill(), contract())
    assert [(entry.kind, entry.outcome, entry.drill) for entry in entries] == [
        ("extension", "applied", True), ("addon", "applied", True), ("voucher", "applied", True),
        ("credit", "applied", True),
    ]  # fmt: skip
    assert not any(entry.is_effective for entry in entries)
    assert changed == {}


def test_the_voucher_of_a_drill_has_no_code() -> None:
    (entry,), _ = decided(event(voucher(), drill=True))
    assert isinstance(entry.issued, Voucher)
    assert (entry.issued.code, entry.issued.code_hash) == ("DRILL", b"")


def test_a_drill_is_refused_as_an_incident_would_be_and_has_its_substitute() -> None:
    remedy = extension(substitutes=[in_its_place(extension(), ["open_ended"], as_voucher=True)])
    (refused, stead), _ = decided(event(remedy, drill=True), contract(ends_on=None))
    assert (refused.reason, refused.drill) == ("open_ended", True)
    assert (stead.substitutes, stead.drill) == (refused.entry_id, True)
    assert isinstance(stead.issued, Voucher)
    assert stead.issued.code == "DRILL"


def test_two_drills_do_not_add_up() -> None:
    batch = settled(drill("first"), drill("second"), held=[contract()])
    ends = [answer.entries[0].ends_on_after for answer in batch.applied]
    assert ends == [day("2012-03-16")] * 2
    assert batch.changed == {}


def test_a_drill_stands_on_the_contracts_as_the_incidents_have_left_them() -> None:
    batch = settled(event(extension()), drill(), held=[contract()])
    assert batch.applied[1].entries[0].ends_on_after == date(2012, 3, 31)
    assert batch.changed["K-1"].ends_on == day("2012-03-16")


@pytest.mark.parametrize(("honoured", "reason"), [(False, "refused_before"), (True, "honoured")])
def test_a_drill_had_no_effect_that_could_be_taken_back(honoured: bool, reason: str) -> None:
    taken = [withdrawal(remedy, honoured=honoured) for remedy in drill().remedies]
    batch = settled(drill(), withdrawn(*taken, incident="drill", drill=True), held=[contract()])
    (answer,) = batch.reversed
    assert [(entry.reason, entry.drill) for entry in answer.entries] == [(reason, True)] * 4
    assert batch.changed == {}
    assert not [entry for entry in answer.entries if entry.target and entry.target.code]


@pytest.mark.parametrize("given_in_a_drill", [True, False])
def test_between_a_drill_and_an_incident_nothing_is_taken_back(given_in_a_drill: bool) -> None:
    """An incident never turns into a drill, or the other way; were it said so, money and contracts stay as they are."""
    other = event(extension(incident="other"), incident="other")
    batch = settled(
        other,
        event(extension(), drill=given_in_a_drill),
        withdrawn(withdrawal(extension()), drill=not given_in_a_drill),
        held=[contract()],
    )
    assert [entry.reason for entry in batch.reversed[0].entries] == ["refused_before"]
    assert batch.changed["K-1"].ends_on == contract().extended(15 if given_in_a_drill else 30).ends_on
