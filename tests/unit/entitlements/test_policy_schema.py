"""The JSON Schema for editors: as the models are, and never stricter than what the service reads."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import ValidationError

from services.entitlements.policy import SHIPPED, Policy
from services.entitlements.policy_schema import FILE, policy_schema, render
from tests.unit.entitlements.builders import ARUBA_TEXT
from tests.unit.entitlements.every_construct import EVERY

SCHEMA = Draft202012Validator(policy_schema())
WRITTEN: Any = yaml.safe_load(EVERY)


def test_the_schema_that_is_kept_is_the_one_of_the_models() -> None:
    assert FILE.read_text(encoding="utf-8") == render(), (
        f"run python -m services.entitlements policy-schema > {FILE.relative_to(SHIPPED.parents[2])}"
    )


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(policy_schema())


@pytest.mark.parametrize("text", [EVERY, *(path.read_text(encoding="utf-8") for path in SHIPPED.glob("*.yaml"))])
def test_a_policy_as_it_is_written_fits_the_schema(text: str) -> None:
    SCHEMA.validate(yaml.safe_load(text))


@pytest.mark.parametrize("canary", [1000, {"customers": 1000}, {"customers": 1000, "then": "30 minutes"}])
def test_a_canary_may_be_written_short(canary: Any) -> None:
    SCHEMA.validate(WRITTEN | {"canary": canary})


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"5.00"', "5.0"),
        ("families: [hosting", "famillies: [hosting"),
        ("days: 15", "days: 0"),
        ("for: 1 year", "for: 12"),
        ("per: customer", "per: client"),
        ("merchant: Fotoaruba\n", "\n"),
        ("extension: {days: 15}", "extension: {days: 15}\n      addon: {product: x, for: 1 day}"),
        ("letters: [details]", "letters: [correction]"),
        ("    across_incidents: each\n", "    across_incidents:\n"),
        ("families: [dedicated", "outage: {}\n      families: [dedicated"),
    ],
)
def test_an_editor_sees_the_commonest_mistakes(right: str, wrong: str) -> None:
    assert right in ARUBA_TEXT
    assert not SCHEMA.is_valid(yaml.safe_load(ARUBA_TEXT.replace(right, wrong, 1)))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


PLACES = list(places(WRITTEN))
SOMETHING = st.one_of(
    st.sampled_from(
        [True, 0, 1, 30, 1000, -1, 0.5, "", "1", "5.00", "20 %", "99.9%", "1 year", "2 hours", "approval", "EUR", "x"]
    ),
    st.sampled_from([[], {}, ["details"], ["a", "b"], {"customers": 1}, {"amount": "1.00", "currency": "EUR"}]),
    st.sampled_from([WRITTEN["rules"][0]["give"], WRITTEN["rules"][3]["give"], WRITTEN["rules"][5]["give"]]),
)


@given(st.sampled_from(PLACES), st.one_of(st.just(...), SOMETHING))
def test_an_editor_never_complains_of_what_the_service_reads(place: tuple[Any, ...], something: Any) -> None:
    written = copy.deepcopy(WRITTEN)
    where = written
    for key in place[:-1]:
        where = where[key]
    if something is ...:
        del where[place[-1]]
    else:
        where[place[-1]] = something
    try:
        Policy.model_validate(written)
    except ValidationError:
        return
    SCHEMA.validate(written)
