"""Redeeming vouchers over HTTP, for the merchant's side: one conditional UPDATE decides, and no code is ever logged."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from services.billing.messages import money
from services.billing.metrics import BillingMetrics
from services.billing.store import SQL
from services.billing.vouchers import Codes, is_well_formed
from services.runtime.database import Pool
from services.runtime.envelope import complaints


def _known(zone: str) -> str:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ValueError("is no time zone that we know: write one such as Europe/Rome") from None
    return zone


class Redemption(BaseModel):
    """A code as the customer typed it, when, and the zone whose calendar counts for its last day."""

    model_config = ConfigDict(extra="forbid")
    code: Annotated[str, Field(max_length=64)]
    at: AwareDatetime
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_known)] = "UTC"


def mount(app: FastAPI, pool: Pool, codes: Codes, metrics: BillingMetrics, operator: Any) -> None:
    """Serve redemptions to whoever has the operator's token."""

    @app.post("/vouchers/redemptions", dependencies=[operator])
    async def redeem(request: Request) -> Any:
        asked = _read(await request.body())
        if not is_well_formed(asked.code):
            metrics.redeemed("unknown")
            raise HTTPException(404, "no voucher has this code: it is mistyped")
        code_hash = codes.hashed(asked.code)
        async with pool.acquire() as connection:
            voucher = await connection.fetchrow(SQL["redeem_voucher"], code_hash, asked.at, asked.time_zone)
            if voucher is not None:
                metrics.redeemed("redeemed")
                return _redeemable(voucher)
            reason = await connection.fetchval(SQL["why_not_redeemed"], code_hash)
        if reason is None:
            metrics.redeemed("unknown")
            raise HTTPException(404, "no voucher has this code")
        metrics.redeemed("redeemed_before" if reason == "redeemed" else reason)
        return JSONResponse({"reason": reason}, status_code=409)


def _read(body: bytes) -> Redemption:
    """What is asked for; a complaint about it does not repeat the code."""
    try:
        return Redemption.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(422, complaints(error)) from None


def _redeemable(voucher: Any) -> dict[str, Any]:
    """What a merchant is to accept for the voucher: its value once, and shipping up to a cap of its own."""
    currency, cap = voucher["currency"], voucher["shipping_cap"]
    return {
        "voucher_id": voucher["voucher_id"],
        "amount": money(voucher["amount"], currency),
        "merchant": voucher["merchant"],
        "shipping_cap": None if cap is None else money(cap, currency),
        "handling_covered": voucher["handling_covered"],
        "valid_until": voucher["valid_until"],
        "redeemed_at": voucher["redeemed_at"],
    }
