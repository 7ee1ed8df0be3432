"""CloudEvents 1.0 on Kafka: records in, messages out, and the other way round.

Binary mode (`ce_…` headers) is what Amends writes; structured mode is read too. Decoding a batch is one validation for
all records of a type; only when that fails is each looked at alone, so that one bad record costs the others nothing.
Which types a topic carries, and their models, comes from the service.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, reduce
from typing import Any, Protocol, TypeAlias

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

Headers: TypeAlias = Sequence[tuple[str, bytes]]
"""A record's headers; aiokafka's producer insists on a list."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record to publish: its key, its bytes (None is a tombstone), its headers."""

    key: bytes | None
    value: bytes | None
    headers: Headers


class Consumed(Protocol):
    """A record as the broker's client hands it over."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(slots=True)
class Message:
    """A record that was understood; `data` is None for a tombstone, whose `key` says what is gone."""

    record: Consumed
    event_id: str
    type: str
    data: Any
    raw: bytes
    """The bytes that `data` was read from, without an envelope."""

    @property
    def key(self) -> str:
        """The record's key as text, empty without one."""
        return (self.record.key or b"").decode("utf-8", "replace")

    @property
    def time(self) -> datetime:
        """The record's own time (set by its producer), for data that carries none."""
        return datetime.fromtimestamp(self.record.timestamp / 1000, UTC)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that can never be processed, and why."""

    record: Consumed
    reason: str


_TOMBSTONE = "tombstone"
_STRUCTURED = b"application/cloudevents+json"

LARGEST_BYTES = 4 << 20
"""A broker counts compressed bytes, and takes what would keep a reader busy for longer than its group waits for it."""


class Decoder:
    """Reads records of one topic; `types` are the event types that may stand in it.

    `kept`: the events' bytes are kept, and read again later on by a reader that knows no NaN and no number beyond a
    double. The one that validates knows them, so what the other would not read is set aside at once.
    """

    def __init__(self, types: Mapping[str, type[BaseModel]], *, tombstones: bool = False, kept: bool = False) -> None:
        self._single = {name: TypeAdapter(model) for name, model in types.items()}
        self._many = {name: TypeAdapter(list[model]) for name, model in types.items()}  # type: ignore[valid-type]
        self._names = {name.encode(): name for name in types}
        self._tombstones, self._kept = tombstones, kept

    @property
    def latest_counts(self) -> bool:
        """Whether a record says how its key stands from then on, and ends what was said before (a compacted topic)."""
        return self._tombstones

    def decode(self, records: Sequence[Consumed]) -> tuple[list[Message], list[Unreadable]]:
        """Split a batch into what was understood, in its order, and what was not."""
        opened: list[tuple[Consumed, str, str, bytes]] = []
        bad: list[Unreadable] = []
        for record in records:
            envelope = self._open(record)
            if isinstance(envelope, str):
                bad.append(Unreadable(record, envelope))
            else:
                opened.append((record, *envelope))
        messages: list[Message] = []
        start = 0
        for end in range(1, len(opened) + 1):  # runs of one type, so that the order stays
            if end == len(opened) or opened[end][2] != opened[start][2]:
                self._validate(opened[start:end], messages, bad)
                start = end
        return messages, bad

    def _open(self, record: Consumed) -> tuple[str, str, bytes] | str:
        """The event's id, type and data bytes, or what is wrong with its envelope."""
        if record.value is None:
            return self._open_tombstone(record.key)
        if len(record.value) > LARGEST_BYTES:
            return f"more than {LARGEST_BYTES} bytes"
        headers = dict(record.headers)
        raw_type = headers.get("ce_type")
        if raw_type is None:
            return self._open_structured(record.value, headers)
        known = self._names.get(raw_type)
        if known is None:
            return f"unknown event type {raw_type.decode('utf-8', 'replace')!r}: {self._expected()}"
        if headers.get("ce_specversion") != b"1.0":
            return "ce_specversion is not 1.0"
        event_id = headers.get("ce_id")
        if not event_id or not headers.get("ce_source"):
            return "ce_id or ce_source is missing or empty"
        if b"\x00" in event_id:
            return "ce_id holds the character U+0000"
        try:
            return event_id.decode(), known, record.value
        except UnicodeDecodeError:
            return "ce_id is not UTF-8"

    def _open_tombstone(self, key: bytes | None) -> tuple[str, str, bytes] | str:
        if not self._tombstones:
            return "a record without a value"
        if not key or b"\x00" in key:
            return "a tombstone whose key names nothing"
        try:
            key.decode()
        except UnicodeDecodeError:
            return "a tombstone whose key is not UTF-8"
        return "", _TOMBSTONE, b""

    def _open_structured(self, value: bytes, headers: Mapping[str, bytes]) -> tuple[str, str, bytes] | str:
        if not (headers.get("content-type") or _STRUCTURED).startswith(_STRUCTURED):
            return "no ce_type header, and the content is not application/cloudevents+json"
        try:
            event = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            return f"not JSON: {error}"
        if not isinstance(event, dict) or event.get("specversion") != "1.0":
            return "no ce_type header, and the value is no CloudEvents 1.0 object"
        name, event_id = event.get("type"), event.get("id")
        if not isinstance(name, str) or name not in self._single:
            return f"unknown event type {name!r}: {self._expected()}"
        if not isinstance(event_id, str) or not event_id or not event.get("source"):
            return "id or source is missing or empty"
        if "\x00" in event_id:
            return "id holds the character U+0000"
        try:
            return event_id, name, orjson.dumps(event.get("data"))
        except orjson.JSONEncodeError:
            return "the data is nested too deeply"

    def _expected(self) -> str:
        return "this topic carries " + ", ".join(sorted(self._single))

    def _validate(
        self,
        opened: Sequence[tuple[Consumed, str, str, bytes]],
        messages: list[Message],
        bad: list[Unreadable],
    ) -> None:
        name = opened[0][2]
        if name == _TOMBSTONE:
            messages += [Message(record, event_id, name, None, raw) for record, event_id, _, raw in opened]
            return
        together = b"[" + b",".join(o[3] for o in opened) + b"]"
        try:
            if self._kept:
                orjson.loads(together)
            values = self._many[name].validate_json(together)
        except (ValidationError, orjson.JSONDecodeError):
            values = []
        if len(values) == len(opened):  # "{},{}" would be two values in an array, and is none by itself
            messages += [
                Message(record, event_id, name, value, raw)
                for (record, event_id, _, raw), value in zip(opened, values, strict=True)
            ]
            return
        single = self._single[name]
        for record, event_id, _, data in opened:
            try:
                value = single.validate_json(data)
                if self._kept:
                    orjson.loads(data)
            except ValidationError as error:
                bad.append(Unreadable(record, f"not a valid {name}: {complaints(error)}"))
            except orjson.JSONDecodeError as error:
                bad.append(Unreadable(record, f"not a valid {name}: not JSON: {error}"))
            else:
                messages.append(Message(record, event_id, name, value, data))


