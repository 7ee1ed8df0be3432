"""What changed between two JSON Schemas, field by field, and whom each change would hurt.

Pure: two documents in, a list of changes out. It knows the part of JSON Schema 2020-12 that pydantic writes; a
keyword that it does not know and that changed is reported as harmful, to be looked at by hand. Leaves to
`compatibility` the words, the topics and who reads them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from schemas.schema_kinds import MEANINGLESS, Schema, allowed_values, alternatives, as_schema, kind_of, listed


class Hurts(Enum):
    """Whom a change hurts."""

    READERS = "readers rely on what an event of this version has"
    OLD_EVENTS = "old events, and producers not yet changed, would be refused"
    OLD_READERS = "readers not yet changed would refuse new events"


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one field.

    `path` is such as `outcomes[].ends_on.after` (empty: the event itself); `member` names the member of a union that
    the field stands in, `members` all of them; `what` completes the sentence "PATH …".
    """

    path: str
    what: str
    hurts: Hurts
    member: str = ""
    members: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Pair:
    """An old and a new schema of the same place."""

    old: Schema
    new: Schema
    old_root: Schema
    new_root: Schema
    path: str = ""
    member: str = ""
    members: frozenset[str] = frozenset()
    met: frozenset[tuple[str, str]] = frozenset()

    def change(self, what: str, hurts: Hurts, path: str | None = None) -> Change:
        return Change(self.path if path is None else path, what, hurts, self.member, self.members)

    def inner(self, old: Any, new: Any, path: str) -> _Pair:
        return replace(self, old=as_schema(old), new=as_schema(new), path=path)


def changes(old: Schema, new: Schema) -> list[Change]:
    """Every change from `old` to `new` that hurts someone, in the order of the old document."""
    return list(_compare(_Pair(old, new, old, new)))


def _compare(pair: _Pair) -> Iterator[Change]:
    refs = (str(pair.old.get("$ref")), str(pair.new.get("$ref")))
    if refs in pair.met:
        return  # a type that holds itself: compared where it was met first
    if refs != ("None", "None"):
        pair = replace(pair, met=pair.met | {refs})
    old = alternatives(pair.old, pair.old_root)
    new = alternatives(pair.new, pair.new_root)
    if "null" in old and "null" not in new:
        yield pair.change("may no longer be null", Hurts.OLD_EVENTS)
    if "null" in new and "null" not in old:
        yield pair.change("may now be null", Hurts.READERS)
    old.pop("null", None)
    new.pop("null", None)
    if len(old) == len(new) == 1:
        yield from _one_to_one(pair, next(iter(old.items())), next(iter(new.items())))
        return
    for name, schema in old.items():
        if name in new:
            inside = pair.inner(schema, new[name], pair.path)
            label = f"{pair.member}/{name}" if pair.member else name
            siblings = frozenset(f"{pair.member}/{sibling}" if pair.member else sibling for sibling in old)
            yield from _same_kind(replace(inside, member=label, members=siblings))
        else:
            yield pair.change(f"may no longer be {name}", Hurts.OLD_EVENTS)
    for name, schema in new.items():
        if name not in old:
            # Another member of a union of objects is more of the same; another type is a retyping.
            grown = schema.get("type") == "object" and len(old) > 1
            yield pair.change(f"may now also be {name}", Hurts.OLD_READERS if grown else Hurts.READERS)


def _one_to_one(pair: _Pair, old: tuple[str, Schema], new: tuple[str, Schema]) -> Iterator[Change]:
    kinds = kind_of(old[1]), kind_of(new[1])
    if kinds[0] != kinds[1]:
        yield pair.change(f"was retyped from {kinds[0]} to {kinds[1]}", Hurts.READERS)
        return
    yield from _same_kind(pair.inner(old[1], new[1], pair.path))


# ── one kind of value ────────────────────────────────────────────────────────────────────────────────────


def _same_kind(pair: _Pair) -> Iterator[Change]:
    yield from _values(pair)
    for at_least, more_than, step in _LOWER:
        yield from _bound(pair, at_least, more_than, step, upper=False)
    for at_most, less_than, step in _UPPER:
        yield from _bound(pair, at_most, less_than, step, upper=True)
    yield from _restrictions(pair)
    yield from _fields(pair)
    yield from _keys(pair)
    yield from _entries(pair)
    for keyword in sorted((pair.old.keys() | pair.new.keys()) - _JUDGED):
        if pair.old.get(keyword) != pair.new.get(keyword):
            yield pair.change(f"has another {keyword}, which only a person can judge", Hurts.OLD_EVENTS)


_LOWER = (
    ("minimum", "exclusiveMinimum", True),
    ("minLength", "", False),
    ("minItems", "", False),
    ("minProperties", "", False),
)
_UPPER = (
    ("maximum", "exclusiveMaximum", True),
    ("maxLength", "", False),
    ("maxItems", "", False),
    ("maxProperties", "", False),
)
_RESTRICTIONS = ("pattern", "multipleOf", "uniqueItems", "propertyNames")
_STRUCTURE = {"const", "enum", "anyOf", "oneOf", "properties", "required", "additionalProperties"} | {
    "patternProperties", "items", "prefixItems",
}  # fmt: skip
_JUDGED = MEANINGLESS | _STRUCTURE | set(_RESTRICTIONS) | {word for row in _LOWER + _UPPER for word in row[:2]}


def _values(pair: _Pair) -> Iterator[Change]:
    old, new = allowed_values(pair.old), allowed_values(pair.new)
    if new is not None:
        gone = "" if old is None else listed([value for value in old if value not in new])
        if old is None:
            yield pair.change(f"may now only be {listed(new)}", Hurts.OLD_EVENTS)
        elif gone:
            yield pair.change(f"may no longer be {gone}", Hurts.OLD_EVENTS)
    if old is not None:
        added = "" if new is None else listed([value for value in new if value not in old])
        if new is None:
            yield pair.change("may now be any value", Hurts.OLD_READERS)
        elif added:
            yield pair.change(f"may now also be {added}", Hurts.OLD_READERS)


