"""Books, account and counts of an incident whose life went on: differences, substitutes, reversals, drills."""

from __future__ import annotations

import json

import httpx
import pytest
from prometheus_client import CollectorRegistry

from schemas import topics
from schemas.events import EntitlementGranted, EntitlementWithdrawn
from services.billing.handlers import Handlers
from services.billing.metrics import BillingMetrics
from services.runtime.database import Pool
from services.runtime.work import Transaction, Workbench
from tests.integration.billing.world import books_of, got, granted, hold, read, take, tamper, written
from tests.unit.billing.builders import (
    CODES,
    INCIDENT,
    addon,
    contract,
    credit,
    event,
    extension,
    in_its_place,
    voucher,
    withdrawal,
    withdrawn,
)

Event = EntitlementGranted | EntitlementWithdrawn
REFUSED = extension("K-2", substitutes=[in_its_place(extension("K-2"), ["open_ended"], "24.95")])
UNHELPED = extension("K-3")
DIFFERENCE = extension("K-1", 5, revision=2)
GRANTED = event(extension("K-1"), REFUSED, UNHELPED, addon("K-1"), voucher(), credit())
LIFE: list[Event] = [
    GRANTED,
    event(DIFFERENCE, credit(revision=2), revision=2),
    withdrawn(
        withdrawal(DIFFERENCE, 3), withdrawal(REFUSED, 3), withdrawal(UNHELPED, 3), withdrawal(voucher(), 3),
        withdrawal(addon("K-1"), 3, honoured=True), revision=3,
    ),
]  # fmt: skip
HELD = [contract("K-1"), contract("K-2", ends_on=None), contract("K-3", ends_on="2011-05-01")]


@pytest.fixture
async def lived(workbench: Workbench, pool: Pool) -> None:
    """The incident's life, applied."""
    await hold(pool, HELD)
    await take(workbench, read(granted(LIFE)))


@pytest.mark.usefixtures("lived")
async def test_the_books_count_substitutes_and_reversals_apart_and_in_the_sums(http: httpx.AsyncClient) -> None:
    assert await got(http, f"/incidents/{INCIDENT}/books") == {
        "customers": 1,
        "applied": 6,
        "refused": 2,
        "substituted": 1,
        "reversals": {"applied": 3, "refused": {"refused_before": 1, "honoured": 1}},
        "days": 15,  # 15 + 5 - 5
        "refusals": {"open_ended": 1, "expired": 1},
        "liability": {"EUR": "24.94"},  # two credits of 12.47; the voucher and the substitute were taken back
        "unsound": [],
        "held": 0,
        "quarantined": [],
        "dropped": [],
        "drill": False,
    }


@pytest.mark.usefixtures("lived")
async def test_the_census_has_what_was_granted_and_withdrawn_and_no_substitute(http: httpx.AsyncClient) -> None:
    buckets = await got(http, f"/census/{INCIDENT}/buckets")
    asked = {r.entry_id for e in LIFE if isinstance(e, EntitlementGranted) for r in e.remedies}
    asked |= {w.entry_id for e in LIFE if isinstance(e, EntitlementWithdrawn) for w in e.withdrawals}
    assert (sum(b["members"] for b in buckets), sum(b["items"] for b in buckets)) == (1, len(asked)) == (1, 13)


async def test_what_is_held_stands_in_the_books_until_it_takes_effect(
    workbench: Workbench, pool: Pool, http: httpx.AsyncClient
) -> None:
    await hold(pool, HELD)
    await take(workbench, read(granted(LIFE[2:])))
    assert (await got(http, f"/incidents/{INCIDENT}/books"))["held"] == 5
    await take(workbench, read(granted(LIFE[:2])))
    assert (await got(http, f"/incidents/{INCIDENT}/books"))["held"] == 0


