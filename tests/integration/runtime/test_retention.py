"""What is kept of the outbox: as long as a topic keeps its records, and then the state is said anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from schemas.topics import load_topics
from services.runtime.database import Connection
from services.runtime.envelope import Record
from services.runtime.relay import Page, Relay
from services.runtime.settings import RuntimeSettings
from tests.integration.runtime.test_outbox import leave_pending
from tests.integration.runtime.trial import Trial, answers, bare

DAY = timedelta(days=1)


async def _age(trial: Trial, rows: Sequence[int], days: int) -> None:
    await trial.pool.execute(
        "UPDATE outbox SET created_at = now() - $2::interval WHERE outbox_id = ANY($1::bigint[])", rows, days * DAY
    )


async def _rows(trial: Trial) -> list[int]:
    return [row[0] for row in await trial.pool.fetch("SELECT outbox_id FROM outbox ORDER BY 1")]


async def test_only_what_is_published_and_past_keeping_is_deleted(trial: Trial) -> None:
    relay = Relay(trial.pool, trial.publisher, kept=2 * DAY)
    await leave_pending(trial, rows=5)
    await relay.flush()
    await leave_pending(trial, rows=1)
    await _age(trial, [1, 2, 6], 3)
    await _age(trial, [3], 1)
    assert await relay.prune() == 2
    assert await _rows(trial) == [3, 4, 5, 6]
    assert await relay.prune() == 0


async def test_a_pruning_is_bounded_and_a_pending_row_does_not_stop_it(trial: Trial) -> None:
    relay = Relay(trial.pool, trial.publisher, kept=DAY)
    await leave_pending(trial, rows=1, records=1)
    await trial.pool.execute(
        "INSERT INTO outbox (records, payload, published_at) SELECT 1, '', now() FROM generate_series(1, 800)"
    )
    await _age(trial, range(1, 802), 2)
    assert [await relay.prune(), await relay.prune(), await relay.prune()] == [499, 301, 0]
    assert await _rows(trial) == [1]


def _page(trial: Trial, pages: Sequence[Sequence[Record]]) -> object:
    async def restate(connection: Connection, mark: str) -> Page:
        assert connection.is_in_transaction(), "what is said anew is held until it is published"
        number = int(mark or 0)
        return {trial.answers: pages[number]}, str(number + 1) if number + 1 < len(pages) else None

    return restate


async def test_what_was_pruned_is_said_anew_before_what_is_still_there(trial: Trial) -> None:
    relay = Relay(trial.pool, trial.publisher, kept=DAY)
    anew = [answers(range(1_000, 1_010)), answers(range(1_010, 1_015))]
    relay.restate = _page(trial, anew)  # type: ignore[assignment]
    written = await leave_pending(trial, rows=3, records=10)
    await relay.flush()
    before = len(await trial.read(trial.answers))
    assert [count async for count in relay.republish()] == [10, 20, 30]
    await _age(trial, [1], 2)
    await relay.prune()
    assert [count async for count in relay.republish()] == [10, 15, 25, 35]
    published = [bare(answer) for answer in await trial.read(trial.answers)]
    assert published[before:] == [*written, *anew[0], *anew[1], *written[10:]]


async def test_what_is_written_during_a_republication_follows_what_it_has_overtaken(trial: Trial) -> None:
    """A compacted topic keeps the last record of a key: it must not be an old one that was only sent once more."""
    relay = Relay(trial.pool, trial.publisher)
    await leave_pending(trial, rows=2, records=5)
    await relay.flush()
    sending = relay.republish()
    await anext(sending)
    newest = await leave_pending(trial, rows=1, records=5)
    await relay.flush()
    async for _ in sending:
        pass
    assert [bare(answer) for answer in await trial.read(trial.answers)][-5:] == newest


def test_an_outbox_row_is_kept_as_long_as_the_longest_that_a_topic_keeps_a_record() -> None:
    """But for what is kept for ever, which a service says anew (contracts, policies) or others do."""
    longest = max(topic.retention_days for topic in load_topics() if isinstance(topic.retention_days, int))
    assert RuntimeSettings.model_fields["outbox_kept_days"].default >= longest
