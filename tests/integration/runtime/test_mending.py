"""A record that was set aside is tried again as if it had just been read: applied once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from deploy.local.stack import Stack
from services.runtime.consumer import Consumer
from services.runtime.envelope import Decoder, Message, Record, Unreadable
from services.runtime.errors import Poison, Transient
from services.runtime.handling import Route
from services.runtime.mending import Mended, Mender, NobodyReadsError
from services.runtime.metrics import Metrics
from services.runtime.outbox import Outgoing
from services.runtime.quarantine import Limit
from services.runtime.relay import Publisher
from services.runtime.work import Step, Transaction, Workbench
from tests.integration.runtime.trial import (
    DECODER,
    SECONDS,
    Parcel,
    PowerCut,
    Trial,
    answers,
    bare,
    event_id,
    parcels,
    running,
    until,
)


class Desk:
    """A handler that cannot bear some numbers until somebody mends it; what it was given is kept."""

    def __init__(self, trial: Trial, *unbearable: int) -> None:
        self.trial, self.unbearable = trial, set(unbearable)
        self.given: list[Message] = []

    async def handle(self, batch: Sequence[Message], transaction: Transaction) -> None:
        """Note and answer each; refuse the whole batch for one that is not borne."""
        self.given += batch
        await self.trial.handle(batch, transaction)
        for message in batch:
            if message.data is not None and message.data.number in self.unbearable:
                raise Poison(f"number {len(self.unbearable)} of those that are not liked")

    def mender(self, workbench: Workbench | None = None) -> Mender:
        """Who tries records again with this handler."""
        return Mender(workbench or self.trial.workbench(), {self.trial.topic: Route(DECODER, self.handle)})


async def set_aside(trial: Trial, desk: Desk, records: Sequence[Record], good: int) -> dict[int, int]:
    """Let a consumer with this desk read the records; the ids of what is set aside, by offset."""
    await trial.send(records)
    await trial.follow(good, trial.consumer(handle=desk.handle))
    desk.given.clear()
    return {row["record_offset"]: row["quarantine_id"] for row in await trial.quarantined()}


async def state(trial: Trial, number: int) -> tuple[str, int]:
    row = await trial.pool.fetchrow("SELECT state, attempts FROM quarantine WHERE quarantine_id = $1", number)
    return row["state"], row["attempts"]


async def test_a_record_whose_reason_is_gone_is_applied_and_answered(trial: Trial) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)
    desk.unbearable.clear()
    workbench = trial.workbench()
    done = await desk.mender(workbench).retry(kept[3])
    assert done == Mended(kept[3], "applied", "number 1 of those that are not liked", 1)
    assert await trial.numbers() == [0, 1, 2, 3, 4]
    assert sorted(map(event_id, await trial.read(trial.answers))) == [f"answer/{n}" for n in range(5)]
    assert await state(trial, kept[3]) == ("applied", 1)
    assert workbench.metrics.registry.get_sample_value(
        "amends_records_mended_total", {"topic": trial.topic, "result": "applied"}
    )


async def test_a_handler_is_given_the_record_as_it_was_read(trial: Trial) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)
    (original,) = [record for record in await trial.read(trial.topic) if record.offset == 3]
    await desk.mender().retry(kept[3])
    (message,) = desk.given
    assert bare(message.record) == bare(original)
    place = (trial.topic, 0, 3, original.timestamp)
    record = message.record
    assert (record.topic, record.partition, record.offset, record.timestamp) == place


async def test_a_record_that_is_poison_again_stays_with_the_new_reason_and_leaves_no_other_trace(trial: Trial) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)
    desk.unbearable.add(99)
    for attempt in (1, 2):
        done = await desk.mender().retry(kept[3])
        assert done == Mended(kept[3], "refused", "number 2 of those that are not liked", attempt)
    assert await trial.numbers() == [0, 1, 2, 4]
    assert len(await trial.read(trial.answers)) == 4
    assert len(await trial.read(f"{trial.topic}.dlq")) == 1
    (row,) = await trial.quarantined()
    assert (row["reason"], row["state"], row["attempts"]) == ("number 2 of those that are not liked", "set_aside", 2)


async def test_what_a_handler_sets_aside_by_itself_is_refused_without_its_effects(trial: Trial) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)

    async def declines(batch: Sequence[Message], transaction: Transaction) -> None:
        await trial.handle(batch, transaction)
        transaction.set_aside([Unreadable(message.record, "declined") for message in batch])

    mender = Mender(trial.workbench(), {trial.topic: Route(DECODER, declines)})
    assert await mender.retry(kept[3]) == Mended(kept[3], "refused", "declined", 1)
    assert await trial.numbers() == [0, 1, 2, 4]
    assert (len(await trial.read(f"{trial.topic}.dlq")), len(await trial.quarantined())) == (1, 1)


async def test_a_record_that_could_not_be_read_is_read_again(trial: Trial) -> None:
    desk = Desk(trial)
    broken = replace(parcels([7])[0], value=b'{"number": 7, "note": null}')
    kept = await set_aside(trial, desk, [broken, *parcels([8])], 1)

    class Lenient(Parcel):
        note: Any = ""

    mender = Mender(trial.workbench(), {trial.topic: Route(Decoder({"parcel.shipped.v1": Lenient}), desk.handle)})
    done = await mender.retry(kept[0])
    assert done is not None
    assert done.result == "applied"
    assert await trial.numbers() == [7, 8]


async def test_two_who_try_at_once_apply_it_once(trial: Trial) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)
    desk.unbearable.clear()
    tried = await asyncio.gather(*[desk.mender().retry(kept[3]) for _ in range(5)])
    assert sorted(one.result for one in tried if one) == ["already_applied"] * 4 + ["applied"]
    assert await trial.numbers() == [0, 1, 2, 3, 4]
    assert await state(trial, kept[3]) == ("applied", 1)


def dies_at(step: str) -> Step:
    async def die(done: str) -> None:
        if done == step:
            raise PowerCut(step)

    return die


@pytest.mark.parametrize("step", ["worked", "written"])
async def test_who_dies_before_the_commit_leaves_it_set_aside(trial: Trial, step: str) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)
    desk.unbearable.clear()
    with pytest.raises(PowerCut):
        await desk.mender(trial.workbench(dies_at(step))).retry(kept[3])
    assert await trial.numbers() == [0, 1, 2, 4]
    assert await state(trial, kept[3]) == ("set_aside", 0)
    assert await trial.pending() == 0
    done = await desk.mender().retry(kept[3])
    assert done is not None
    assert done.result == "applied"
    assert await trial.numbers() == [0, 1, 2, 3, 4]


async def test_who_dies_after_the_commit_has_applied_it_and_its_answer_is_published_later(trial: Trial) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)
    desk.unbearable.clear()
    with pytest.raises(PowerCut):
        await desk.mender(trial.workbench(dies_at("committed"))).retry(kept[3])
    assert await state(trial, kept[3]) == ("applied", 1)
    done = await desk.mender().retry(kept[3])
    assert done is not None
    assert done.result == "already_applied"
    assert await trial.workbench().relay.flush() == 1
    assert await trial.numbers() == [0, 1, 2, 3, 4]
    assert [bare(one) for one in await trial.read(trial.answers)][-1] == answers([3])[0]


class Deaf(Publisher):
    """The broker does not take anything."""

    async def publish(self, outgoing: Outgoing) -> None:
        raise Transient("nobody listens")


async def test_a_broker_that_is_away_does_not_make_it_undone(trial: Trial, foundation: Stack) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)
    desk.unbearable.clear()
    deaf = Deaf(foundation.kafka, delivery_seconds=SECONDS, metrics=Metrics())
    done = await desk.mender(trial.workbench(publisher=deaf)).retry(kept[3])
    assert done is not None
    assert (done.result, await trial.pending()) == ("applied", 1)
    assert await trial.numbers() == [0, 1, 2, 3, 4]


async def test_a_fault_of_ours_is_no_poison_and_changes_nothing(trial: Trial) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)

    async def breaks(batch: Sequence[Message], transaction: Transaction) -> None:
        await trial.handle(batch, transaction)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Mender(trial.workbench(), {trial.topic: Route(DECODER, breaks)}).retry(kept[3])
    assert await trial.numbers() == [0, 1, 2, 4]
    assert await state(trial, kept[3]) == ("set_aside", 0)


def trial_waits(trial: Trial) -> Callable[[], Awaitable[bool]]:
    """Whether somebody waits in the database for somebody else."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    async def somebody_waits() -> bool:
        return bool(await trial.pool.fetchval(waiting))

    return somebody_waits


