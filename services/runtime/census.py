"""Comparing who two services hold for the same subject, in a few kilobytes.

Each service gives one query of (member, item) rows for a subject. Members fall into 256 buckets; a bucket is told by
its counts and by order-independent hashes of its members and items. Where two services' buckets differ, the members in
them are named.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from services.runtime.database import Pool

_HASH = "('x' || substr(md5({0}::text), 1, 16))::bit(64)::bigint"
_BUCKET = "get_byte(decode(substr(md5(member), 1, 2), 'hex'), 0)"

_BUCKETS = f"""
SELECT {_BUCKET} AS bucket, count(*) AS members, bit_xor({_HASH.format("member")}) AS members_hash,
       sum(items)::bigint AS items, bit_xor(items_hash) AS items_hash
FROM (SELECT member, count(item) AS items, coalesce(bit_xor({_HASH.format("item")}), 0) AS items_hash
      FROM ({{census}}) AS held GROUP BY member) AS members
GROUP BY 1 ORDER BY 1
"""

_MEMBERS = f"""
SELECT member, count(item) AS items, coalesce(bit_xor({_HASH.format("item")}), 0)::text AS items_hash
FROM ({{census}}) AS held WHERE {_BUCKET} = $2 GROUP BY member ORDER BY member
"""


def mount(app: FastAPI, pool: Pool, census: str) -> None:
    """Serve the census of a subject; `census` is a query of (member, item) for the subject $1, item null for none."""

    @app.get("/census/{subject}/buckets")
    async def buckets(subject: str) -> list[dict[str, Any]]:
        rows = await pool.fetch(_BUCKETS.format(census=census), subject)
        return [
            {
                "bucket": row["bucket"],
                "members": row["members"],
                "members_hash": str(row["members_hash"]),
                "items": row["items"],
                "items_hash": str(row["items_hash"]),
            }
            for row in rows
        ]

    @app.get("/census/{subject}/buckets/{bucket}")
    async def members(subject: str, bucket: int) -> list[dict[str, Any]]:
        return [dict(row) for row in await pool.fetch(_MEMBERS.format(census=census), subject, bucket)]