def _bound(pair: _Pair, inclusive: str, exclusive: str, number: bool, upper: bool) -> Iterator[Change]:
    sign = -1 if upper else 1
    old = _edge(pair.old, inclusive, exclusive, sign, number)
    new = _edge(pair.new, inclusive, exclusive, sign, number)
    if old == new:
        return
    said = f"{inclusive} {_edge_words(old, sign)} became {_edge_words(new, sign)}"
    if new is not None and (old is None or new > old):
        yield pair.change(f"was narrowed: {said}", Hurts.OLD_EVENTS)
    else:
        yield pair.change(f"was widened: {said}", Hurts.OLD_READERS)


def _edge(schema: Schema, inclusive: str, exclusive: str, sign: int, number: bool) -> tuple[float, int] | None:
    """The tighter of both bounds so that more is tighter: (value, 1 if it is excluded)."""
    edges = []
    if inclusive in schema:
        edges.append((sign * schema[inclusive], 0))
    if number and exclusive in schema:
        whole = schema.get("type") == "integer"
        edges.append((sign * schema[exclusive] + 1, 0) if whole else (sign * schema[exclusive], 1))
    return max(edges, default=None)


def _edge_words(edge: tuple[float, int] | None, sign: int) -> str:
    if edge is None:
        return "none"
    return f"{sign * edge[0]}{' (excluded)' if edge[1] else ''}"


def _restrictions(pair: _Pair) -> Iterator[Change]:
    for keyword in ("pattern", "multipleOf", "uniqueItems"):
        old, new = pair.old.get(keyword) or None, pair.new.get(keyword) or None
        if old == new:
            continue
        if new is None:
            yield pair.change(f"was widened: {keyword} {old} was dropped", Hurts.OLD_READERS)
        elif old is None:
            yield pair.change(f"was narrowed: {keyword} {new} is new", Hurts.OLD_EVENTS)
        else:
            # Whether one pattern covers another cannot be told in general, so a change counts as narrowing.
            yield pair.change(f"was narrowed: {keyword} {old} became {new}", Hurts.OLD_EVENTS)


# ── objects and lists ────────────────────────────────────────────────────────────────────────────────────


def _fields(pair: _Pair) -> Iterator[Change]:
    old: Schema = pair.old.get("properties", {})
    new: Schema = pair.new.get("properties", {})
    here = (f"fields {id(old)}", f"fields {id(new)}")
    if here in pair.met:
        return  # an object that holds its own kind
    pair = replace(pair, met=pair.met | {here})
    old_required, new_required = set(pair.old.get("required", ())), set(pair.new.get("required", ()))
    for name in old:
        path = f"{pair.path}.{name}" if pair.path else name
        if name not in new:
            yield pair.change("was removed", Hurts.READERS, path)
            continue
        if name in old_required and name not in new_required:
            yield pair.change("was required and is now optional", Hurts.READERS, path)
        if name in new_required and name not in old_required:
            yield pair.change("was optional and is now required", Hurts.OLD_EVENTS, path)
        if name not in old_required | new_required:
            yield from _default(pair, as_schema(old[name]), as_schema(new[name]), path)
        yield from _compare(pair.inner(old[name], new[name], path))
    for name in new:
        if name not in old and name in new_required:
            path = f"{pair.path}.{name}" if pair.path else name
            yield pair.change("is new and required", Hurts.OLD_EVENTS, path)


def _default(pair: _Pair, old: Schema, new: Schema, path: str) -> Iterator[Change]:
    before, after = (json.dumps(schema.get("default"), sort_keys=True) for schema in (old, new))
    if before != after:
        what = f"means {after} when it is absent, and meant {before}"
        yield pair.change(what, Hurts.READERS, path)


def _keys(pair: _Pair) -> Iterator[Change]:
    """Fields without a name of their own: those of a mapping, and the unknown ones."""
    path = f"{pair.path}.*" if pair.path else "*"
    old, new = (schema.get("additionalProperties", True) for schema in (pair.old, pair.new))
    if old is not False and new is False:
        yield pair.change("no longer allows unknown fields", Hurts.OLD_EVENTS)
    elif not isinstance(old, bool) or not isinstance(new, bool):
        yield from _compare(pair.inner(old, new, path))
    by_pattern: tuple[Schema, Schema]
    by_pattern = pair.old.get("patternProperties", {}), pair.new.get("patternProperties", {})
    for pattern in by_pattern[0].keys() | by_pattern[1].keys():
        yield from _compare(pair.inner(by_pattern[0].get(pattern, {}), by_pattern[1].get(pattern, {}), path))
    names = pair.old.get("propertyNames"), pair.new.get("propertyNames")
    if names != (None, None):
        # The names of a JSON object are strings, whether the schema says so or not.
        old_names, new_names = ({"type": "string", **(schema or {})} for schema in names)
        yield from _compare(pair.inner(old_names, new_names, f"{path} (name)"))


def _entries(pair: _Pair) -> Iterator[Change]:
    old, new = pair.old.get("prefixItems", []), pair.new.get("prefixItems", [])
    rest = pair.old.get("items", {}), pair.new.get("items", {})
    for position in range(max(len(old), len(new))):
        before = old[position] if position < len(old) else rest[0]
        after = new[position] if position < len(new) else rest[1]
        yield from _compare(pair.inner(before, after, f"{pair.path}[{position}]"))
    if rest != ({}, {}):
        yield from _compare(pair.inner(*rest, f"{pair.path}[]"))