async def test_who_drops_a_record_that_is_being_tried_waits_for_what_becomes_of_it(trial: Trial) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)
    in_hand, go_on = asyncio.Event(), asyncio.Event()

    async def slow(batch: Sequence[Message], transaction: Transaction) -> None:
        await trial.handle(batch, transaction)
        in_hand.set()
        await go_on.wait()

    retry = asyncio.ensure_future(Mender(trial.workbench(), {trial.topic: Route(DECODER, slow)}).retry(kept[3]))
    await asyncio.wait_for(in_hand.wait(), SECONDS)
    drop = asyncio.ensure_future(desk.mender().drop(kept[3], "anna", "a test of theirs"))
    await until(trial_waits(trial))
    go_on.set()
    done = await asyncio.wait_for(asyncio.gather(retry, drop), SECONDS)
    assert [one.result for one in done if one] == ["applied", "already_applied"]
    (row,) = await trial.quarantined()
    assert (row["state"], row["dropped_by"]) == ("applied", None)


async def test_it_waits_for_the_batch_that_somebody_has_in_hand(trial: Trial) -> None:
    """A handler may rely on it that nobody else works on its topic's keys: the batch is committed first."""
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)
    desk.unbearable.clear()
    in_hand, go_on = asyncio.Event(), asyncio.Event()

    async def slow(batch: Sequence[Message], transaction: Transaction) -> None:
        await trial.handle(batch, transaction)
        in_hand.set()
        await go_on.wait()

    await trial.send(parcels([5]))
    async with running(trial.consumer(handle=slow)):
        await asyncio.wait_for(in_hand.wait(), SECONDS)
        retry = asyncio.ensure_future(desk.mender().retry(kept[3]))
        await until(trial_waits(trial))
        assert (desk.given, retry.done()) == ([], False)
        go_on.set()
        done = await asyncio.wait_for(retry, SECONDS)
        await trial.done(6)
    assert done is not None
    assert done.result == "applied"
    assert await trial.numbers() == [0, 1, 2, 3, 4, 5]