@pytest.mark.usefixtures("lived")
async def test_a_customers_part_tells_what_was_reversed_and_what_took_whose_place(http: httpx.AsyncClient) -> None:
    told = (await got(http, f"/incidents/{INCIDENT}/customers/C-1"))["entries"]
    mine = [(e["kind"], e["outcome"], e["days"], e["amount"], e["drill"]) for e in told if e["reverses"]]
    assert sorted(mine, key=str) == [
        ("addon", "refused", None, None, False),
        ("credit", "applied", None, "-24.95", False),
        ("extension", "applied", -5, None, False),
        ("extension", "refused", None, None, False),
        ("voucher", "applied", None, "-5.00", False),
    ]
    assert [e["substitutes"] for e in told if e["substitutes"]] == [REFUSED.entry_id]


@pytest.mark.usefixtures("lived")
async def test_a_void_voucher_is_told_as_void(http: httpx.AsyncClient) -> None:
    (mine,) = (await got(http, f"/incidents/{INCIDENT}/customers/C-1"))["vouchers"]
    assert (mine["voided_at"], mine["redeemed_at"]) == ("2011-05-20T10:00:00Z", None)


@pytest.mark.usefixtures("lived")
async def test_an_account_is_the_sum_of_its_entries(http: httpx.AsyncClient) -> None:
    told = await got(http, "/customers/C-1/account")
    assert told["balances"] == {"EUR": "24.94"}
    assert sorted(entry["amount"] for entry in told["entries"]) == ["-24.95", "12.47", "12.47", "24.95"]
    assert {entry["incident_id"] for entry in told["entries"]} == {INCIDENT}
    assert all(entry["recorded_at"] for entry in told["entries"])
    assert [entry["reverses"] for entry in told["entries"] if entry["amount"].startswith("-")] == [REFUSED.entry_id]


async def test_a_customer_without_an_entry_has_an_empty_account(http: httpx.AsyncClient) -> None:
    assert await got(http, "/customers/nobody/account") == {"balances": {}, "entries": []}


@pytest.mark.usefixtures("lived")
@pytest.mark.parametrize(
    ("tampering", "complaint"),
    [
        ("UPDATE voucher SET voided_at = NULL", "0 void vouchers, the ledger says 1"),
        ("UPDATE addon SET withdrawn_on = '2011-06-01'", "1 withdrawn addons, the ledger says 0"),
        ("DELETE FROM credit WHERE amount < 0", "customer C-1: 49.89 EUR on the account, the ledger says 24.94"),
        (
            "UPDATE contract SET extension_days = 20 WHERE contract_id = 'K-1'",
            "contract K-1: extended by 20 days, its ledger says 15",
        ),
        ("DELETE FROM entry WHERE days = -5", "contract K-1: extended by 15 days, its ledger says 20"),
    ],
)
async def test_books_that_were_tampered_with_say_where(
    http: httpx.AsyncClient, pool: Pool, tampering: str, complaint: str
) -> None:
    await tamper(pool, tampering)
    assert complaint in (await got(http, f"/incidents/{INCIDENT}/books"))["unsound"]


# ── Drills ───────────────────────────────────────────────────────────────────────────────────────────────────────

DRILL: list[Event] = [
    event(*GRANTED.remedies, drill=True),
    withdrawn(withdrawal(voucher()), withdrawal(credit(), honoured=True), drill=True),
]


async def test_a_drill_moves_nothing_and_issues_nothing(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, HELD)
    before = await books_of(pool)
    await take(workbench, read(granted(DRILL)))
    after = await books_of(pool)
    for table in ("contract", "addon", "voucher", "credit", "held"):
        assert after[table] == before[table], table
    assert await pool.fetchval("SELECT bool_and(drill) FROM entry") is True
    assert await pool.fetchval("SELECT count(*) FROM entry") == 9


async def test_a_drill_is_marked_in_all_that_is_told_of_it(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, HELD)
    await take(workbench, read(granted(DRILL)))
    said = await written(pool)
    assert set(said) == {topics.ADJUSTMENTS, topics.PROGRESS}  # and no contract
    told = [json.loads(record.value or b"") for records in said.values() for record in records]
    assert [one["drill"] for one in told] == [True] * 3
    codes = [outcome["code"] for outcome in told[0]["outcomes"] if "code" in outcome]
    assert codes == ["DRILL"]


