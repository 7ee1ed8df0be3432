"""The migrations lead to exactly the schema that is documented: `schema.sql` of the runtime, then of the service.

Both are made in databases of their own, and what PostgreSQL says of the two is compared, word for word. When they
differ, the message names each thing and what either side has: put `schema.sql` right, it is what people read.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from deploy.local.layout import Layout, Secrets
from deploy.local.postgres import ADMIN
from deploy.local.stack import Stack
from services.billing.store import MIGRATIONS as BILLING
from services.entitlements.store import MIGRATIONS as ENTITLEMENTS
from services.notifications.store import MIGRATIONS as NOTIFICATIONS
from services.runtime import database
from services.runtime.database import Connection
from services.runtime.service import MIGRATIONS as RUNTIME

SERVICES = {"entitlements": ENTITLEMENTS, "billing": BILLING, "notifications": NOTIFICATIONS}
SECONDS = 20.0
Facts = Mapping[str, str]

# Each gives (what it is, all that there is to say of it); what is the server's own is left out.
_CATALOG = (
    """
    SELECT 'table ' || c.oid::regclass, concat_ws(', ', 'kind ' || c.relkind::text,
           'persistence ' || c.relpersistence::text,
           array_to_string(ARRAY(SELECT unnest(c.reloptions || t.reloptions) ORDER BY 1), ', '),
           'partition of ' || pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid),
           CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
           CASE WHEN c.relrowsecurity THEN 'row security' END, 'replica identity ' || c.relreplident::text)
    FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind NOT IN ('i', 'I', 'c')
    """,
    """
    SELECT 'column ' || c.oid::regclass || '.' || a.attname, concat_ws(', ',
           'place ' || (SELECT count(*) FROM pg_attribute b
                        WHERE b.attrelid = a.attrelid AND b.attnum BETWEEN 1 AND a.attnum AND NOT b.attisdropped),
           format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END,
           'identity ' || nullif(a.attidentity::text, ''), 'generated ' || nullif(a.attgenerated::text, ''),
           'from ' || pg_get_expr(d.adbin, d.adrelid),
           CASE WHEN a.attstorage <> y.typstorage THEN 'storage ' || a.attstorage::text END,
           'compression ' || nullif(a.attcompression::text, ''),
           CASE WHEN a.attcollation <> y.typcollation THEN 'collate ' || a.attcollation::regcollation END,
           array_to_string(a.attoptions, ', '), 'statistics ' || nullif(a.attstattarget, -1))
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_type y ON y.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind NOT IN ('i', 'I') AND a.attnum > 0
      AND NOT a.attisdropped
    """,
    """
    SELECT 'constraint ' || o.conrelid::regclass || ' ' || o.conname, concat_ws(', ', pg_get_constraintdef(o.oid),
           CASE WHEN NOT o.convalidated THEN 'not valid' END)
    FROM pg_constraint o WHERE o.connamespace = 'public'::regnamespace AND o.conrelid <> 0
    """,
    """
    SELECT 'index ' || i.indexrelid::regclass, concat_ws(', ', pg_get_indexdef(i.indexrelid),
           CASE WHEN i.indisprimary THEN 'primary' END, CASE WHEN NOT i.indisvalid THEN 'invalid' END)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE c.relnamespace = 'public'::regnamespace
    """,
    """
    SELECT 'sequence ' || s.seqrelid::regclass, concat_ws(', ', s.seqtypid::regtype, 'start ' || s.seqstart,
           'increment ' || s.seqincrement, 'cache ' || s.seqcache, CASE WHEN s.seqcycle THEN 'cycle' END)
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid WHERE c.relnamespace = 'public'::regnamespace
    """,
    """
    SELECT 'function ' || p.oid::regprocedure, pg_get_functiondef(p.oid)
    FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND p.prokind IN ('f', 'p')
    """,
    """
    SELECT 'trigger ' || g.tgrelid::regclass || ' ' || g.tgname, pg_get_triggerdef(g.oid)
    FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid
    WHERE c.relnamespace = 'public'::regnamespace AND NOT g.tgisinternal
    """,
    """
    SELECT 'type ' || y.oid::regtype, concat_ws(', ', y.typtype::text,
           format_type(nullif(y.typbasetype, 0), y.typtypmod),
           (SELECT string_agg(e.enumlabel, ', ' ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = y.oid))
    FROM pg_type y WHERE y.typnamespace = 'public'::regnamespace AND y.typtype IN ('e', 'd', 'r')
    """,
    "SELECT 'schema ' || nspname, '' FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'",
    "SELECT 'extension ' || extname, extversion FROM pg_extension",
)


async def facts_of(connection: Connection) -> Facts:
    """All that a database's catalogs say of its schema, by what it is about."""
    return {name: about for query in _CATALOG for name, about in await connection.fetch(query)}


def differences(migrated: Facts, documented: Facts) -> list[str]:
    """What the two differ in, by name."""
    return [
        f"{name}\n    migrations: {migrated.get(name, 'nothing')}\n    schema.sql: {documented.get(name, 'nothing')}"
        for name in sorted({*migrated, *documented})
        if migrated.get(name) != documented.get(name)
    ]


async def migrate(connection: Connection, service: str) -> None:
    await database.migrate(connection, [RUNTIME, SERVICES[service]])


async def make_documented(connection: Connection, service: str) -> None:
    for folder in (RUNTIME, SERVICES[service]):
        await connection.execute(folder.with_name("schema.sql").read_text(encoding="utf-8"))


async def as_admin(stack: Stack, name: str) -> Connection:
    place = urlsplit(stack.databases["billing"])
    password = Secrets.load_or_make(Layout(stack.root)).admin_password
    return await asyncpg.connect(
        host=place.hostname, port=place.port, user=ADMIN, password=password, database=name, timeout=SECONDS,
        command_timeout=SECONDS,
    )  # fmt: skip


@asynccontextmanager
async def scratch(stack: Stack) -> AsyncIterator[Connection]:
    """A connection to an empty database of its own, which is dropped afterwards."""
    name = f"scratch_{uuid4().hex}"
    admin = await as_admin(stack, "postgres")
    await admin.execute(f"CREATE DATABASE {name}")
    connection = await as_admin(stack, name)
    try:
        yield connection
    finally:
        await connection.close(timeout=SECONDS)
        await admin.execute(f"DROP DATABASE {name}")
        await admin.close(timeout=SECONDS)


@pytest.mark.parametrize("service", SERVICES)
async def test_the_migrations_lead_to_the_documented_schema(foundation: Stack, service: str) -> None:
    async with scratch(foundation) as migrated, scratch(foundation) as documented:
        await migrate(migrated, service)
        await make_documented(documented, service)
        found = differences(await facts_of(migrated), await facts_of(documented))
    assert not found, f"services/{service}/schema.sql (or services/runtime's) is not up to date:\n" + "\n".join(found)


@pytest.mark.parametrize("service", SERVICES)
async def test_migrating_again_changes_nothing(foundation: Stack, service: str) -> None:
    async with scratch(foundation) as connection:
        await migrate(connection, service)
        once = await facts_of(connection)
        await migrate(connection, service)
        assert await facts_of(connection) == once


def test_every_table_is_in_exactly_one_documented_schema() -> None:
    """The runtime's tables are written down once, at the runtime."""
    texts: dict[str, Sequence[str]] = {}
    for folder in (RUNTIME, *SERVICES.values()):
        lines = Path(folder.with_name("schema.sql")).read_text(encoding="utf-8").splitlines()
        texts[folder.parent.name] = [line.split()[2] for line in lines if line.startswith("CREATE TABLE ")]
    for service in SERVICES:
        assert texts[service], service
        assert not set(texts[service]) & set(texts["runtime"])


DRIFTS = [
    ("ALTER TABLE entry ALTER COLUMN revision TYPE bigint", "column entry.revision"),
    ("ALTER TABLE entry ALTER COLUMN customer_id TYPE varchar(20)", "column entry.customer_id"),
    ('ALTER TABLE entry ALTER COLUMN rule TYPE text COLLATE "C"', "column entry.rule"),
    ("ALTER TABLE entry ALTER COLUMN rule DROP NOT NULL", "column entry.rule"),
    ("ALTER TABLE contract ALTER COLUMN version SET DEFAULT 2", "column contract.version"),
    ("ALTER TABLE contract ALTER COLUMN ends_on SET EXPRESSION AS (base_ends_on)", "column contract.ends_on"),
    ("ALTER TABLE contract ALTER COLUMN ends_on DROP EXPRESSION", "column contract.ends_on"),
    ("ALTER TABLE contract ADD COLUMN note text", "column contract.note"),
    ("ALTER TABLE contract DROP COLUMN site", "column contract.site"),
    ("ALTER TABLE contract RENAME site TO place", "column contract.place"),
    ("ALTER TABLE contract DROP CONSTRAINT contract_extension_days_check", "contract_extension_days_check"),
    ("ALTER TABLE addon ADD CHECK (product <> '')", "constraint addon addon_product_check"),
    ("ALTER TABLE addon ADD FOREIGN KEY (contract_id) REFERENCES contract", "addon addon_contract_id_fkey"),
    ("CREATE INDEX one_more ON entry (rule)", "index one_more"),
    ("DROP INDEX addon_contract", "index addon_contract"),
    ("DROP INDEX outbox_pending; CREATE INDEX outbox_pending ON outbox (outbox_id)", "index outbox_pending"),
    ("ALTER TABLE outbox ALTER COLUMN payload SET STORAGE EXTENDED", "column outbox.payload"),
    ("ALTER TABLE outbox ALTER COLUMN payload SET COMPRESSION pglz", "column outbox.payload"),
    ("ALTER TABLE contract RESET (fillfactor)", "table contract"),
    ("ALTER TABLE contract SET (toast.autovacuum_enabled = false)", "table contract"),
    ("ALTER TABLE contract SET UNLOGGED", "table contract"),
    ("ALTER TABLE outbox ALTER COLUMN outbox_id SET GENERATED BY DEFAULT", "column outbox.outbox_id"),
    ("ALTER SEQUENCE outbox_outbox_id_seq CACHE 50", "sequence outbox_outbox_id_seq"),
    ("DROP TABLE credit", "table credit"),
    ("CREATE TABLE one_more (id integer)", "table one_more"),
    ("CREATE VIEW one_more AS SELECT 1 AS one", "table one_more"),
    ("CREATE FUNCTION one_more() RETURNS integer RETURN 1", "function one_more()"),
    ("CREATE TYPE one_more AS ENUM ('a')", "type one_more"),
    ("CREATE SCHEMA one_more", "schema one_more"),
]


async def test_a_schema_that_drifts_is_told_by_name(foundation: Stack) -> None:
    """Every kind of drift in turn, each taken back, on one database."""
    async with scratch(foundation) as connection:
        await make_documented(connection, "billing")
        documented = await facts_of(connection)
        for change, named in DRIFTS:
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(change)
            found = differences(await facts_of(connection), documented)
            await transaction.rollback()
            assert any(named in told.splitlines()[0] for told in found), f"{change}: {found}"
        assert differences(await facts_of(connection), documented) == []
