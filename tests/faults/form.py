"""What a schema and a parser have to say of an event's data, as strictly as their words: RFC 8259, JSON Schema, models.

Shares no model with what it judges: what the models ask beyond the schemas is written out here a second time, each rule
with where it is written down. Leaves the envelope, and what a service asks beyond the form, to `judgement`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from babel.core import get_global
from jsonschema import Draft202012Validator, FormatChecker, validators  # type: ignore[import-untyped]
from jsonschema.exceptions import ValidationError as SchemaError  # type: ignore[import-untyped]

import schemas

_SCHEMAS = Path(schemas.__file__).parent
BROKEN = object()
_DEEPEST = 200
"""services/runtime/envelope.py: what is nested deeper is no value for a reader."""


def parsed(raw: bytes, *, strictly: bool) -> Any:
    """RFC 8259, strictly: UTF-8 without a mark, no NaN, no half surrogates, numbers that a double holds; or BROKEN.

    Not so strictly, NaN and numbers beyond a double pass: services/runtime/envelope.py, where nobody keeps the bytes.
    """
    try:
        text = raw.decode()
        if text.startswith("\ufeff") or _depth(text) > _DEEPEST:
            return BROKEN
        value = (
            json.loads(text, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
            if strictly
            else json.loads(text)
        )
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return BROKEN
    return value


def _refuse(constant: str) -> Any:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("beyond a double")
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _depth(text: str) -> int:
    deepest = depth = 0
    for mark in re.findall(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', text, re.DOTALL):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(mark, 0)
        deepest = max(deepest, depth)
    return deepest


def _is_date(value: object) -> bool:
    if not isinstance(value, str):
        return True
    return re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII) is not None and bool(date.fromisoformat(value))


_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt _](\d\d):(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?(?:[Zz]|[+\-\u2212](\d\d):?(\d\d))", re.ASCII
)


def _is_instant(value: object) -> bool:
    """ISO 8601 with an offset, and an instant that UTC's calendar has: years 1 to 9999."""
    if not isinstance(value, str):
        return True
    found = _INSTANT.fullmatch(value)
    if found is None:
        return False
    day, hour, minute, second, ahead, beside = found.groups()
    if not (int(hour) < 24 and int(minute) < 60 and int(second or 0) < 60 and int(beside or 0) < 60):
        return False
    sign = "-" if re.search(r"[\-\u2212]\d\d:?\d\d$", value) else "+"
    offset = f"{sign}{ahead or '00'}:{beside or '00'}"
    try:
        datetime.fromisoformat(f"{day}T{hour}:{minute}:{second or '00'}{offset}").astimezone(UTC)
    except OverflowError:
        return False
    return True


_FORMATS = FormatChecker(formats=())
_FORMATS.checks("date", raises=ValueError)(_is_date)
_FORMATS.checks("date-time", raises=ValueError)(_is_instant)


def _pattern(_validator: Any, wanted: str, instance: Any, _schema: Any) -> Iterable[SchemaError]:
    """`$` is the end of the text, as it is everywhere but in Python, where a line end may follow."""
    if isinstance(instance, str) and not re.search(re.sub(r"\$$", r"\\Z", wanted), instance):
        yield SchemaError("pattern")


_STRICT = validators.extend(
    Draft202012Validator,
    {"pattern": _pattern},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda _, value: isinstance(value, int) and not isinstance(value, bool)
    ).redefine("number", lambda _, value: isinstance(value, int | float) and not isinstance(value, bool)),
)
"""schemas/values.py: nothing is guessed from another type, so 1.0 is no whole number."""


@functools.cache
def _validator(kind: str) -> Any:
    schema = json.loads((_SCHEMAS / "json" / f"{kind}.json").read_text("utf-8"))
    return _STRICT(schema, format_checker=_FORMATS)


_AT_MOST = 10_000
"""schemas/values.py: how many remedies or withdrawals one event may have."""


def misshapen(kind: str, data: Any) -> str | None:
    """What is wrong with an event's data, None when it is as its type wants it."""
    lists = [data.get(name) for name in ("remedies", "withdrawals")] if isinstance(data, dict) else []
    if any(isinstance(one, list) and len(one) > _AT_MOST for one in lists):
        return "more than can be answered"
    if not _validator(kind).is_valid(data):
        return "not as its schema says"
    return next((wrong for part in _objects(data) if (wrong := _model_rule(part))), None) or _attributes(kind, data)


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    """Every object within a value, but for what a contract's attributes hold."""
    if isinstance(value, dict):
        yield value
        for name, inner in value.items():
            if name != "attributes":
                yield from _objects(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _objects(inner)


_CURRENCIES = {code for code in get_global("all_currencies") if re.fullmatch("[A-Z]{3}", code)}


def _model_rule(part: Mapping[str, Any]) -> str | None:
    """schemas/events.py, schemas/values.py: what the models ask beyond the schema."""
    if part.keys() >= {"amount", "currency"} and isinstance(part["amount"], str) and isinstance(part["currency"], str):
        currency, decimals = part["currency"], len(part["amount"].partition(".")[2])
        fractions = get_global("currency_fractions")
        if currency not in _CURRENCIES or decimals > fractions.get(currency, fractions["DEFAULT"])[0]:
            return "no such currency, or more decimals than it has"
    if isinstance(part.get("starts_at"), str) and isinstance(part.get("ends_at"), str):
        start, end = (datetime.fromisoformat(part[name].replace("_", "T")) for name in ("starts_at", "ends_at"))
        if end <= start:
            return "ends_at is not after starts_at"
    if isinstance(scope := part.get("scope"), dict):
        lists = any(scope.get(name) for name in ("sites", "families", "contract_ids"))
        if scope.get("everyone", False) == lists:
            return "a scope is everyone or lists"
    refused = part.get("outcome") == "refused"
    if "outcome" in part and "entry_id" in part and refused != (part.get("reason") is not None):
        return "what is refused has a reason, and nothing else has"
    if any("\x00" in part[name] for name in ("time_zone", "code") if isinstance(part.get(name), str)):
        return "a text with U+0000"
    if isinstance(texts := part.get("texts"), dict) and any(not re.fullmatch("[a-z]{2}", name) for name in texts):
        return "texts are by language"
    return None


def _attributes(kind: str, data: Mapping[str, Any]) -> str | None:
    """schemas/events.py: attributes are what a database can keep as JSON."""
    pending = [data.get("attributes", {})] if kind == "contract.changed.v1" else []
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str) and "\x00" in value:
            return "an attribute with U+0000"
        elif isinstance(value, float) and not isfinite(value):
            return "an attribute beyond a double"
        elif isinstance(value, int) and not -(2**63) <= value < 2**64:
            return "an attribute beyond 64 bits"
    return None
