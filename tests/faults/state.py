"""What the databases say of themselves when everything is at rest, read by an outsider with the administrator's key.

Also a tripwire: a trigger notes every position that ever goes back within one life of its log, which no sequence of
faults may bring about. Leaves topics and letters to `judge`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import asyncpg

from deploy.local.layout import DATABASES, Layout, Secrets, State
from deploy.local.ports import HOST
from deploy.local.postgres import ADMIN
from tests.e2e import outside
from tests.faults.siege import Siege

_SECONDS = 60.0
_TRIPWIRE = """
CREATE TABLE went_back (topic text, partition integer, was bigint, became bigint, at timestamptz DEFAULT now());
CREATE FUNCTION note_a_step_back() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.went_back VALUES (old.topic, old.partition, old.next, new.next);
    RETURN NULL;
END $$;
CREATE TRIGGER step_back AFTER UPDATE ON position FOR EACH ROW
    WHEN (new.next < old.next AND new.cluster = old.cluster) EXECUTE FUNCTION note_a_step_back();
"""


@dataclass
class Rest:
    """How one service's database looks."""

    pending: int
    quarantined: int
    stepped_back: int
    positions: Mapping[tuple[str, int], int] = field(default_factory=dict)


def lay_tripwires(siege: Siege) -> None:
    """Note from now on every position that goes back."""
    asyncio.run(asyncio.wait_for(_lay(siege), _SECONDS))


async def _lay(siege: Siege) -> None:
    for name in DATABASES:
        connection = await _connect(siege, name)
        try:
            await connection.execute(_TRIPWIRE)
        finally:
            await connection.close(timeout=5)


async def _connect(siege: Siege, database: str) -> Any:
    layout = Layout.at(siege.root)
    return await asyncpg.connect(
        host=HOST, port=State.load(layout).ports["postgres"], user=ADMIN, database=database,
        password=Secrets.load_or_make(layout).admin_password, timeout=10,
    )  # fmt: skip


async def _rest(siege: Siege, database: str) -> Rest:
    connection = await _connect(siege, database)
    try:
        return Rest(
            pending=await connection.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL"),
            quarantined=await connection.fetchval("SELECT count(*) FROM quarantine"),
            stepped_back=await connection.fetchval("SELECT count(*) FROM went_back"),
            positions={
                (row["topic"], row["partition"]): row["next"]
                for row in await connection.fetch("SELECT topic, partition, next FROM position")
            },
        )
    finally:
        await connection.close(timeout=5)


def has_read(siege: Siege, reader: str, writer: str, topic: str) -> bool:
    """Whether a service has seen through all that another has written to a topic, and there is no more to come."""
    read, written = (asyncio.run(asyncio.wait_for(_rest(siege, name), _SECONDS)) for name in (reader, writer))
    ends = outside.ends(siege.stack.kafka, topic)
    return not written.pending and all(read.positions.get((tp.topic, tp.partition)) == end for tp, end in ends.items())


def unrest(siege: Siege) -> list[str]:
    """What is not as it must be once everything has come to rest: positions, outbox, quarantine. Empty: all is well."""
    complaints = []
    for database in DATABASES:
        rest = asyncio.run(asyncio.wait_for(_rest(siege, database), _SECONDS))
        if rest.pending:
            complaints.append(f"{database}: {rest.pending} rows of the outbox are not published")
        if rest.quarantined:
            complaints.append(f"{database}: {rest.quarantined} records are in the quarantine")
        if rest.stepped_back:
            complaints.append(f"{database}: {rest.stepped_back} times a position went back")
        topics = {topic for topic, _ in rest.positions}
        for tp, end in outside.ends(siege.stack.kafka, *topics).items():
            at = rest.positions.get((tp.topic, tp.partition))
            if at != end:
                complaints.append(f"{database}: stands at {at} of {end} in {tp.topic}/{tp.partition}")
    return complaints


def await_rest(siege: Siege, seconds: float = 60.0) -> list[str]:
    """Wait until all has come to rest, at most for so long; returns what has not."""
    deadline = time.monotonic() + seconds
    while (complaints := unrest(siege)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return complaints


def ends_of_contracts(siege: Siege) -> dict[str, date | None]:
    """When each contract ends, by billing's own table."""

    async def ask() -> dict[str, date | None]:
        connection = await _connect(siege, "billing")
        try:
            return dict(await connection.fetch("SELECT contract_id, ends_on FROM contract"))
        finally:
            await connection.close(timeout=5)

    return asyncio.run(asyncio.wait_for(ask(), _SECONDS))
