"""The import of contracts: a job of billing, since billing owns them.

The whole file is read in one transaction: by COPY beside the table, compared, and what differs is taken over and
published through the outbox. A bad line anywhere leaves everything as it was.
Progress goes to stdout as JSON lines, for whoever runs the job.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import orjson

from schemas import topics
from schemas.csv_files import read_contracts
from schemas.events import ContractChanged
from schemas.mapping.language import ContractMap, read_map
from schemas.mapping.mapped import Counts, mapped_contracts
from services.billing import messages
from services.billing.settings import Settings
from services.billing.store import SQL, Store
from services.runtime import outbox, service
from services.runtime.database import Connection
from services.runtime.errors import AmendsError

_BLOCK = 5_000


class LostEndsError(AmendsError):
    """The file takes the end from contracts that were extended: days without an end to add them to."""


async def contracts(settings: Settings, file: str, mapped_by: str | None = None) -> None:
    """Import a contracts.csv, or any CSV file by a map.

    Raises `CsvErrors`, `LostEndsError` or `MapError` for a bad file or map, which then has changed nothing.
    """
    mapping = None if mapped_by is None else cast(ContractMap, read_map(mapped_by, "contracts"))
    counts = Counts()
    found = read_contracts(Path(file)) if mapping is None else mapped_contracts(Path(file), mapping, counts)
    async with service.parts("billing-import", settings) as parts:
        async with parts.pool.acquire() as connection, connection.transaction():
            await connection.execute(SQL["stage"])
            await connection.execute(SQL["stage_merged"])
            rows = _told("read", _staged(found))
            await connection.copy_records_to_table("staged", records=rows, timeout=settings.patience_seconds)
            if mapping is not None:
                _tell("mapped", counts.rows)
            if lost := await connection.fetch(SQL["lost_ends"], timeout=settings.patience_seconds):
                raise LostEndsError("\n".join(_lost_end(Path(file).name, *row) for row in lost))
            await connection.execute(SQL["merge"], timeout=settings.patience_seconds)
            changed = 0
            async for block in _blocks(connection):
                records = messages.contracts(await Store(connection).contracts(block))
                await outbox.write(connection, {topics.CONTRACTS: records})
                changed += len(block)
                _tell("compared", changed)
        await parts.relay.flush()
        _tell("published", changed)


def _lost_end(file: str, contract_id: str, days: int) -> str:
    return f"{file}: contract {contract_id} has no ends_on, and was extended by {days} days: write its end"


def _staged(read: Iterable[ContractChanged]) -> Iterator[tuple[Any, ...]]:
    """The rows of the staging table."""
    for contract in read:
        fee = contract.monthly_fee
        yield (
            contract.contract_id,
            contract.customer_id,
            contract.family,
            contract.product,
            contract.site,
            contract.starts_on,
            contract.ends_on,
            contract.terminated_on,
            fee and fee.amount,
            fee and fee.currency,
            contract.addons,
            contract.attributes,
        )


def _told(phase: str, rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """The same rows, with a word about them now and then."""
    count = 0
    for count, row in enumerate(rows, 1):
        yield row
        if count % _BLOCK == 0:
            _tell(phase, count)
    _tell(phase, count)


async def _blocks(connection: Connection) -> AsyncIterator[list[Mapping[str, Any]]]:
    """The contracts that the import has changed, by the block."""
    block: list[Mapping[str, Any]] = []
    async for row in connection.cursor(SQL["merged_contracts"], prefetch=_BLOCK):
        block.append(row)
        if len(block) == _BLOCK:
            yield block
            block = []
    if block:
        yield block


def _tell(phase: str, rows: int) -> None:
    sys.stdout.buffer.write(orjson.dumps({"phase": phase, "rows": rows}) + b"\n")
    sys.stdout.buffer.flush()
