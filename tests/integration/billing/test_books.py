"""Billing's side of the books, as it is asked for over HTTP."""

from __future__ import annotations

from decimal import Decimal

import httpx
import pytest

from schemas.values import Money
from services.runtime.database import Pool
from services.runtime.work import Workbench
from tests.integration.billing.case import CONTRACTS, EVENTS, SECOND
from tests.integration.billing.world import got, granted, hold, read, take, tamper
from tests.unit.billing.builders import CODES, INCIDENT, contract, credit, event, extension, voucher


@pytest.fixture
async def settled(workbench: Workbench, pool: Pool) -> None:
    """The case, applied."""
    await hold(pool, CONTRACTS)
    await take(workbench, read(granted(EVENTS)))


@pytest.mark.usefixtures("settled")
async def test_the_books_of_an_incident_are_the_sums_of_its_ledger(http: httpx.AsyncClient) -> None:
    assert await got(http, f"/incidents/{INCIDENT}/books") == {
        "customers": 6,
        "applied": 10,
        "refused": 4,
        "substituted": 0,
        "reversals": {"applied": 0, "refused": {}},
        "days": 35,  # 15 + 15 + 5; what was refused does not count
        "refusals": {"open_ended": 1, "expired": 1, "terminated": 1, "unknown_contract": 1},
        "liability": {"EUR": "39.94"},  # three vouchers of 5.00, two credits of 12.47
        "unsound": [],
        "held": 0,
        "quarantined": [],
        "dropped": [],
        "drill": False,
    }


@pytest.mark.usefixtures("settled")
async def test_each_incident_has_its_own_books(http: httpx.AsyncClient) -> None:
    told = await got(http, f"/incidents/{SECOND}/books")
    assert (told["customers"], told["applied"], told["refused"], told["days"]) == (2, 4, 0, 10)
    assert (told["refusals"], told["liability"]) == ({}, {"EUR": "5.00"})


async def test_an_incident_that_nobody_knows_has_empty_books(http: httpx.AsyncClient) -> None:
    assert await got(http, "/incidents/nothing/books") == {
        "customers": 0, "applied": 0, "refused": 0, "substituted": 0, "days": 0, "refusals": {}, "liability": {},
        "reversals": {"applied": 0, "refused": {}}, "unsound": [], "held": 0, "quarantined": [], "dropped": [],
        "drill": False,
    }  # fmt: skip


async def test_a_liability_has_its_currencys_own_decimals(workbench: Workbench, http: httpx.AsyncClient) -> None:
    amounts = [("C-1", "700", "JPY"), ("C-2", "1.250", "KWD"), ("C-3", "0.10", "EUR"), ("C-4", "0.20", "EUR")]
    events = [
        event(credit(Money(amount=Decimal(amount), currency=currency), customer), customer_id=customer)
        for customer, amount, currency in amounts
    ]
    await take(workbench, read(granted(events)))
    told = await got(http, f"/incidents/{INCIDENT}/books")
    assert told["liability"] == {"EUR": "0.30", "JPY": "700", "KWD": "1.250"}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    ("tampering", "complaint"),
    [
        (
            "UPDATE contract SET extension_days = 0 WHERE contract_id = 'K-1'",
            "contract K-1: extended by 0 days, its ledger says 22",
        ),
        ("DELETE FROM voucher WHERE customer_id = 'C-2'", "2 vouchers, the ledger says 3"),
        ("UPDATE voucher SET voided_at = now() WHERE customer_id = 'C-2'", "1 void vouchers, the ledger says 0"),
        ("DELETE FROM addon WHERE customer_id = 'C-3'", "1 addons, the ledger says 2"),
        ("UPDATE addon SET withdrawn_on = ends_on", "2 withdrawn addons, the ledger says 0"),
        ("DELETE FROM credit WHERE customer_id = 'C-4'", "1 credits, the ledger says 2"),
        (
            "UPDATE credit SET amount = 10 WHERE customer_id = 'C-4'",
            "customer C-4: 10.00 EUR on the account, the ledger says 12.47",
        ),
        ("DELETE FROM entry WHERE kind = 'voucher' AND customer_id = 'C-2'", "3 vouchers, the ledger says 2"),
    ],
)
async def test_books_that_were_tampered_with_say_where(
    http: httpx.AsyncClient, pool: Pool, tampering: str, complaint: str
) -> None:
    await tamper(pool, tampering)
    assert complaint in (await got(http, f"/incidents/{INCIDENT}/books"))["unsound"]


