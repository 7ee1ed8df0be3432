"""What is no longer owed, on the real database: taken back once, told once, and what was used or redeemed stands."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from schemas import topics
from schemas.events import ContractChanged, EntitlementGranted, EntitlementWithdrawn, Remedy
from schemas.examples import examples
from schemas.json_schemas import json_schema
from services.billing import store
from services.billing.store import SQL
from services.runtime.database import Pool
from services.runtime.errors import Poison
from services.runtime.work import Workbench
from tests.integration.billing.crashes import cut_before_each_statement
from tests.integration.billing.world import books_of, come, granted, hold, read, reversals, written
from tests.unit.billing.builders import (
    CODES,
    addon,
    contract,
    credit,
    day,
    event,
    extension,
    in_its_place,
    voucher,
    withdrawal,
    withdrawn,
)

GIVEN = event(extension(), addon(), voucher(), credit())
TAKEN = withdrawn(*[withdrawal(remedy) for remedy in GIVEN.remedies])


async def unsound(pool: Pool) -> list[Any]:
    """What the sums find."""
    return [*await pool.fetch(SQL["out_of_balance"]), *await pool.fetch(SQL["unbalanced_accounts"], GIVEN.incident_id)]


async def test_every_kind_is_taken_back(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, [contract()])
    await come(workbench, GIVEN)
    await come(workbench, TAKEN)
    row = await pool.fetchrow("SELECT ends_on, extension_days, version FROM contract")
    assert tuple(row) == (day("2012-03-01"), 0, 5)
    assert await pool.fetchval("SELECT withdrawn_on FROM addon") == day("2011-05-20")
    assert await pool.fetchval("SELECT voided_at FROM voucher") == TAKEN.declared_at
    assert await pool.fetchval("SELECT sum(amount) FROM credit") == 0
    assert await pool.fetchval("SELECT sum(days) FROM entry") == 0
    assert await pool.fetchval("SELECT sum(amount) FROM entry") == 0
    assert await pool.fetchval("SELECT count(*) FROM entry") == 8
    assert await unsound(pool) == []


async def test_what_was_taken_back_is_told_in_one_event_per_customer(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, [contract()])
    await come(workbench, GIVEN, TAKEN)
    (told,) = await reversals(pool)
    assert (told.incident_id, told.revision, told.customer_id) == (TAKEN.incident_id, 2, TAKEN.customer_id)
    days, gift, coupon, money = told.reversals
    assert [one.reverses for one in told.reversals] == [remedy.entry_id for remedy in GIVEN.remedies]
    assert {one.outcome for one in told.reversals} == {"applied"}
    assert days.ends_on is not None
    assert (days.days, days.ends_on.before, days.ends_on.after) == (15, day("2012-03-16"), day("2012-03-01"))
    assert (gift.contract_id, gift.product) == ("K-1", "business-mail")
    assert coupon.amount is not None
    assert (str(coupon.amount.amount), coupon.merchant) == ("5.00", "Fotoaruba")
    assert coupon.code == CODES.code(voucher().entry_id)
    assert money.amount is not None
    assert (str(money.amount.amount), money.amount.currency) == ("12.47", "EUR")


async def test_the_contract_is_told_again_with_a_higher_version(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, [contract()])
    await come(workbench, GIVEN)
    await come(workbench, TAKEN)
    changed = [
        ContractChanged.model_validate_json(record.value or b"") for record in (await written(pool))[topics.CONTRACTS]
    ]
    assert [(one.version, one.ends_on) for one in changed] == [(3, day("2012-03-16")), (5, day("2012-03-01"))]
    assert [one.complimentary[0].ends_on for one in changed] == [day("2012-05-13"), day("2011-05-20")]


async def test_a_withdrawn_addon_stays_withdrawn_when_the_contract_changes_again(
    workbench: Workbench, pool: Pool
) -> None:
    await hold(pool, [contract()])
    await come(workbench, GIVEN)
    await come(workbench, TAKEN)
    await come(workbench, event(extension(incident="second"), incident="second"))
    told = ContractChanged.model_validate_json((await written(pool))[topics.CONTRACTS][-1].value or b"")
    assert (told.version, told.ends_on) == (6, day("2012-03-16"))
    assert [one.ends_on for one in told.complimentary] == [day("2011-05-20")]


@pytest.mark.parametrize("name", examples("entitlement.withdrawn.v1"))
async def test_every_worked_example_is_answered_by_the_schema(workbench: Workbench, pool: Pool, name: str) -> None:
    """What the examples withdraw was granted before; everything is answered, honoured or taken back."""
    event_ = EntitlementWithdrawn.model_validate_json(examples("entitlement.withdrawn.v1")[name])
    kinds: dict[str, Remedy] = {
        "extension": extension("K-0000001"),
        "addon": addon("K-0000002"),
        "voucher": voucher(),
        "credit": credit(),
    }
    remedies: list[Remedy] = [
        kinds[one.kind].model_copy(update={"entry_id": one.withdraws, "grant_id": one.grant_id})
        for one in event_.withdrawals
    ]
    given = event(
        *remedies, incident=event_.incident_id, customer_id=event_.customer_id, drill=event_.drill,
        declared_at=datetime(2011, 4, 29, 14, tzinfo=UTC),
    )  # fmt: skip
    await hold(pool, [contract(f"K-000000{n}", customer_id=event_.customer_id) for n in (1, 2)])
    await come(workbench, given, event_)
    (record,) = [
        r for r in (await written(pool))[topics.ADJUSTMENTS] if dict(r.headers)["ce_type"].endswith(b"reversed.v1")
    ]
    told = json.loads(record.value or b"")
    Draft202012Validator(json_schema("adjustment.reversed.v1")).validate(told)
    assert [one["entry_id"] for one in told["reversals"]] == [one.entry_id for one in event_.withdrawals]
    assert [one.get("reason", "applied") for one in told["reversals"]] == [
        "honoured" if one.honoured else "applied" for one in event_.withdrawals
    ]
    assert told.get("letters") == (list(event_.letters) if event_.letters else None)
    assert told.get("drill", False) == event_.drill


async def test_a_withdrawal_twice_takes_back_once_and_is_told_once(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, [contract()])
    await come(workbench, GIVEN, TAKEN, TAKEN)
    once, said = await books_of(pool), await written(pool)
    await come(workbench, TAKEN)
    await come(workbench, GIVEN, TAKEN)
    assert await books_of(pool) == once
    assert await written(pool) == said


async def test_a_withdrawal_that_comes_first_is_held_and_takes_effect_with_its_original(
    workbench: Workbench, pool: Pool
) -> None:
    await hold(pool, [contract()])
    await come(workbench, GIVEN)
    await come(workbench, TAKEN)
    in_order = await books_of(pool)
    await pool.execute("TRUNCATE contract, entry, addon, voucher, credit, held_withdrawal, tally, outbox")
    await hold(pool, [contract()])
    await come(workbench, TAKEN)
    await come(workbench, TAKEN)
    assert await pool.fetchval("SELECT count(*) FROM held_withdrawal") == 4
    assert await pool.fetchval("SELECT count(*) FROM entry") == 0
    assert await written(pool) == {}
    await come(workbench, GIVEN)
    assert await books_of(pool) == in_order
    assert [len(told.reversals) for told in await reversals(pool)] == [4]


async def test_what_is_held_for_others_stays_held(workbench: Workbench, pool: Pool) -> None:
    other = withdrawn(withdrawal(voucher("C-2")), customer_id="C-2")
    await come(workbench, other)
    await come(workbench, event(voucher()))
    assert await pool.fetch("SELECT customer_id FROM held_withdrawal") == [("C-2",)]


async def test_no_more_than_so_many_withdrawals_are_held(
    workbench: Workbench, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "HELD_AT_MOST", 3)
    with pytest.raises(Poison, match="more than 3 withdrawals wait"):
        await come(workbench, TAKEN)
    assert await pool.fetchval("SELECT count(*) FROM held_withdrawal") == 0


async def test_what_took_the_place_of_a_refused_remedy_is_taken_back(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, [contract(ends_on=None)])
    remedies: list[Remedy] = [
        extension(substitutes=[in_its_place(extension(), ["open_ended"], as_voucher=True)]),
        addon("K-404", substitutes=[in_its_place(addon("K-404"), ["unknown_contract"])]),
    ]
    await come(workbench, event(*remedies), withdrawn(*map(withdrawal, remedies)))
    assert await pool.fetchval("SELECT voided_at IS NOT NULL FROM voucher") is True
    assert await pool.fetchval("SELECT sum(amount) FROM credit") == 0
    assert await unsound(pool) == []
    (told,) = await reversals(pool)
    assert [(one.kind, one.outcome, one.reverses) for one in told.reversals] == [
        ("voucher", "applied", remedies[0].entry_id),
        ("credit", "applied", remedies[1].entry_id),
    ]


async def test_a_cut_before_any_statement_leaves_nothing_behind(workbench: Workbench, pool: Pool) -> None:
    """One batch that gives, takes back what was given before, holds, and releases what was held."""
    before_it: list[EntitlementGranted | EntitlementWithdrawn] = [
        event(voucher("C-2"), customer_id="C-2"),
        withdrawn(withdrawal(credit())),
    ]
    after: list[EntitlementGranted | EntitlementWithdrawn] = [
        GIVEN,
        withdrawn(withdrawal(voucher("C-2")), customer_id="C-2"),
        withdrawn(*[withdrawal(remedy) for remedy in GIVEN.remedies[:3]]),
        withdrawn(withdrawal(voucher("C-3")), customer_id="C-3"),
    ]
    await hold(pool, [contract()])
    await come(workbench, *before_it)
    assert await cut_before_each_statement(workbench, pool, read(granted(after))) >= 15
    assert await pool.fetchval("SELECT count(*) FROM entry WHERE reverses IS NOT NULL") == 5
    assert await pool.fetch("SELECT customer_id FROM held_withdrawal") == [("C-3",)]
    assert await unsound(pool) == []


async def test_a_code_that_another_secret_made_is_not_told(workbench: Workbench, pool: Pool) -> None:
    await come(workbench, event(voucher()))
    await pool.execute("UPDATE voucher SET code_hash = 'of another secret'")
    await come(workbench, withdrawn(withdrawal(voucher())))
    (told,) = await reversals(pool)
    assert [(one.merchant, one.code) for one in told.reversals] == [("Fotoaruba", None)]
