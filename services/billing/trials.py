"""Trials over HTTP: what billing would make of an entitlement, decided as any other, and nothing comes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from pydantic import ValidationError

from schemas.events import EntitlementGranted
from services.billing.decide import decide
from services.billing.messages import adjustment
from services.billing.store import Store
from services.billing.vouchers import TRIAL
from services.runtime.database import Pool
from services.runtime.envelope import complaints


def mount(app: FastAPI, pool: Pool, operator: Any) -> None:
    """Serve trials to whoever has the operator's token."""

    @app.post("/trials", dependencies=[operator])
    async def trial(request: Request) -> dict[str, Any]:
        try:
            event = EntitlementGranted.model_validate_json(await request.body())
        except ValidationError as error:
            raise HTTPException(422, f"not a valid entitlement.granted.v1: {complaints(error)}") from None
        named = {remedy.contract_id for remedy in event.remedies if remedy.kind in ("extension", "addon")}
        async with pool.acquire() as connection:
            contracts = await Store(connection).read_contracts(named)
        entries, _ = decide(event, (), contracts, TRIAL, datetime.now(UTC))
        return adjustment(entries, event.letters)
