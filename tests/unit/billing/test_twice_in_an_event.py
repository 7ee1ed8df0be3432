"""An event that names an entry twice has it once: a second row of it could never be written."""

from __future__ import annotations

from datetime import UTC, datetime

from services.billing.decide import decide
from tests.unit.billing.builders import CODES, contract, credit, euros, event, extension

NOW = datetime(2011, 5, 13, 10, 0, tzinfo=UTC)


def test_a_remedy_that_stands_twice_in_an_event_is_applied_once() -> None:
    remedy = extension()
    entries, changed = decide(event(remedy, remedy), set(), {"K-1": contract()}, CODES, NOW)
    assert [entry.entry_id for entry in entries] == [remedy.entry_id]
    (once,) = decide(event(remedy), set(), {"K-1": contract()}, CODES, NOW)[1].values()
    assert list(changed.values()) == [once]


def test_of_two_remedies_with_one_id_the_first_counts() -> None:
    first = credit(euros("5.00"))
    second = credit(euros("9.00")).model_copy(update={"entry_id": first.entry_id})
    entries, _ = decide(event(first, second), set(), {}, CODES, NOW)
    assert [entry.amount for entry in entries] == [first.amount.amount]
