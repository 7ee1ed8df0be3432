"""The outbox row gives back what was put in, byte for byte: it is the truth on the wire."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.runtime.envelope import Record
from services.runtime.outbox import pack, unpack

HEADERS = st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=40)), max_size=5)
RECORDS = st.builds(Record, st.none() | st.binary(max_size=40), st.none() | st.binary(max_size=200), HEADERS)
OUTGOING = st.dictionaries(st.text(min_size=1, max_size=20), st.lists(RECORDS, max_size=8), max_size=4)


@given(OUTGOING)
def test_records_come_out_as_they_went_in(outgoing: dict[str, list[Record]]) -> None:
    assert unpack(pack(outgoing)) == outgoing


@given(OUTGOING)
def test_topics_and_records_keep_their_order(outgoing: dict[str, list[Record]]) -> None:
    found = unpack(pack(outgoing))
    assert list(found) == list(outgoing)
    assert [list(records) for records in found.values()] == [list(records) for records in outgoing.values()]


def test_a_large_batch_is_packed_smaller_than_it_is() -> None:
    records = [
        Record(b"k%d" % n, b'{"customer_id":"c%d","days":15}' % n, [("ce_id", b"e%d" % n)]) for n in range(5_000)
    ]
    payload = pack({"topic": records})
    assert len(payload) < sum(len(record.value or b"") for record in records) / 2
    assert unpack(payload) == {"topic": records}
