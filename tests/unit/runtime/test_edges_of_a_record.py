"""Records at the edge of what can be read: each is understood by every reader that comes after, or by none."""

from __future__ import annotations

import orjson
import pytest

from services.runtime.envelope import LARGEST_BYTES, Decoder
from tests.unit.runtime.records import TYPES, Received, binary, structured

DECODER = Decoder(TYPES, tombstones=True, kept=True)
AT_THE_EDGE = (b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1E+999", b"9" * 400)


def refused(record: Received) -> str | None:
    """Why a record is unreadable, None when it is understood."""
    messages, bad = DECODER.decode([record])
    assert len(messages) + len(bad) == 1
    return bad[0].reason if bad else None


@pytest.mark.parametrize("number", AT_THE_EDGE)
def test_what_is_no_json_for_whoever_reads_the_bytes_again_is_refused_though_nobody_knows_the_field(
    number: bytes,
) -> None:
    value = b'{"parcel": "p1", "weight": 3, "unheard_of": %s}' % number
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(value)
    assert "not JSON" in str(refused(binary(value)))
    messages, bad = DECODER.decode([binary(offset=0), binary(value, offset=1), binary(offset=2)])
    assert ([m.record.offset for m in messages], [b.record.offset for b in bad]) == ([0, 2], [1])


@pytest.mark.parametrize("value", [b'"NaN"', b'"Infinity war"', b'"1e400"', b"1e299", b"9" * 300, b"1E-400"])
def test_what_only_looks_like_it_is_read(value: bytes) -> None:
    assert refused(binary(b'{"parcel": "p1", "weight": 3, "unheard_of": %s}' % value)) is None


@pytest.mark.parametrize("key", [None, b"", b"\xff\xfe", b"a\x00b"])
def test_a_tombstone_must_say_what_is_gone(key: bytes | None) -> None:
    assert "a tombstone whose key" in str(refused(Received(None, [], key)))
    assert refused(Received(None, [], b"p1")) is None


def test_an_id_that_no_database_can_hold_is_refused() -> None:
    assert "U+0000" in str(refused(binary(ce_id=b"a\x00b")))
    event = b'{"specversion": "1.0", "id": "a\\u0000b", "source": "/x", "type": "parcel.shipped.v1", "data": %s}'
    assert "U+0000" in str(refused(structured(event % b'{"parcel": "p", "weight": 1}')))


def test_what_would_keep_a_reader_busy_for_long_is_not_read_at_all() -> None:
    value = b'{"parcel": "p1", "weight": 3, "unheard_of": "%s"}'
    room = LARGEST_BYTES - len(value) + 2
    assert refused(binary(value % (b"x" * room))) is None
    assert refused(binary(value % (b"x" * (room + 1)))) == f"more than {LARGEST_BYTES} bytes"