async def test_a_record_of_another_life_of_the_log_is_applied_once(trial: Trial) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)
    await trial.pool.execute("UPDATE quarantine SET cluster = 'the one that was lost', partition = 7")
    desk.unbearable.clear()
    for result in ("applied", "already_applied"):
        done = await desk.mender().retry(kept[3])
        assert done is not None
        assert done.result == result
    assert await trial.numbers() == [0, 1, 2, 3, 4]


async def test_a_record_that_somebody_drops_stays_with_who_and_why(trial: Trial) -> None:
    desk = Desk(trial, 3)
    sent = parcels(range(5))
    kept = await set_aside(trial, desk, sent, 4)
    mender = desk.mender()
    assert await mender.drop(kept[3], "anna", "a test of theirs") == Mended(
        kept[3], "dropped", "number 1 of those that are not liked", 0
    )
    (row,) = await trial.quarantined()
    assert (row["state"], row["dropped_by"], row["dropped_why"]) == ("dropped", "anna", "a test of theirs")
    assert (row["value"], row["dropped_at"] is not None) == (sent[3].value, True)
    again = await mender.drop(kept[3], "bruno", "me too")
    assert again is not None
    assert again.result == "already_dropped"
    assert (await trial.quarantined())[0]["dropped_by"] == "anna"


