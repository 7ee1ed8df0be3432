"""What is a readable event and what is not, one table each for binary and structured mode."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest

from services.runtime.envelope import Decoder, Encoder, Record
from tests.unit.runtime.records import GOOD, TYPES, Delivered, Received, Shipped, binary, structured

DECODER = Decoder(TYPES)
EVENT: dict[str, object] = {
    "specversion": "1.0",
    "id": "e-2",
    "source": "/trial",
    "type": "parcel.shipped.v1",
    "data": {"parcel": "p1", "weight": 3},
}


def reason(record: Received, decoder: Decoder = DECODER) -> str:
    """Why the one record cannot be read."""
    messages, bad = decoder.decode([record])
    assert messages == []
    assert [b.record for b in bad] == [record]
    return bad[0].reason


def enveloped(**changes: object) -> Received:
    event = {name: value for name, value in {**EVENT, **changes}.items() if value != "absent"}
    return structured(orjson.dumps(event))


# ── read ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_binary_mode_is_read() -> None:
    (message,), bad = DECODER.decode([binary()])
    assert bad == []
    assert (message.event_id, message.type, message.data) == (
        "e-1",
        "parcel.shipped.v1",
        Shipped(parcel="p1", weight=3),
    )
    assert (message.key, message.raw) == ("p1", GOOD)


def test_a_records_own_time_is_an_instant_with_an_offset() -> None:
    (message,), _ = DECODER.decode([binary()])
    assert message.time == datetime(2011, 4, 28, 14, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize("content_type", [b"application/cloudevents+json; charset=utf-8", None])
def test_structured_mode_is_read(content_type: bytes | None) -> None:
    (message,), bad = DECODER.decode([structured(orjson.dumps(EVENT), content_type)])
    assert bad == []
    assert (message.event_id, message.type, message.data) == (
        "e-2",
        "parcel.shipped.v1",
        Shipped(parcel="p1", weight=3),
    )


def test_fields_that_nobody_knows_are_ignored() -> None:
    (message,), _ = DECODER.decode([binary(b'{"parcel": "p1", "weight": 3, "colour": "red"}')])
    assert message.data == Shipped(parcel="p1", weight=3)


def test_a_key_that_is_no_text_does_not_hurt() -> None:
    (message,), _ = DECODER.decode([Received(key=b"\xff\x00")])
    assert message.key == "\ufffd\x00"
    (message,), _ = DECODER.decode([Received(key=None)])
    assert message.key == ""


def test_order_is_kept_across_types_and_modes() -> None:
    delivered = b'{"parcel": "p1"}'
    records = [
        binary(GOOD, ce_id=b"1"),
        binary(delivered, ce_id=b"2", ce_type=b"parcel.delivered.v1"),
        binary(delivered, ce_id=b"3", ce_type=b"parcel.delivered.v1"),
        enveloped(id="4"),
        binary(delivered, ce_id=b"5", ce_type=b"parcel.delivered.v1"),
    ]
    messages, bad = DECODER.decode(records)
    assert bad == []
    assert [message.event_id for message in messages] == ["1", "2", "3", "4", "5"]
    assert [type(message.data) for message in messages] == [Shipped, Delivered, Delivered, Shipped, Delivered]


# ── not read ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (binary(ce_type=b"parcel.lost.v1"), "unknown event type 'parcel.lost.v1': this topic carries parcel.delivered"),
        (binary(ce_type=b"\xff"), "unknown event type"),
        (binary(ce_type=b""), "unknown event type"),
        (binary(without="ce_specversion"), "ce_specversion is not 1.0"),
        (binary(ce_specversion=b"0.3"), "ce_specversion is not 1.0"),
        (binary(without="ce_id"), "ce_id or ce_source is missing or empty"),
        (binary(ce_id=b""), "ce_id or ce_source is missing or empty"),
        (binary(ce_id=b"\xff"), "ce_id is not UTF-8"),
        (binary(without="ce_source"), "ce_id or ce_source is missing or empty"),
        (binary(ce_source=b""), "ce_id or ce_source is missing or empty"),
        (binary(b"not json"), "not a valid parcel.shipped.v1: value: Invalid JSON"),
        (binary(b""), "not a valid parcel.shipped.v1: value: Invalid JSON"),
        (binary(b"\xff\xfe"), "not a valid parcel.shipped.v1: value: Invalid JSON"),
        (binary(b"null"), "not a valid parcel.shipped.v1: value: "),
        (binary(b"[]"), "not a valid parcel.shipped.v1: value: "),
        (binary(b'{"parcel": "p1"}'), "not a valid parcel.shipped.v1: weight: Field required"),
        (binary(b'{"parcel": "p1", "weight": "3"}'), "not a valid parcel.shipped.v1: weight: Input should be a valid"),
        (binary(b"[" * 5_000 + b"]" * 5_000), "not a valid parcel.shipped.v1: value: Invalid JSON"),
        (binary(GOOD + b"," + GOOD), "not a valid parcel.shipped.v1: value: Invalid JSON"),
        (binary(None), "a record without a value"),
    ],
)
def test_a_record_in_binary_mode_that_is_no_event_is_refused_with_the_reason(record: Received, said: str) -> None:
    assert reason(record).startswith(said)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (structured(b"not json"), "not JSON"),
        (structured(b""), "not JSON"),
        (structured(b"[]"), "no ce_type header, and the value is no CloudEvents 1.0 object"),
        (structured(b"{}"), "no ce_type header, and the value is no CloudEvents 1.0 object"),
        (structured(orjson.dumps(EVENT), b"application/json"), "no ce_type header, and the content is not"),
        (enveloped(specversion="1.1"), "no ce_type header, and the value is no CloudEvents 1.0 object"),
        (enveloped(type="parcel.lost.v1"), "unknown event type 'parcel.lost.v1'"),
        (enveloped(type="absent"), "unknown event type None"),
        (enveloped(type=["parcel.shipped.v1"]), "unknown event type"),
        (enveloped(type={}), "unknown event type"),
        (enveloped(id=""), "id or source is missing or empty"),
        (enveloped(id=7), "id or source is missing or empty"),
        (enveloped(id="absent"), "id or source is missing or empty"),
        (enveloped(source=""), "id or source is missing or empty"),
        (enveloped(source="absent"), "id or source is missing or empty"),
        (enveloped(data="absent"), "not a valid parcel.shipped.v1: value: "),
        (enveloped(data={"parcel": "p1"}), "not a valid parcel.shipped.v1: weight: Field required"),
    ],
)
def test_a_record_in_structured_mode_that_is_no_event_is_refused_with_the_reason(record: Received, said: str) -> None:
    assert reason(record).startswith(said)


def test_a_header_without_a_value_is_as_good_as_none() -> None:
    nothing: bytes = None  # type: ignore[assignment]  # Kafka allows it, and so hands it over
    assert reason(Received(b"{}", [("content-type", nothing)])).startswith("no ce_type header")
    assert reason(binary(ce_id=nothing)) == "ce_id or ce_source is missing or empty"


def test_data_that_is_nested_beyond_reason_is_refused() -> None:
    deep = b"[" * 500 + b"]" * 500
    value = orjson.dumps({**EVENT, "data": 0}).replace(b'"data":0', b'"data":' + deep)
    assert "nested" in reason(structured(value))


# ── one bad record among good ones ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("bad_value", [b"not json", b'{"parcel": 1}', b"", GOOD + b"," + GOOD, b"{},{}", b"]"])
@pytest.mark.parametrize("at", [0, 2, 4])
def test_one_bad_record_costs_the_others_nothing(bad_value: bytes, at: int) -> None:
    values = [b'{"parcel": "p", "weight": %d}' % n for n in range(5)]
    values[at] = bad_value
    messages, bad = DECODER.decode([binary(value, offset=n) for n, value in enumerate(values)])
    assert [(message.record.offset, message.data.weight) for message in messages] == [
        (n, n) for n in range(5) if n != at
    ]
    assert [b.record.offset for b in bad] == [at]


def test_two_values_in_one_record_and_none_in_another_do_not_make_up_for_each_other() -> None:
    messages, bad = DECODER.decode([binary(GOOD + b"," + GOOD, offset=0), binary(b"", offset=1), binary(offset=2)])
    assert [message.record.offset for message in messages] == [2]
    assert [b.record.offset for b in bad] == [0, 1]


# ── tombstones ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_record_without_a_value_says_that_its_key_is_gone() -> None:
    decoder = Decoder(TYPES, tombstones=True)
    messages, bad = decoder.decode([binary(), Received(None, [], key=b"p7"), binary()])
    assert bad == []
    assert [(message.key, message.data is None) for message in messages] == [
        ("p1", False),
        ("p7", True),
        ("p1", False),
    ]


# ── written ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_written_carries_every_header_of_the_binary_mode() -> None:
    at = datetime(2011, 4, 29, 4, 30, tzinfo=timezone(timedelta(hours=2)))
    record, tombstone = Encoder("parcel.shipped.v1", "/trial").records(
        [("p1", "e-1", {"parcel": "p1", "weight": 3}), ("p2", "e-2", None)], at
    )
    assert dict(record.headers) == {
        "ce_id": b"e-1",
        "ce_source": b"/trial",
        "ce_type": b"parcel.shipped.v1",
        "ce_specversion": b"1.0",
        "ce_time": b"2011-04-29T02:30:00Z",
        "ce_dataschema": b"urn:amends:schema:parcel.shipped.v1",
        "content-type": b"application/json",
    }
    assert (record.key, orjson.loads(record.value or b"")) == (b"p1", {"parcel": "p1", "weight": 3})
    assert (tombstone.key, tombstone.value) == (b"p2", None)


def test_what_is_written_can_be_read() -> None:
    records: list[Record] = Encoder("parcel.shipped.v1", "/trial").records(
        [(f"p{n}", f"e-{n}", {"parcel": f"p{n}", "weight": n}) for n in range(3)], datetime(2011, 4, 29, tzinfo=UTC)
    )
    messages, bad = DECODER.decode([Received(r.value, r.headers, r.key) for r in records])
    assert bad == []
    assert [(m.key, m.event_id, m.data.weight) for m in messages] == [
        ("p0", "e-0", 0),
        ("p1", "e-1", 1),
        ("p2", "e-2", 2),
    ]
