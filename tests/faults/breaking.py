"""The ways to break an event's data, one function each, and the record that its producer would send.

Some leave it as it should be: a reader has to bear an unknown field, a field twice, or a date in the year 9999. Whether
it is poison then is for `judgement` to say. Leaves bytes, envelopes and keys to `wrapping`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from tests.faults.judgement import Headers, Sent

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """An event before it is broken."""

    number: int
    topic: str
    kind: str
    data: Any

    @property
    def key(self) -> bytes:
        """What the topic is keyed by."""
        name = {"amends.contracts.v1": "contract_id", "amends.policies.v1": "policy"}.get(self.topic)
        name = name or ("incident_id" if self.topic == "amends.incidents.v1" else "customer_id")
        return str(self.data[name]).encode()


Way: TypeAlias = Callable[[Draft, random.Random], Sent]


def envelope(draft: Draft, mutation: str, _chance: random.Random, value: bytes | None = None, **changed: Any) -> Sent:
    """The record as its producer would send it, with what is changed."""
    headers: Headers = changed.get("headers", headers_of(draft))
    text = json.dumps(draft.data, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Sent(
        draft.number,
        draft.topic,
        changed["key"] if "key" in changed else draft.key,  # noqa: SIM401 — the draft may have none
        text if value is None else value,
        [*headers, ("mutant", b"%d" % draft.number)],
        mutation,
    )


def headers_of(draft: Draft) -> Headers:
    """The headers as its producer would write them."""
    return [
        ("ce_id", b"mutant-%d" % draft.number),
        ("ce_source", b"urn:amends:mutations"),
        ("ce_type", draft.kind.encode()),
        ("ce_specversion", b"1.0"),
        ("content-type", b"application/json"),
    ]


# ── its data ──────────────────────────────────────────────────────────────────────────────────────────────────────

IDS = (
    "",
    "x" * 10_000,
    "x" * 200,
    "two words",
    "line\nend",
    "tab\t",
    "\u00a0",
    "é",
    "日本",
    "../../etc",
    "'; --",
    "🎉" * 50,
)
DAYS = ("9999-12-31", "0001-01-01", "0000-01-01", "2011-02-30", "2012-02-29", "2011-4-29", "29.04.2011", "20110429",
        "2011-04-29T00:00", "+2011-01-01", "2011-W17-5", "86400", "0")  # fmt: skip
INSTANTS = ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "9999-12-31T23:59:59Z", "2011-04-29T04:30:00",
            "2011-04-29T24:00:00Z", "2011-04-29T04:30:00+24:00", "2011-04-29 04:30:00+02:00", "yesterday",
            "1304208000", "20110429", "1899-12-31T23:59:59Z", "2011-04-29T04:30:00.123456789+05:45")  # fmt: skip
AMOUNTS = ("9" * 30, "-5.00", "+5.00", "5,00", "1e3", "0.00", "0", "05.00", "5.", ".5", "5.001", "5.00001", "9" * 12,
           "NaN", "5.00 ", "٥.٠٠")  # fmt: skip
CURRENCIES = ("eur", "EURO", "XXX", "ZZZ", "", "JPY", "KWD", "EU\u0000")
ZONES = (
    "Mars/Olympus",
    "../../etc/passwd",
    "/etc/localtime",
    "",
    "x" * 65,
    "Europe/Rome\u0000",
    "GMT+25",
    "posixrules",
)
NUMBERS = (2**31, 2**63, 2**64, 10**30, -1, -(10**30), 0, 1.5, 1.0, 1_000_001)
JUNK: tuple[Any, ...] = (None, True, False, 0, -1, 1.5, "", "text", [], {}, [[]], {"a": 1}, "\u0000", 10**40)


def _paths(value: Any, at: Path = ()) -> list[Path]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for name, part in inner for path in _paths(part, (*at, name)))]


def _at(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data


def _put(data: Any, path: Path, value: Any) -> Any:
    copy = json.loads(json.dumps(data))
    if not path:
        return value
    _at(copy, path[:-1])[path[-1]] = value
    return copy


def _changed(draft: Draft, mutation: str, chance: random.Random, path: Path, value: Any) -> Sent:
    if draft.topic == "amends.incidents.v1" and path == ("incident_id",) and isinstance(value, str):
        value = f"{value}-{draft.number}"  # two incidents of one id would have to do with each other
    # The key stays what it was: a producer that mangles the data need not mangle the key alike.
    data = _put(draft.data, path, value)
    return envelope(Draft(draft.number, draft.topic, draft.kind, data), mutation, chance, key=draft.key)


def _any_path(draft: Draft, chance: random.Random, last: str | None = None) -> Path:
    paths = [path for path in _paths(draft.data) if path and (last is None or str(path[-1]).endswith(last))]
    return chance.choice(paths or [path for path in _paths(draft.data) if path])


def wrong_type(draft: Draft, chance: random.Random) -> Sent:
    return _changed(draft, "wrong type", chance, _any_path(draft, chance), chance.choice(JUNK))


def without(draft: Draft, chance: random.Random) -> Sent:
    data = json.loads(json.dumps(draft.data))
    path = _any_path(draft, chance)
    del _at(data, path[:-1])[path[-1]]
    return envelope(Draft(draft.number, draft.topic, draft.kind, data), "a part is gone", chance, key=draft.key)


def _absurd(name: str, last: str, values: Sequence[Any]) -> Way:
    def change(draft: Draft, chance: random.Random) -> Sent:
        return _changed(draft, name, chance, _any_path(draft, chance, last), chance.choice(values))

    return change


def unknown_field(draft: Draft, chance: random.Random) -> Sent:
    value = chance.choice((*JUNK, *IDS, 10**400, {"deep": {"er": ["x"] * 1_000}}))
    return _changed(draft, "an unknown field", chance, ("unheard_of",), value)


def long_list(draft: Draft, chance: random.Random) -> Sent:
    lists = [path for path in _paths(draft.data) if isinstance(_at(draft.data, path), list) and _at(draft.data, path)]
    if not lists:
        return unknown_field(draft, chance)
    path = chance.choice(lists)
    return _changed(draft, "a long list", chance, path, _at(draft.data, path) * chance.choice((2, 20, 100)))


def attributes(draft: Draft, chance: random.Random) -> Sent:
    values = ({"x": 10**30}, {"x": "\u0000"}, {"\u0000": 1}, {"x": 2**63}, {"x": 2**64}, {"": ""}, {"x": -(2**63) - 1},
              {"x": ["y"] * 5_000}, {"includes_email": "perhaps"}, {"time_zone": "Mars/Olympus"}, {"time_zone": 7},
              {"x": 0.1}, {"x": {"y": {"z": [None]}}})  # fmt: skip
    return _changed(draft, "attributes", chance, ("attributes",), chance.choice(values))


def raw_token(draft: Draft, chance: random.Random) -> Sent:
    """What only bytes can say: no JSON, or JSON at its edges, where a field should be."""
    tokens = ("NaN", "Infinity", "-Infinity", "1e400", "9" * 400, "9" * 5_000, '"\\ud800"', '"\\udc00\\ud800"',
              '"\\u0000"', "[" * 100 + "]" * 100, "[" * 5_000 + "]" * 5_000, '{"a":' * 190 + "1" + "}" * 190, "01",
              "+1", "0x10", "'x'", "", "1,", '"\x01"', "1e2", '"NaN"', '"\\ud83c\\udf89"', "-0", "1E-400")  # fmt: skip
    path = chance.choice([_any_path(draft, chance), ("unheard_of",), ("attributes",)])
    text = json.dumps(_put(draft.data, path, "@@@"), ensure_ascii=False)
    value = text.replace('"@@@"', chance.choice(tokens)).encode()
    return envelope(draft, "raw token", chance, value)


def twice(draft: Draft, chance: random.Random) -> Sent:
    """The same field twice, the other one before it or after it: the last counts, as everywhere."""
    name = chance.choice(list(draft.data))
    other = json.dumps({name: chance.choice(JUNK)})[1:-1]
    text = json.dumps(draft.data, ensure_ascii=False)
    value = f"{{{other}, {text[1:]}" if chance.random() < 0.5 else f"{text[:-1]}, {other}}}"
    return envelope(draft, "a field twice", chance, value.encode())


VALUES: tuple[Way, ...] = (
    wrong_type, without, unknown_field, long_list, attributes, raw_token, twice,
    _absurd("an absurd id", "_id", IDS),
    _absurd("an absurd day", "s_on", DAYS), _absurd("an absurd day", "until", DAYS),
    _absurd("an absurd instant", "_at", INSTANTS), _absurd("an absurd amount", "amount", AMOUNTS),
    _absurd("an absurd currency", "currency", CURRENCIES), _absurd("an absurd zone", "time_zone", ZONES),
    _absurd("an absurd number", "revision", NUMBERS), _absurd("an absurd number", "days", NUMBERS),
    _absurd("an absurd number", "version", NUMBERS),
    _absurd("an absurd policy", "policy", (*IDS, "aruba-2011-04-29@1")),
)  # fmt: skip
