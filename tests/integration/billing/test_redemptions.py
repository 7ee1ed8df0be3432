"""Redeeming a voucher over HTTP: once, within its days, and with an answer that says why not."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from services.billing import redemptions
from services.billing.metrics import BillingMetrics
from services.billing.vouchers import plain
from services.runtime import http as runtime_http
from services.runtime.database import Pool
from services.runtime.work import Workbench
from tests.integration.billing.world import granted, read, take
from tests.unit.billing.builders import CODES, event, voucher, withdrawal, withdrawn

NOON = datetime(2011, 6, 1, 12, 0, tzinfo=UTC)
CODE = CODES.code(voucher().entry_id)
BEARER = {"Authorization": "Bearer sesame"}


@pytest.fixture
def registry() -> CollectorRegistry:
    """Where the service counts."""
    return CollectorRegistry()


@pytest.fixture
async def http(pool: Pool, registry: CollectorRegistry) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the redemptions."""
    app = FastAPI()
    operator = runtime_http.operator(SecretStr("sesame"))
    redemptions.mount(app, pool, CODES, BillingMetrics(registry), operator)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://billing") as client:
        yield client


@pytest.fixture
async def issued(workbench: Workbench) -> None:
    """A voucher that is valid through 13 May 2012."""
    await take(workbench, read(granted([event(voucher())])))


async def redeem(http: httpx.AsyncClient, code: str = CODE, at: datetime = NOON, **more: str) -> tuple[int, Any]:
    answer = await http.post("/vouchers/redemptions", json={"code": code, "at": at.isoformat(), **more}, headers=BEARER)
    return answer.status_code, answer.json()


@pytest.mark.usefixtures("issued")
async def test_a_merchant_is_told_what_to_accept(http: httpx.AsyncClient, pool: Pool) -> None:
    assert await redeem(http) == (
        200,
        {
            "voucher_id": voucher().entry_id,
            "amount": {"amount": "5.00", "currency": "EUR"},
            "merchant": "Fotoaruba",
            "shipping_cap": {"amount": "1.90", "currency": "EUR"},
            "handling_covered": True,
            "valid_until": "2012-05-13",
            "redeemed_at": "2011-06-01T12:00:00Z",
        },
    )
    assert await pool.fetchval("SELECT redeemed_at FROM voucher") == NOON


async def test_a_voucher_without_a_shipping_cap_covers_no_shipping(
    workbench: Workbench, http: httpx.AsyncClient
) -> None:
    await take(workbench, read(granted([event(voucher(shipping=None))])))
    status, told = await redeem(http)
    assert (status, told["shipping_cap"]) == (200, None)


@pytest.mark.usefixtures("issued")
@pytest.mark.parametrize("typed", [CODE.lower(), plain(CODE), CODE.replace("-", " "), f" {CODE} "])
async def test_a_code_is_redeemed_however_it_is_typed(http: httpx.AsyncClient, typed: str) -> None:
    assert (await redeem(http, typed))[0] == 200


@pytest.mark.usefixtures("issued")
async def test_a_voucher_is_redeemed_once_under_twenty_attempts_at_once(
    http: httpx.AsyncClient, pool: Pool, registry: CollectorRegistry
) -> None:
    answers = await asyncio.gather(*[redeem(http, at=NOON + timedelta(seconds=n)) for n in range(20)])
    assert sorted(status for status, _ in answers) == [200] + [409] * 19
    assert [told for status, told in answers if status == 409] == [{"reason": "redeemed"}] * 19
    winner = next(n for n, (status, _) in enumerate(answers) if status == 200)
    assert await pool.fetchval("SELECT redeemed_at FROM voucher") == NOON + timedelta(seconds=winner)
    counted = {o: registry.get_sample_value("amends_billing_redemptions_total", {"outcome": o}) for o in
               ("redeemed", "redeemed_before", "unknown", "void", "expired")}  # fmt: skip
    assert counted == {"redeemed": 1, "redeemed_before": 19, "unknown": 0, "void": 0, "expired": 0}


