"""PostgreSQL: the pool, the named queries, the migrations.

SQL lives in `.sql` files beside the code that uses it; this module only finds it, runs the migrations in order, and
puts a deadline on everything. It knows no table but its own `migration`.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg
import orjson
import structlog

from services.runtime.errors import AmendsError, GaveUp, Poison

log = structlog.get_logger()

Connection: TypeAlias = Any
"""An asyncpg connection or its pool proxy (asyncpg is untyped)."""
Pool: TypeAlias = Any

_QUERY = re.compile(r"^-- (\w+): (.+)$", re.MULTILINE)
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0


def queries(file: Path) -> Mapping[str, str]:
    """The statements of a `queries.sql`, by name: each stands under a line `-- name: its purpose`."""
    text = file.read_text()
    heads = list(_QUERY.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    found = {head[1]: text[head.start() : end].strip().rstrip(";") for head, end in zip(heads, ends, strict=True)}
    if len(found) != len(heads):
        raise AmendsError(f"{file.name}: two queries have the same name")
    return found


def columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Rows as columns, the way `unnest` takes them as parameters; there must be a row."""
    return [list(column) for column in zip(*rows, strict=True)]


async def stage(connection: Connection, table: str, made_by: str, rows: Iterable[Sequence[Any]]) -> None:
    """Lay rows down in a temporary table of this session, in place of what lay there; a statement takes them from it.

    `made_by` makes the table if it is missing and empties it. By COPY a row costs a quarter of what it costs as an
    element of sixteen array parameters. Raises `Poison` for a value that its column cannot hold, as a statement with
    that value does: a COPY finds out while it writes the value down, and says so in Python's own words.
    """
    made = list(rows)  # an error in making them is no error in storing them
    await connection.execute(made_by)
    try:
        await connection.copy_records_to_table(table, records=made)
    except (ValueError, TypeError, OverflowError) as error:
        raise Poison(f"cannot be stored: {type(error).__name__} ({table})") from error


async def _prepare(connection: Connection) -> None:
    """JSON columns hold what orjson reads and writes."""
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        format="binary",
        encoder=lambda value: b"\x01" + orjson.dumps(value),
        decoder=lambda raw: orjson.loads(raw[1:]),
    )


async def _leave_as_it_is(connection: Connection) -> None:
    """Nothing to clean up between two uses: what changes a session here (a listener, a lock) takes it back itself."""


async def connect(dsn: str, *, size: int, deadline_seconds: float, statement_seconds: float) -> Pool:
    """A pool of at most `size` connections; waits for the database, and raises `GaveUp` after the deadline."""
    started, pause = time.monotonic(), _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=size,
                timeout=10,
                command_timeout=statement_seconds,
                init=_prepare,
                reset=_leave_as_it_is,
                server_settings={"application_name": "amends", "timezone": "UTC"},
            )
        except (OSError, TimeoutError, asyncpg.PostgresError) as error:
            if time.monotonic() - started > deadline_seconds:
                raise GaveUp(f"the database does not answer: {error}") from error
            log.warning("waiting for the database", error=type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


async def close(pool: Pool, deadline_seconds: float = 5.0) -> None:
    """Close the pool, and cut it where a frozen server would make that wait for ever."""
    try:
        await asyncio.wait_for(pool.close(), deadline_seconds)
    except (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        pool.terminate()


_MIGRATIONS_LOCK = 0x616D656E6473  # "amends": one migration at a time per database


async def migrate(
    connection: Connection, folders: Sequence[Path], on_step: Callable[[str], None] = lambda _: None
) -> None:
    """Apply what is missing of the folders' `NNNN_*.sql`, in order, each in a transaction of its own.

    A migration that was applied and has changed since is refused with `AmendsError`: what runs in one place and not
    in another is no schema.
    """
    files = [file for folder in folders for file in sorted(folder.glob("[0-9]*.sql"))]
    await connection.execute("SELECT pg_advisory_lock($1)", _MIGRATIONS_LOCK)
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migration (name text PRIMARY KEY, digest text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now())"
        )
        applied = dict(await connection.fetch("SELECT name, digest FROM migration"))
        for file in files:
            name, sql = f"{file.parent.parent.name}/{file.name}", file.read_text()
            digest = hashlib.sha256(sql.encode()).hexdigest()
            if applied.get(name, digest) != digest:
                raise AmendsError(f"{name} was changed after it had been applied: write a new migration")
            if name in applied:
                continue
            async with connection.transaction():
                await connection.execute(sql)
                await connection.execute("INSERT INTO migration (name, digest) VALUES ($1, $2)", name, digest)
            on_step(name)
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _MIGRATIONS_LOCK)
