"""The values that events are made of: nothing is guessed, and whatever is read can be kept."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.events import AdjustmentApplied, ContractChanged, EntitlementGranted
from schemas.values import AT_MOST, Attributes, Currency, Day, Instant, Zone

INSTANT, DAY = TypeAdapter[datetime](Instant), TypeAdapter[date](Day)


@pytest.mark.parametrize("number", ["20110429", "1304208000", "86400", "0", "-1", "05.00", " 86400 ", 86400, 1.5, True])
def test_a_number_is_no_date_and_no_instant(number: Any) -> None:
    """Seconds since 1970 is what a lenient reader makes of it: "20110429" would be a day of August 1970."""
    for adapter in (INSTANT, DAY):
        with pytest.raises(ValidationError):
            adapter.validate_json(json.dumps(number))
        with pytest.raises(ValidationError):
            adapter.validate_python(number)


def test_dates_and_instants_are_read_from_json_and_from_what_was_kept_of_it() -> None:
    at = datetime(2011, 4, 29, 2, 30, tzinfo=UTC)
    assert INSTANT.validate_json('"2011-04-29T04:30:00+02:00"') == at
    assert INSTANT.validate_python("2011-04-29T04:30:00+02:00") == INSTANT.validate_python(at) == at
    assert DAY.validate_json('"2011-04-29"') == DAY.validate_python(date(2011, 4, 29)) == date(2011, 4, 29)
    for wrong in ("2011-04-29T00:00:00", "2011-4-29", "20110429T000000", "2011-02-30"):
        with pytest.raises(ValidationError):
            DAY.validate_json(json.dumps(wrong))


@pytest.mark.parametrize("beyond", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_an_instant_that_utc_has_no_date_for_is_refused(beyond: str) -> None:
    with pytest.raises(ValidationError, match="outside the calendar"):
        INSTANT.validate_json(json.dumps(beyond))
    assert INSTANT.validate_json('"9999-12-31T23:59:59+00:00"').year == 9999


@pytest.mark.parametrize("currency", [{}, [], {"a": 1}, 7, None, True])
def test_what_is_no_text_is_no_currency_and_falls_nobody(currency: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[str](Currency).validate_json(json.dumps(currency))


@pytest.mark.parametrize(
    "attributes", [{"x": 2**64}, {"x": -(2**63) - 1}, {"x": [{"y": 10**30}]}, {"x": "a\x00b"}, {"a\x00b": 1}]
)
def test_attributes_that_no_database_can_keep_are_refused(attributes: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[dict[str, Any]](Attributes).validate_json(json.dumps(attributes))


def test_attributes_that_can_be_kept_are_kept_as_they_are() -> None:
    kept = {"x": 2**64 - 1, "y": -(2**63), "z": [0.1, None, {"": "é"}]}
    contract = {"contract_id": "K", "customer_id": "C", "family": "f", "product": "p", "starts_on": "2011-01-01"}
    read = ContractChanged.model_validate_json(json.dumps(contract | {"attributes": kept}))
    assert read.attributes == kept


def test_a_zone_and_a_code_hold_no_character_that_no_database_can_hold() -> None:
    with pytest.raises(ValidationError):
        TypeAdapter[str](Zone).validate_json('"Europe/Rome\\u0000"')
    outcome = {"entry_id": "e", "grant_id": "g", "kind": "voucher", "outcome": "applied", "code": "a\x00b"}
    said = {"incident_id": "i", "revision": 1, "customer_id": "C", "outcomes": [outcome]}
    with pytest.raises(ValidationError):
        AdjustmentApplied.model_validate_json(json.dumps(said))


def test_an_event_with_more_remedies_than_can_be_answered_is_refused() -> None:
    remedy = {"entry_id": "e", "grant_id": "g", "rule": "r", "kind": "extension", "contract_id": "K", "product": "p"}
    said = {"incident_id": "i", "revision": 1, "policy": "p@1", "customer_id": "C"}
    many = [remedy | {"days": 1}] * (AT_MOST + 1)
    with pytest.raises(ValidationError, match="fit into an event"):
        EntitlementGranted.model_validate_json(json.dumps(said | {"remedies": many}))
    assert len(EntitlementGranted.model_validate_json(json.dumps(said | {"remedies": many[1:]})).remedies) == AT_MOST