@pytest.mark.usefixtures("issued")
async def test_a_voucher_that_was_withdrawn_is_void(workbench: Workbench, http: httpx.AsyncClient) -> None:
    await take(workbench, read(granted([withdrawn(withdrawal(voucher()))])))
    assert await redeem(http) == (409, {"reason": "void"})


@pytest.mark.usefixtures("issued")
@pytest.mark.parametrize(
    ("at", "zone", "status"),
    [
        (datetime(2012, 5, 13, 21, 59, tzinfo=UTC), "Europe/Rome", 200),  # a minute to midnight of the last day
        (datetime(2012, 5, 13, 22, 0, tzinfo=UTC), "Europe/Rome", 409),
        (datetime(2012, 5, 13, 22, 0, tzinfo=UTC), "America/New_York", 200),
        (datetime(2012, 5, 13, 23, 59, tzinfo=UTC), None, 200),  # UTC's day where no zone is given
        (datetime(2012, 5, 14, 0, 0, tzinfo=UTC), None, 409),
    ],
)
async def test_a_voucher_is_valid_through_its_last_day_in_the_zone_given(
    http: httpx.AsyncClient, at: datetime, zone: str | None, status: int
) -> None:
    found, told = await redeem(http, at=at, **({"time_zone": zone} if zone else {}))
    assert found == status
    assert status == 200 or told == {"reason": "expired"}


@pytest.mark.usefixtures("issued")
async def test_a_voucher_that_expired_may_be_redeemed_for_a_purchase_before_that(http: httpx.AsyncClient) -> None:
    """What counts is when it was shown, not when we are asked."""
    assert (await redeem(http, at=datetime(2013, 1, 1, tzinfo=UTC)))[0] == 409
    assert (await redeem(http))[0] == 200


@pytest.mark.usefixtures("issued")
@pytest.mark.parametrize("code", [CODES.code(voucher("C-9").entry_id), CODE[:-1] + "2", "ABC", "", "DRILL"])
async def test_a_code_that_was_never_issued_is_unknown(http: httpx.AsyncClient, code: str) -> None:
    status, told = await redeem(http, code)
    assert status == 404
    assert "no voucher has this code" in told["detail"]


@pytest.mark.usefixtures("issued")
@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"code": CODE}, "at"),
        ({"at": NOON.isoformat()}, "code"),
        ({"code": CODE, "at": "2011-06-01T12:00:00"}, "at"),  # no offset
        ({"code": CODE, "at": NOON.isoformat(), "time_zone": "Mars/Olympus"}, "time_zone"),
        ({"code": CODE, "at": NOON.isoformat(), "when": "now"}, "when"),
        ({"code": CODE * 9, "at": NOON.isoformat()}, "code"),
    ],
)
async def test_a_request_that_cannot_be_read_redeems_nothing_and_repeats_no_code(
    http: httpx.AsyncClient, pool: Pool, body: dict[str, str], named: str
) -> None:
    answer = await http.post("/vouchers/redemptions", json=body, headers=BEARER)
    assert answer.status_code == 422
    assert named in answer.json()["detail"]
    assert CODE not in answer.text
    assert await pool.fetchval("SELECT redeemed_at FROM voucher") is None


@pytest.mark.usefixtures("issued")
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer guess"}])
async def test_whoever_has_no_token_redeems_nothing(
    http: httpx.AsyncClient, pool: Pool, headers: dict[str, str]
) -> None:
    body = {"code": CODE, "at": NOON.isoformat()}
    assert (await http.post("/vouchers/redemptions", json=body, headers=headers)).status_code == 401
    assert await pool.fetchval("SELECT redeemed_at FROM voucher") is None


@pytest.mark.usefixtures("issued")
async def test_no_code_is_logged(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        for code in (CODE, CODE, CODE[:-1] + "2", CODES.code(voucher("C-9").entry_id)):
            await redeem(http, code)
    said = "".join(capfd.readouterr()) + caplog.text
    for code in (CODE, CODES.code(voucher("C-9").entry_id)):
        assert code not in said
        assert plain(code) not in said


async def test_nothing_of_a_drill_can_be_redeemed(workbench: Workbench, http: httpx.AsyncClient) -> None:
    await take(workbench, read(granted([event(voucher(), drill=True)])))
    assert (await redeem(http))[0] == 404
