"""No event changes within its version in a way that breaks its readers or its old events.

A table of changes and what is said of them; the real check against what was committed is `test_committed_versions`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from schemas.compatibility import breaks, widenings
from schemas.json_schemas import json_schema
from schemas.schema_changes import Hurts, changes

Change = Callable[[dict[str, Any]], None]


def of(**properties: Any) -> dict[str, Any]:
    """An object's schema; a name that ends in `_` is required."""
    required = [name.removesuffix("_") for name in properties if name.endswith("_")]
    named = {name.removesuffix("_"): schema for name, schema in properties.items()}
    return {"type": "object", "properties": named, "required": required}


STRING = {"type": "string"}
DATE = {"type": "string", "format": "date"}
NUMBER = {"type": "integer"}
NULL = {"type": "null"}


def string(**keywords: Any) -> dict[str, Any]:
    return STRING | keywords


def number(**keywords: Any) -> dict[str, Any]:
    return NUMBER | keywords


ONE = of(kind_={"type": "string", "const": "one"}, x_=STRING)
TWO = of(kind_={"type": "string", "const": "two"}, x_=STRING)
SIX = of(kind_={"type": "string", "const": "six"}, x_=STRING)


def union(*members: Any) -> dict[str, Any]:
    return {"oneOf": list(members)}


READERS, OLD_EVENTS, OLD_READERS = Hurts.READERS, Hurts.OLD_EVENTS, Hurts.OLD_READERS