async def test_an_incident_is_not_marked_as_a_drill(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, HELD)
    await take(workbench, read(granted(LIFE)))
    assert not [r for records in (await written(pool)).values() for r in records if b'"drill"' in (r.value or b"")]


async def test_the_books_of_a_drill_close(workbench: Workbench, pool: Pool, http: httpx.AsyncClient) -> None:
    await hold(pool, HELD)
    await take(workbench, read(granted(DRILL)))
    told = await got(http, f"/incidents/{INCIDENT}/books")
    assert (told["drill"], told["unsound"], told["customers"]) == (True, [], 1)
    assert (told["applied"] + told["refused"], told["substituted"]) == (6, 1)
    assert told["reversals"] == {"applied": 0, "refused": {"refused_before": 1, "honoured": 1}}
    buckets = await got(http, f"/census/{INCIDENT}/buckets")
    assert sum(bucket["items"] for bucket in buckets) == 8


# ── What is counted ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_progress_tells_what_the_command_line_reckons_with(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, HELD)
    await take(workbench, read(granted(LIFE)))
    (record,) = (await written(pool))[topics.PROGRESS]
    assert json.loads(record.value or b"")["totals"] == {
        "answers": 3, "applied": 6, "refused": 2, "substituted": 1, "withdrawals": 5,
    }  # fmt: skip


async def test_the_metrics_count_entries_and_reversals_and_drills_apart(pool: Pool) -> None:
    registry = CollectorRegistry()
    handlers = Handlers(CODES, BillingMetrics(registry))
    await hold(pool, HELD)
    async with pool.acquire() as connection, connection.transaction():
        await handlers.entitlements(read(granted(LIFE)), Transaction(connection))
        drill = event(voucher(incident="drill"), incident="drill", drill=True)
        await handlers.entitlements(read(granted([drill])), Transaction(connection))

    def entries(kind: str, outcome: str, drill: str = "false") -> float | None:
        labels = {"kind": kind, "outcome": outcome, "drill": drill}
        return registry.get_sample_value("amends_billing_entries_total", labels)

    def reversals(outcome: str, reason: str) -> float | None:
        labels = {"outcome": outcome, "reason": reason, "drill": "false"}
        return registry.get_sample_value("amends_billing_reversals_total", labels)

    assert (entries("extension", "applied"), entries("extension", "refused")) == (2, 2)
    assert (entries("credit", "applied"), entries("voucher", "applied"), entries("addon", "applied")) == (3, 1, 1)
    assert (entries("voucher", "applied", "true"), entries("extension", "applied", "true")) == (1, 0)
    assert (reversals("applied", ""), reversals("refused", "honoured")) == (3, 1)
    assert (reversals("refused", "refused_before"), reversals("refused", "used")) == (1, 0)


def test_every_series_is_there_from_the_start_at_zero() -> None:
    registry = CollectorRegistry()
    BillingMetrics(registry)
    samples = [s for family in registry.collect() for s in family.samples if s.name.endswith("_total")]
    assert len(samples) == 2 * (4 * 2 + 1 + 4) + 5
    assert {sample.value for sample in samples} == {0}
    assert all(sample.name.startswith("amends_billing_") for sample in samples)


async def test_the_letters_that_a_policy_wants_pass_through(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, HELD)
    await take(
        workbench,
        read(
            granted(
                [
                    event(voucher(), letters=("announcement", "details")),
                    withdrawn(withdrawal(voucher()), letters=("announcement",)),
                    event(voucher("C-2"), customer_id="C-2"),
                ]
            )
        ),
    )
    told = [json.loads(record.value or b"") for record in (await written(pool))[topics.ADJUSTMENTS]]
    wanted = {(one["customer_id"], "outcomes" in one): one.get("letters") for one in told}
    assert wanted == {
        ("C-1", True): ["announcement", "details"], ("C-1", False): ["announcement"], ("C-2", True): None,
    }  # fmt: skip
