"""The HTTP side that every service has: probes, metrics, running totals, republishing.

A service mounts its own routes beside them. Whoever changes something shows the operator's token.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Annotated, Any, TypeAlias

import asyncpg
import orjson
from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr

from services.runtime import positions, quarantine, tally
from services.runtime.database import Pool
from services.runtime.errors import Transient, classify
from services.runtime.metrics import Metrics
from services.runtime.relay import Relay

Check: TypeAlias = Callable[[], Awaitable[str | None]]
"""None when all is well, else what is wrong in words."""


_COUNT_SECONDS = 2.0


def api(
    service: str, metrics: Metrics, checks: Mapping[str, Check], pool: Pool, relay: Relay, token: SecretStr
) -> FastAPI:
    """The service's web application; it is ready when every check finds nothing wrong."""
    app = FastAPI(title=f"Amends {service}", docs_url=None, redoc_url=None)
    for passing in (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        app.add_exception_handler(passing, _unavailable)
    _mount_probes(app, service, metrics, checks, pool)

    @app.get("/tally/{subject}")
    async def totals(subject: str) -> dict[str, int]:
        async with pool.acquire() as connection:
            return await tally.totals(connection, subject)

    @app.get("/positions")
    async def standing() -> list[dict[str, Any]]:
        async with pool.acquire() as connection:
            return await positions.all_of(connection)

    @app.post("/republish", dependencies=[operator(token)])
    async def republish() -> StreamingResponse:
        return StreamingResponse(_lines(relay.republish()), media_type="application/x-ndjson")

    return app


async def _unavailable(_: Request, error: Exception) -> Response:
    """The database is away, or coming: whoever asks may ask again. (What is not of that kind is a fault of ours.)"""
    if classify(error) is not Transient:
        raise error
    return JSONResponse({"detail": f"not now: {type(error).__name__}"}, status_code=503)


async def _lines(counts: AsyncIterator[int]) -> AsyncIterator[bytes]:
    """One line for each count; the last one says why, when it was not the last count."""
    try:
        async for count in counts:
            yield orjson.dumps({"records": count}) + b"\n"
    except Exception as error:
        if classify(error) is not Transient:
            raise
        yield orjson.dumps({"broke_off": str(error) or type(error).__name__}) + b"\n"


def _mount_probes(app: FastAPI, service: str, metrics: Metrics, checks: Mapping[str, Check], pool: Pool) -> None:

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"service": service, "status": "alive"}

    @app.get("/readyz")
    async def readyz() -> Response:
        found = {name: await check() for name, check in checks.items()}
        wrong = {name: problem for name, problem in found.items() if problem is not None}
        return JSONResponse({"service": service, "ready": not wrong, "wrong": wrong}, status_code=503 if wrong else 200)

    @app.get("/metrics")
    async def exposition() -> Response:
        await _count_quarantine(metrics, pool)
        return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _count_quarantine(metrics: Metrics, pool: Pool) -> None:
    """The numbers as they stand; those of the last look while the database is away."""
    try:
        async with asyncio.timeout(_COUNT_SECONDS), pool.acquire() as connection:
            counts = await quarantine.count(connection)
    except Exception as error:
        if classify(error) is not Transient:
            raise
        return
    for state, records in counts.items():
        metrics.quarantine.labels(state).set(records)


def operator(token: SecretStr) -> Any:
    """A dependency for routes that change something: the caller shows the operator's token as a bearer."""

    async def check(authorization: Annotated[str, Header()] = "") -> None:
        expected = f"Bearer {token.get_secret_value()}"
        if not secrets.compare_digest(authorization.encode(), expected.encode()):
            raise HTTPException(401, "this needs the operator's token: Authorization: Bearer …")

    return Depends(check)
