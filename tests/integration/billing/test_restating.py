"""What the contracts' topic keeps for ever is said anew from the table, once the outbox has let go of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas import topics
from services.billing import handlers, messages
from services.billing.handlers import restate
from services.runtime import outbox
from services.runtime.database import Pool
from services.runtime.work import Workbench
from tests.integration.billing.world import Log, come, hold
from tests.unit.billing.builders import addon, contract, event, extension

NAMES = [f"K-{n}" for n in range(5)]


def _last_words(records: list[Any]) -> dict[str, tuple[bytes, Any]]:
    """The last record of each contract: the event's id and what it says."""
    return {record.key.decode(): (dict(record.headers)["ce_id"], orjson.loads(record.value)) for record in records}


async def test_every_contract_is_said_anew_as_it_was_said_last(
    pool: Pool, workbench: Workbench, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "_PAGE", 2)
    await hold(pool, [contract(name) for name in NAMES])
    given = (extension("K-1"), addon("K-1"), extension("K-3"))
    await come(workbench, event(*given))
    told_at_first = _last_words(await log.since(topics.CONTRACTS))
    assert set(told_at_first) == {"K-1", "K-3"}
    await pool.execute("UPDATE outbox SET created_at = now() - interval '91 days'")
    await workbench.relay.prune()
    await log.follow(topics.CONTRACTS)
    workbench.relay.restate = restate
    assert [count async for count in workbench.relay.republish()] == [2, 4, 5]
    anew = _last_words(await log.since(topics.CONTRACTS))
    assert sorted(anew) == NAMES
    assert {name: anew[name] for name in told_at_first} == told_at_first


async def test_of_no_contracts_nothing_is_said(pool: Pool, workbench: Workbench, log: Log) -> None:
    await pool.execute("INSERT INTO tally VALUES ('', 'outbox', 'pruned', 1)")
    workbench.relay.restate = restate
    assert [count async for count in workbench.relay.republish()] == [0]
    assert await log.since(topics.CONTRACTS) == []


async def test_as_long_as_the_outbox_is_whole_nothing_is_said_anew(pool: Pool, workbench: Workbench, log: Log) -> None:
    await hold(pool, [contract("K-1")])
    async with pool.acquire() as connection:
        rolled_back = connection.transaction()
        await rolled_back.start()
        await outbox.write(connection, {topics.CONTRACTS: messages.contracts([contract("K-1")])})
        await rolled_back.rollback()
    workbench.relay.restate = restate
    assert [count async for count in workbench.relay.republish()] == []