# old, new, (path, a word of what is said, whom it hurts), or None when it hurts nobody
TABLE: list[tuple[str, Any, Any, tuple[str, str, Hurts] | None]] = [
    ("nothing", of(a_=STRING), of(a_=STRING), None),
    ("new optional field", of(a_=STRING), of(a_=STRING, b=NUMBER), None),
    ("other words", of(a_=STRING), of(a_={**STRING, "description": "x", "title": "y"}) | {"title": "z"}, None),
    ("field removed", of(a_=STRING, b=NUMBER), of(a_=STRING), ("b", "removed", READERS)),
    ("new required field", of(a_=STRING), of(a_=STRING, b_=NUMBER), ("b", "new and required", OLD_EVENTS)),
    ("optional to required", of(a=STRING), of(a_=STRING), ("a", "now required", OLD_EVENTS)),
    ("required to optional", of(a_=STRING), of(a=STRING), ("a", "now optional", READERS)),
    ("retyped", of(a_=STRING), of(a_=NUMBER), ("a", "from string to integer", READERS)),
    ("integer to number", of(a_=NUMBER), of(a_={"type": "number"}), ("a", "integer to number", READERS)),
    ("another format", of(a_=DATE), of(a_=STRING), ("a", "string (date) to string", READERS)),
    ("any to typed", of(a_={}), of(a_=STRING), ("a", "any value to string", READERS)),
    ("scalar to list", of(a_=STRING), of(a_={"type": "array", "items": STRING}), ("a", "to list", READERS)),
    ("null allowed", of(a_=STRING), of(a_={"anyOf": [STRING, NULL]}), ("a", "may now be null", READERS)),
    ("null refused", of(a_={"anyOf": [STRING, NULL]}), of(a_=STRING), ("a", "no longer be null", OLD_EVENTS)),
    ("null, written otherwise", of(a_={"anyOf": [STRING, NULL]}), of(a_={"type": ["string", "null"]}), None),
    ("other type allowed", of(a_=STRING), of(a_={"anyOf": [STRING, NUMBER]}), ("a", "also be integer", READERS)),
    ("type dropped", of(a_={"anyOf": [STRING, NUMBER]}), of(a_=STRING), ("a", "no longer be integer", OLD_EVENTS)),
    ("enum value removed", of(a_={"enum": ["x", "y"]}), of(a_={"enum": ["x"]}), ("a", 'no longer be "y"', OLD_EVENTS)),
    ("enum value added", of(a_={"enum": ["x"]}), of(a_={"enum": ["x", "y"]}), ("a", 'also be "y"', OLD_READERS)),
    ("enum closed", of(a_=STRING), of(a_={**STRING, "enum": ["x"]}), ("a", 'only be "x"', OLD_EVENTS)),
    ("enum opened", of(a_={**STRING, "enum": ["x"]}), of(a_=STRING), ("a", "any value", OLD_READERS)),
    ("const changed", of(a_={"const": "x"}), of(a_={"const": "y"}), ("a", 'no longer be "x"', OLD_EVENTS)),
    ("const to enum", of(a_={"const": "x"}), of(a_={"enum": ["x", "y"]}), ("a", 'also be "y"', OLD_READERS)),
    ("minimum raised", of(a_=number(minimum=1)), of(a_=number(minimum=2)), ("a", "narrowed", OLD_EVENTS)),
    ("minimum new", of(a_=NUMBER), of(a_=number(minimum=2)), ("a", "minimum none became 2", OLD_EVENTS)),
    ("minimum lowered", of(a_=number(minimum=2)), of(a_=number(minimum=1)), ("a", "widened", OLD_READERS)),
    ("bound, written otherwise", of(a_=number(minimum=1)), of(a_=number(exclusiveMinimum=0)), None),
    ("maximum lowered", of(a_=number(maximum=9)), of(a_=number(maximum=8)), ("a", "9 became 8", OLD_EVENTS)),
    ("maximum excluded", of(a_={"type": "number", "maximum": 9}), of(a_={"type": "number", "exclusiveMaximum": 9}),
     ("a", "excluded", OLD_EVENTS)),
    ("shorter text", of(a_=string(maxLength=9)), of(a_=string(maxLength=8)), ("a", "maxLength", OLD_EVENTS)),
    ("longer text", of(a_=string(maxLength=8)), of(a_=string(maxLength=9)), ("a", "widened", OLD_READERS)),
    ("more entries", of(a_={"type": "array"}), of(a_={"type": "array", "minItems": 1}), ("a", "minItems", OLD_EVENTS)),
    ("pattern new", of(a_=STRING), of(a_=string(pattern="x")), ("a", "pattern x is new", OLD_EVENTS)),
    ("pattern changed", of(a_=string(pattern="x")), of(a_=string(pattern="x|y")), ("a", "pattern", OLD_EVENTS)),
    ("pattern dropped", of(a_=string(pattern="x")), of(a_=STRING), ("a", "dropped", OLD_READERS)),
    ("another default", of(a=string(default="x")), of(a=string(default="y")), ("a", 'means "y"', READERS)),
    ("unknown fields refused", of(a_=STRING), of(a_=STRING) | {"additionalProperties": False},
     ("", "unknown fields", OLD_EVENTS)),
    ("in a list", of(a_={"type": "array", "items": of(b_=STRING)}), of(a_={"type": "array", "items": of(b_=DATE)}),
     ("a[].b", "retyped", READERS)),
    ("in a tuple", of(a_={"type": "array", "prefixItems": [STRING, STRING]}),
     of(a_={"type": "array", "prefixItems": [STRING, NUMBER]}), ("a[1]", "retyped", READERS)),
    ("entries limited", of(a_={"type": "array"}),
     of(a_={"type": "array", "items": STRING}), ("a[]", "any value", READERS)),
    ("in a nested object", of(a_=of(b_=of(c=STRING))), of(a_=of(b_=of())), ("a.b.c", "removed", READERS)),
    ("in a nullable object", of(a={"anyOf": [of(b_=STRING), NULL]}), of(a={"anyOf": [of(b_=NUMBER), NULL]}),
     ("a.b", "retyped", READERS)),
    ("in a mapping", of(a_={"type": "object", "additionalProperties": NUMBER}),
     of(a_={"type": "object", "additionalProperties": STRING}), ("a.*", "retyped", READERS)),
    ("in a mapping by pattern", of(a_={"type": "object", "patternProperties": {"^x": NUMBER}}),
     of(a_={"type": "object", "patternProperties": {"^x": STRING}}), ("a.*", "retyped", READERS)),
    ("names of a mapping", of(a_={"type": "object", "propertyNames": {"maxLength": 9}}),
     of(a_={"type": "object", "propertyNames": {"maxLength": 8}}), ("a.* (name)", "maxLength", OLD_EVENTS)),
    ("member removed", of(a_=union(ONE, TWO)), of(a_=union(ONE)), ("a", "no longer be two", OLD_EVENTS)),
    ("member added", of(a_=union(ONE, TWO)), of(a_=union(ONE, TWO, SIX)), ("a", "also be six", OLD_READERS)),
    ("members in another order", of(a_=union(ONE, TWO)), of(a_=union(TWO, ONE)), None),
    ("in a member", of(a_=union(ONE, TWO)), of(a_=union(ONE, of(kind_={"type": "string", "const": "two"}))),
     ("a.x", "removed", READERS)),
    ("an unknown keyword", of(a_=STRING), of(a_={**STRING, "not": {"const": "x"}}), ("a", "not", OLD_EVENTS)),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_change_is_told_with_its_place_and_whom_it_hurts(
    old: Any, new: Any, expected: tuple[str, str, Hurts] | None
) -> None:
    found = changes(old, new)
    if expected is None:
        assert found == []
        return
    path, said, hurts = expected
    assert any(change.path == path and said in change.what and change.hurts is hurts for change in found), found
    # What narrows and what widens are told apart: of one change only `const changed` is both.
    assert len(found) == 1 or {change.hurts for change in found} == {OLD_EVENTS, OLD_READERS}


def test_references_are_followed_and_a_type_may_hold_itself() -> None:
    node = of(name_=STRING, next={"anyOf": [{"$ref": "#/$defs/Node"}, NULL]}, all={"items": {"$ref": "#/$defs/Node"}})
    old = {"$ref": "#/$defs/Node", "$defs": {"Node": node}}
    new = copy.deepcopy(old)
    assert changes(old, new) == []
    del new["$defs"]["Node"]["properties"]["name"]  # type: ignore[index]
    assert {change.path for change in changes(old, new)} >= {"name"}


def test_a_reference_and_what_it_stands_for_are_the_same() -> None:
    direct = of(a_=of(b_=STRING))
    referred = of(a_={"$ref": "#/$defs/B"}) | {"$defs": {"B": of(b_=STRING)}}
    assert changes(direct, referred) == changes(referred, direct) == []


def altered(kind: str, change: Change) -> tuple[dict[str, Any], dict[str, Any]]:
    old = json_schema(kind)
    new = copy.deepcopy(old)
    change(new)
    return old, new


def drop_entry_id(schema: dict[str, Any]) -> None:
    for outcome in ("ExtensionOutcome", "AddonOutcome", "VoucherOutcome", "CreditOutcome"):
        del schema["$defs"][outcome]["properties"]["entry_id"]
        schema["$defs"][outcome]["required"].remove("entry_id")


def test_a_removed_field_is_told_in_plain_words_with_who_reads_it() -> None:
    assert breaks(*altered("adjustment.applied.v1", drop_entry_id)) == [
        "adjustment.applied.v1: field outcomes[].entry_id was removed: billing's consumers (notifications) read it"
    ]


def test_a_field_removed_from_some_members_of_a_union_names_them() -> None:
    def drop_product(schema: dict[str, Any]) -> None:
        del schema["$defs"]["AddonOutcome"]["properties"]["product"]

    assert breaks(*altered("adjustment.applied.v1", drop_product)) == [
        "adjustment.applied.v1: field outcomes[].product (of addon) was removed: "
        "billing's consumers (notifications) read it"
    ]


def test_a_narrowed_field_is_told_with_the_events_that_would_be_refused() -> None:
    def at_least_two(schema: dict[str, Any]) -> None:
        schema["properties"]["revision"]["minimum"] = 2

    assert breaks(*altered("incident.declared.v1", at_least_two)) == [
        "incident.declared.v1: field revision was narrowed: minimum 1 became 2: events on amends.incidents.v1, "
        "and producers not yet changed (pipelines, cli), would be refused"
    ]


def test_a_new_value_breaks_nothing_but_asks_for_the_consumers_first() -> None:
    def another_reason(schema: dict[str, Any]) -> None:
        for name in ("ExtensionOutcome", "AddonOutcome", "VoucherOutcome", "CreditOutcome"):
            schema["$defs"][name]["properties"]["reason"]["anyOf"][0]["enum"].append("suspended")

    old, new = altered("adjustment.applied.v1", another_reason)
    assert breaks(old, new) == []
    assert widenings(old, new) == [
        'adjustment.applied.v1: field outcomes[].reason may now also be "suspended": '
        "deploy the consumers (notifications) before the producers (billing)"
    ]


def test_two_types_are_not_compared() -> None:
    with pytest.raises(ValueError, match="two types"):
        breaks(json_schema("incident.declared.v1"), json_schema("incident.amended.v1"))