def complaints(error: ValidationError, at_most: int = 5) -> str:
    """What a validation found, field by field, without the values (they may be somebody's name)."""
    problems = error.errors(include_url=False)
    told = [f"{'.'.join(str(part) for part in p['loc']) or 'value'}: {_discreet(p)}" for p in problems[:at_most]]
    if len(problems) > at_most:
        told.append(f"and {len(problems) - at_most} more")
    return "; ".join(told)


def _discreet(problem: ErrorDetails) -> str:
    """A complaint's words without the value that they quote (a schema's do, and those about a union's tag)."""
    quoted = [repr(problem["input"]), repr(problem.get("ctx", {}).get("tag"))]
    return reduce(lambda words, value: words.replace(value, "…"), quoted, problem["msg"])


class Encoder:
    """Makes records of one event type in binary mode."""

    def __init__(self, type_name: str, source: str) -> None:
        self._shared = (
            ("ce_source", source.encode()),
            ("ce_type", type_name.encode()),
            ("ce_specversion", b"1.0"),
            ("ce_dataschema", f"urn:amends:schema:{type_name}".encode()),
            ("content-type", b"application/json"),
        )

    def records(self, events: Iterable[tuple[str, str, Any]], at: datetime | None = None) -> list[Record]:
        """Records from (key, event id, data) triples; `data` is what orjson can write, None a tombstone.

        `at` stands on the envelope, now unless told: no decision looks at it.
        """
        shared = (*self._shared, ("ce_time", _instant(at or datetime.now(UTC).replace(microsecond=0))))
        dumps = orjson.dumps
        return [
            Record(
                key.encode(),
                None if data is None else dumps(data),
                [("ce_id", event_id.encode()), *shared],
            )
            for key, event_id, data in events
        ]


@lru_cache(maxsize=1024)
def _instant(at: datetime) -> bytes:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()
