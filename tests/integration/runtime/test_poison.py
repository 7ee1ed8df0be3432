"""Poison is set aside with its bytes and the reason; the good records of its batch are none the worse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgpack
import pytest

from services.runtime.envelope import Message, Record, Unreadable
from services.runtime.errors import Poison, Transient
from services.runtime.quarantine import Limit
from services.runtime.work import Transaction
from tests.integration.runtime.trial import Trial, bare, event_id, parcels

NUL = b'{"number": 4, "note": "Ermenegilda \\u0000"}'
TOO_LARGE = b'{"number": 99999999999999999999}'


def with_poison() -> list[Record]:
    """Ten records, of which 1, 2, 3, 4 and 5 can never be processed, each for another reason."""
    records = parcels(range(10))
    for n, value in ((1, b"\xff not JSON"), (2, b'{"number": "two"}'), (4, NUL), (5, TOO_LARGE)):
        records[n] = replace(records[n], value=value)
    strange = [(name, b"parcel.lost.v9" if name == "ce_type" else value) for name, value in records[3].headers]
    records[3] = replace(records[3], headers=strange)
    return records


def reasons(rows: Sequence[Any]) -> dict[int, str]:
    """What was wrong, by offset, without the details."""
    return {row["record_offset"]: row["reason"].partition(":")[0] for row in rows}


async def test_each_kind_of_poison_is_set_aside_and_the_others_are_processed(trial: Trial) -> None:
    sent = with_poison()
    await trial.send(sent)
    consumer = trial.consumer()
    await trial.follow(5, consumer)
    assert await trial.numbers() == [0, 6, 7, 8, 9]
    assert sorted(map(event_id, await trial.read(trial.answers))) == [f"answer/{n}" for n in (0, 6, 7, 8, 9)]
    assert await trial.positions() == {0: 10}
    assert reasons(await trial.quarantined()) == {
        1: "not a valid parcel.shipped.v1",
        2: "not a valid parcel.shipped.v1",
        3: "unknown event type 'parcel.lost.v9'",
        4: "cannot be stored",
        5: "cannot be stored",
    }


async def test_a_record_that_is_set_aside_keeps_its_bytes_in_the_table_and_on_the_dead_letter_topic(
    trial: Trial,
) -> None:
    sent = with_poison()
    await trial.send(sent)
    await trial.follow(5)
    rows, letters = await trial.quarantined(), await trial.read(f"{trial.topic}.dlq")
    assert len(rows) == len(letters) == 5
    for row in rows:
        original = sent[row["record_offset"]]
        headers = [tuple(header) for header in msgpack.unpackb(row["headers"])]
        assert Record(row["key"], row["value"], headers) == bare(original)
        assert (row["topic"], row["partition"]) == (trial.topic, 0)
        (letter,) = [one for one in letters if one.key == original.key]
        added = {
            "amends_reason": row["reason"].encode(),
            "amends_topic": trial.topic.encode(),
            "amends_partition": b"0",
            "amends_offset": b"%d" % row["record_offset"],
        }
        assert bare(letter) == Record(original.key, original.value, [*original.headers, *added.items()])


async def test_what_is_set_aside_is_counted_exactly(trial: Trial) -> None:
    await trial.send(with_poison())
    workbench = trial.workbench()
    await trial.follow(5, trial.consumer(workbench))
    values = workbench.metrics.registry.get_sample_value
    assert values("amends_records_quarantined_total", {"topic": trial.topic}) == 5
    assert values("amends_records_consumed_total", {"topic": trial.topic}) == 10


async def test_a_reason_does_not_repeat_what_the_database_could_not_hold(trial: Trial) -> None:
    await trial.send([replace(parcels([4])[0], value=NUL), *parcels([5])])
    await trial.follow(1)
    (row,) = await trial.quarantined()
    assert "Ermenegilda" not in row["reason"]
    assert row["reason"] == "cannot be stored: UntranslatableCharacterError"


async def test_a_message_that_a_handler_calls_poison_is_set_aside_alone(trial: Trial) -> None:
    async def refuses_seven(batch: Sequence[Message], transaction: Transaction) -> None:
        await trial.handle(batch, transaction)
        if any(message.data.number == 7 for message in batch):
            raise Poison("seven is not liked here")

    await trial.send(parcels(range(10)))
    await trial.follow(9, trial.consumer(handle=refuses_seven))
    assert await trial.numbers() == [n for n in range(10) if n != 7]
    assert [(row["record_offset"], row["reason"]) for row in await trial.quarantined()] == [
        (7, "seven is not liked here")
    ]
    assert [event_id(a) for a in await trial.read(trial.answers)] == [f"answer/{n}" for n in range(10) if n != 7]


async def test_what_a_handler_sets_aside_itself_is_kept_with_the_effects_of_the_others(trial: Trial) -> None:
    async def sets_aside(batch: Sequence[Message], transaction: Transaction) -> None:
        odd = [message for message in batch if message.data.number % 2]
        transaction.set_aside([Unreadable(message.record, "odd") for message in odd])
        await trial.handle([message for message in batch if not message.data.number % 2], transaction)

    await trial.send(parcels(range(6)))
    await trial.follow(3, trial.consumer(handle=sets_aside))
    assert await trial.numbers() == [0, 2, 4]
    assert reasons(await trial.quarantined()) == {1: "odd", 3: "odd", 5: "odd"}
    assert len(await trial.read(f"{trial.topic}.dlq")) == 3


async def test_a_batch_that_is_rolled_back_and_tried_again_is_not_counted_twice(trial: Trial) -> None:
    """Two in a row are poison, four would halt: the first two are read right after the last two, were those counted."""
    failures = iter(range(2))

    async def fails_twice(step: str) -> None:
        if step == "written" and next(failures, None) is not None:
            raise Transient("the database is busy")

    sent = [record if n == 2 else replace(record, value=b"{") for n, record in enumerate(parcels(range(5)))]
    await trial.send(sent)
    workbench = trial.workbench(fails_twice)
    consumer = trial.consumer(workbench, limit=Limit(in_a_row=4, share=1.0, window=100))
    await trial.follow(1, consumer)
    assert consumer.halted is None
    assert len(await trial.quarantined()) == len(await trial.read(f"{trial.topic}.dlq")) == 4
    values = workbench.metrics.registry.get_sample_value
    assert values("amends_records_quarantined_total", {"topic": trial.topic}) == 4
    assert values("amends_batch_retries_total", {"error": "Transient"}) == 2


async def test_an_error_that_is_no_poison_sets_nothing_aside_when_messages_are_tried_one_by_one(trial: Trial) -> None:
    async def breaks_on_three(batch: Sequence[Message], _: Transaction) -> None:
        if len(batch) > 1:
            raise Poison("somewhere in here")
        if batch[0].data.number == 3:
            raise ZeroDivisionError("a bug")

    await trial.send(parcels(range(6)))
    with pytest.raises(ZeroDivisionError):
        await trial.follow(6, trial.consumer(handle=breaks_on_three))
    assert await trial.quarantined() == []
    assert await trial.positions() == {0: 0}