@pytest.mark.usefixtures("settled")
async def test_a_customers_part_tells_entries_and_vouchers_without_their_codes(http: httpx.AsyncClient) -> None:
    told = await got(http, f"/incidents/{INCIDENT}/customers/C-1")
    assert [(e["rule"], e["outcome"], e["contract_id"]) for e in told["entries"]] == [
        ("business-mail", "applied", "K-2"),
        ("extra-days", "applied", "K-1"),
        ("photo-voucher", "applied", None),
    ]
    assert (told["entries"][1]["ends_on_before"], told["entries"][1]["ends_on_after"]) == ("2012-03-01", "2012-03-16")
    (mine,) = told["vouchers"]
    assert (mine["voucher_id"], mine["valid_until"]) == (voucher("C-1").entry_id, "2012-05-13")
    assert Decimal(mine["amount"]) == Decimal(5)
    code = CODES.code(voucher("C-1").entry_id)
    assert code not in str(told)
    assert code.replace("-", "") not in str(told)


@pytest.mark.usefixtures("settled")
async def test_the_census_counts_every_customer_and_entry_once(http: httpx.AsyncClient) -> None:
    buckets = await got(http, f"/census/{INCIDENT}/buckets")
    assert (sum(b["members"] for b in buckets), sum(b["items"] for b in buckets)) == (6, 14)


async def test_a_quarantined_entitlement_names_its_customer(
    workbench: Workbench, pool: Pool, http: httpx.AsyncClient
) -> None:
    await hold(pool, [contract()])
    await take(workbench, read(granted([event(extension())])))
    await pool.execute(
        "INSERT INTO quarantine (topic, partition, record_offset, cluster, key, value, headers, reason)"
        " VALUES ('amends.entitlements.v1', 0, 7, 'x', 'C-9', '{', ''::bytea, 'not JSON'),"
        " ('amends.other.v1', 0, 7, 'x', 'C-8', '{', ''::bytea, 'not JSON')"
    )
    assert (await got(http, f"/incidents/{INCIDENT}/books"))["quarantined"] == ["C-9"]


async def test_a_dropped_entitlement_is_an_answer_for_the_incident_that_it_names_and_for_no_other(
    pool: Pool, http: httpx.AsyncClient
) -> None:
    await pool.execute(
        "INSERT INTO quarantine (topic, partition, record_offset, cluster, key, value, headers, reason, state,"
        " dropped_at, dropped_by, dropped_why)"
        " SELECT 'amends.entitlements.v1', 0, n, 'x', key, value, '', 'no', 'dropped', now(), 'anna', 'left us'"
        " FROM unnest($1::integer[], $2::bytea[], $3::bytea[]) AS r(n, key, value)",
        [1, 2, 3, 4],
        [b"C-1", b"C-2", b"C-3", b"\xff\xfe"],
        [f'{{"incident_id":"{INCIDENT}", cut'.encode(), b'{"incident_id":"another"}', None, b"x"],
    )
    books = await got(http, f"/incidents/{INCIDENT}/books")
    assert (books["quarantined"], books["dropped"]) == ([], ["C-1"])


@pytest.mark.parametrize("key", [b"\xff\xfe", b"a\x00b"])
async def test_a_key_that_is_no_text_is_nobodys_and_the_books_are_told_all_the_same(
    pool: Pool, http: httpx.AsyncClient, key: bytes
) -> None:
    await pool.execute(
        "INSERT INTO quarantine (topic, partition, record_offset, cluster, key, value, headers, reason)"
        " VALUES ('amends.entitlements.v1', 0, 7, 'x', $1, '{', '', 'not JSON'),"
        " ('amends.entitlements.v1', 0, 8, 'x', 'C-9', '{', '', 'not JSON')",
        key,
    )
    assert "C-9" in (await got(http, f"/incidents/{INCIDENT}/books"))["quarantined"]