async def test_a_dropped_record_is_tried_again_only_for_whoever_says_so(trial: Trial) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)
    mender = desk.mender()
    await mender.drop(kept[3], "anna", "a test of theirs")
    desk.unbearable.clear()
    refused, done = await mender.retry(kept[3]), await mender.retry(kept[3], even_dropped=True)
    assert refused is not None
    assert done is not None
    assert (refused.result, done.result) == ("already_dropped", "applied")
    assert await trial.numbers() == [0, 1, 2, 3, 4]
    assert (await trial.quarantined())[0]["dropped_by"] == "anna"
    dropped = await mender.drop(kept[3], "anna", "too late")
    assert dropped is not None
    assert dropped.result == "already_applied"


async def test_what_there_is_not_and_what_nobody_reads(trial: Trial) -> None:
    desk = Desk(trial, 3)
    kept = await set_aside(trial, desk, parcels(range(5)), 4)
    assert await desk.mender().retry(kept[3] + 1) is None
    assert await desk.mender().drop(kept[3] + 1, "anna", "x") is None
    with pytest.raises(NobodyReadsError):
        await Mender(trial.workbench(), {}).retry(kept[3])


# ── compacted topics: the last telling counts ─────────────────────────────────────────────────────────────────────

LATEST = Decoder({"parcel.shipped.v1": Parcel}, tombstones=True)


def follower(trial: Trial, desk: Desk) -> Consumer:
    return Consumer(
        trial.kafka, trial.group, {trial.topic: Route(LATEST, desk.handle)}, trial.workbench(), batch_records=500,
        patience_seconds=SECONDS, limit=Limit(in_a_row=1_000, share=1.0, window=10_000),
    )  # fmt: skip


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_record_whose_key_was_told_anew_is_overtaken(trial: Trial, at_once: bool) -> None:
    """Or yesterday's profile would come back over today's."""
    desk = Desk(trial, 1, 2)
    first, later = parcels([1, 2, 9], key=lambda n: f"p{n}"), parcels([3], key=lambda _: "p1")
    if at_once:
        await trial.send([*first, *later])
        await trial.follow(2, follower(trial, desk))
    else:
        await trial.send(first)
        await trial.follow(1, follower(trial, desk))
        await trial.send(later)
        await trial.follow(2, follower(trial, desk))
    states = {row["key"]: row["state"] for row in await trial.quarantined()}
    assert states == {b"p1": "superseded", b"p2": "set_aside"}
    desk.unbearable.clear()
    mender = Mender(trial.workbench(), {trial.topic: Route(LATEST, desk.handle)})
    ids = {row["key"]: row["quarantine_id"] for row in await trial.quarantined()}
    done = [await mender.retry(ids[key]) for key in (b"p1", b"p2")]
    assert [one.result for one in done if one] == ["superseded", "applied"]
    assert await trial.numbers() == [2, 3, 9]


async def test_an_earlier_record_that_is_read_again_overtakes_nothing(trial: Trial) -> None:
    desk = Desk(trial, 2)
    await trial.send([*parcels([1], key=lambda _: "p"), *parcels([2], key=lambda _: "p")])
    await trial.follow(1, follower(trial, desk))
    await trial.pool.execute("UPDATE position SET next = 0")
    await trial.follow(2, follower(trial, desk))
    assert [row["state"] for row in await trial.quarantined()] == ["set_aside"]


async def test_of_two_records_of_a_key_the_earlier_one_is_overtaken_when_the_later_one_is_applied(trial: Trial) -> None:
    desk = Desk(trial, 1, 2)
    await trial.send([*parcels([1, 2], key=lambda _: "p"), *parcels([9])])
    await trial.follow(1, follower(trial, desk))
    desk.unbearable.clear()
    first, second = [row["quarantine_id"] for row in await trial.quarantined()]
    mender = Mender(trial.workbench(), {trial.topic: Route(LATEST, desk.handle)})
    done = [await mender.retry(second), await mender.retry(first)]
    assert [one.result for one in done if one] == ["applied", "superseded"]
