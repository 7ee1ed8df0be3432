"""The census: two services compare who they hold in a few kilobytes, and name those in whom they differ."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from services.runtime import census
from services.runtime.database import Pool
from tests.integration.conftest import Database

CENSUS = "SELECT member, item FROM held WHERE subject = $1"
HOLDINGS = [(f"c{n}", f"{n:08x}-0000-4000-8000-{item:012x}") for n in range(400) for item in range(n % 3 + 1)]
Ask = Callable[[str], Awaitable[list[dict[str, Any]]]]


@pytest.fixture
async def pools(database_of: Database) -> AsyncIterator[tuple[Pool, Pool]]:
    """Two services' databases; one keeps its items as UUIDs, the other as text."""
    billing, entitlements = await database_of("billing"), await database_of("entitlements")
    async with AsyncExitStack() as cleaning:
        for pool, kind in ((billing, "uuid"), (entitlements, "text")):
            await pool.execute(f"DROP TABLE IF EXISTS held; CREATE TABLE held (subject text, member text, item {kind})")
            cleaning.push_async_callback(pool.execute, "DROP TABLE held")
        yield billing, entitlements


async def fill(pool: Pool, holdings: list[tuple[str, str]], subject: str = "i") -> None:
    await pool.executemany("INSERT INTO held SELECT $1, $2, $3", [(subject, *holding) for holding in holdings])


@pytest.fixture
async def asked(pools: tuple[Pool, Pool]) -> AsyncIterator[tuple[Ask, Ask]]:
    """How to ask each of the two over HTTP."""
    async with AsyncExitStack() as clients:
        both: list[Ask] = []
        for pool in pools:
            app = FastAPI()
            census.mount(app, pool, CENSUS)
            transport = httpx.ASGITransport(app)
            client = await clients.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://service")
            )

            async def ask(path: str, client: httpx.AsyncClient = client) -> list[dict[str, Any]]:
                answer = await client.get(f"/census/{path}")
                assert answer.status_code == 200
                found: list[dict[str, Any]] = answer.json()
                return found

            both.append(ask)
        yield both[0], both[1]


async def differences(asked: tuple[Ask, Ask]) -> list[str]:
    """The members in whom the two differ, found as the books do it: buckets first, then the members of the odd ones."""
    one, other = [{row["bucket"]: row for row in await ask("i/buckets")} for ask in asked]
    odd = [bucket for bucket in sorted(one.keys() | other.keys()) if one.get(bucket) != other.get(bucket)]
    assert len(odd) <= 3
    named: set[str] = set()
    for bucket in odd:
        ours, theirs = [{tuple(row.items()) for row in await ask(f"i/buckets/{bucket}")} for ask in asked]
        named |= {dict(row)["member"] for row in ours ^ theirs}
    return sorted(named)


async def test_the_same_holdings_in_any_order_have_the_same_buckets(
    pools: tuple[Pool, Pool], asked: tuple[Ask, Ask]
) -> None:
    await fill(pools[0], HOLDINGS)
    await fill(pools[1], HOLDINGS[::-1])
    buckets = await asked[0]("i/buckets")
    assert buckets == await asked[1]("i/buckets")
    assert sum(row["members"] for row in buckets) == 400
    assert sum(row["items"] for row in buckets) == len(HOLDINGS)
    assert 200 < len(buckets) <= 256


@pytest.mark.parametrize(
    ("theirs", "named"),
    [
        ([holding for holding in HOLDINGS if holding[0] != "c7"], ["c7"]),  # a member is missing
        ([holding for holding in HOLDINGS if holding != HOLDINGS[-1]], ["c399"]),  # one of his items is
        ([*HOLDINGS, ("c9999", HOLDINGS[0][1])], ["c9999"]),  # one too many
        ([*HOLDINGS, HOLDINGS[10]], [HOLDINGS[10][0]]),  # the same item twice
        ([("c7x" if member == "c7" else member, item) for member, item in HOLDINGS], ["c7", "c7x"]),
        ([(member, item.replace("00000007-", "fffffff7-")) for member, item in HOLDINGS], ["c7"]),  # other items
    ],
)
async def test_where_they_differ_the_members_are_named(
    pools: tuple[Pool, Pool], asked: tuple[Ask, Ask], theirs: list[tuple[str, str]], named: list[str]
) -> None:
    await fill(pools[0], HOLDINGS)
    await fill(pools[1], theirs)
    assert await differences(asked) == named


async def test_items_that_two_members_have_swapped_are_noticed(
    pools: tuple[Pool, Pool], asked: tuple[Ask, Ask]
) -> None:
    """Both in one bucket or not: it is not enough that the same members and the same items are there."""
    await fill(pools[0], HOLDINGS)
    swap = {"c4": "c7", "c7": "c4"}
    await fill(pools[1], [(swap.get(member, member), item) for member, item in HOLDINGS])
    assert await differences(asked) == ["c4", "c7"]


async def test_a_member_without_items_is_counted(pools: tuple[Pool, Pool], asked: tuple[Ask, Ask]) -> None:
    for pool in pools:
        await fill(pool, HOLDINGS)
    await pools[0].execute("INSERT INTO held VALUES ('i', 'empty-handed', NULL)")
    assert await differences(asked) == ["empty-handed"]


async def test_subjects_are_kept_apart(pools: tuple[Pool, Pool], asked: tuple[Ask, Ask]) -> None:
    for pool in pools:
        await fill(pool, HOLDINGS)
    await fill(pools[0], HOLDINGS[:50], subject="another")
    assert await differences(asked) == []
    assert await asked[0]("nobody/buckets") == []
