"""What billing tells the others: one adjustment per customer with all that became of it, each changed contract."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from schemas import topics
from schemas.events import EVENTS as MODELS
from schemas.events import AdjustmentApplied, ContractChanged, ProgressReported
from schemas.examples import examples
from schemas.json_schemas import json_schema
from schemas.values import Value
from services.billing.vouchers import is_well_formed
from services.runtime.database import Pool
from services.runtime.envelope import Record
from services.runtime.work import Workbench
from tests.integration.billing.case import CONTRACTS, ENDS, EVENTS, OUTCOMES, SECOND, VERSIONS
from tests.integration.billing.world import Log, granted, heads, hold, read, take, written
from tests.unit.billing.builders import INCIDENT, contract, day, event, extension, voucher

Model = TypeVar("Model", bound=Value)
GRANTED = examples("entitlement.granted.v1")


async def answered(workbench: Workbench) -> dict[str, list[Record]]:
    """What the outbox holds after the case."""
    await hold(workbench.pool, CONTRACTS)
    await take(workbench, read(granted(EVENTS)))
    return await written(workbench.pool)


def values(model: type[Model], records: Iterable[Record]) -> list[Model]:
    return [model.model_validate_json(record.value or b"") for record in records]


def told(outcomes: Sequence[Any]) -> list[str]:
    return [outcome.reason or outcome.outcome for outcome in outcomes]


async def test_each_customer_gets_one_adjustment_with_all_that_was_applied_and_refused(workbench: Workbench) -> None:
    adjustments = values(AdjustmentApplied, (await answered(workbench))[topics.ADJUSTMENTS])
    assert len(adjustments) == len(OUTCOMES)
    assert {(a.customer_id, a.incident_id): told(a.outcomes) for a in adjustments} == OUTCOMES


async def test_an_adjustment_answers_the_remedies_by_their_ids(workbench: Workbench) -> None:
    adjustments = values(AdjustmentApplied, (await answered(workbench))[topics.ADJUSTMENTS])
    asked = {(e.customer_id, e.incident_id): [(r.entry_id, r.grant_id, r.kind) for r in e.remedies] for e in EVENTS}
    answer = {
        (a.customer_id, a.incident_id): [(o.entry_id, o.grant_id, o.kind) for o in a.outcomes] for a in adjustments
    }
    assert answer == asked


async def test_an_adjustment_tells_dates_and_terms(workbench: Workbench) -> None:
    records = (await answered(workbench))[topics.ADJUSTMENTS]
    mine = next(a for a in map(json.loads, (r.value or b"" for r in records)) if a["customer_id"] == "C-1")
    moved, given, issued = mine["outcomes"]
    assert (moved["contract_id"], moved["product"]) == ("K-1", "dedicated-server")
    assert moved["ends_on"] == {"before": "2012-03-01", "after": "2012-03-16"}
    assert (given["product"], given["ends_on"], given["addon_id"]) == ("business-mail", "2012-05-13", given["entry_id"])
    assert is_well_formed(issued["code"])
    assert (issued["voucher_id"], issued["valid_until"]) == (issued["entry_id"], "2012-05-13")
    assert issued["amount"] == {"amount": "5.00", "currency": "EUR"}
    assert issued["shipping_cap"] == {"amount": "1.90", "currency": "EUR"}
    assert (issued["merchant"], issued["handling_covered"]) == ("Fotoaruba", True)


async def test_two_extensions_of_one_contract_are_told_one_after_the_other(workbench: Workbench) -> None:
    records = (await answered(workbench))[topics.ADJUSTMENTS]
    mine = [a for a in values(AdjustmentApplied, records) if a.customer_id == "C-5" and a.incident_id == INCIDENT]
    dates = [(o.ends_on.before, o.ends_on.after) for o in mine[0].outcomes if o.kind == "extension" and o.ends_on]
    assert dates == [(day("2012-02-14"), day("2012-02-29")), (day("2012-02-29"), day("2012-03-05"))]


async def test_a_remedy_that_comes_later_gets_an_adjustment_of_its_own(workbench: Workbench) -> None:
    await hold(workbench.pool, CONTRACTS)
    await take(workbench, read(granted([event(extension("K-1"), customer_id="C-1")])))
    await take(workbench, read(granted([event(extension("K-1"), voucher("C-1"), customer_id="C-1")])))
    adjustments = values(AdjustmentApplied, (await written(workbench.pool))[topics.ADJUSTMENTS])
    assert [[o.kind for o in a.outcomes] for a in adjustments] == [["extension"], ["voucher"]]


async def test_each_changed_contract_is_republished_as_it_stands(workbench: Workbench, pool: Pool) -> None:
    changed = values(ContractChanged, (await answered(workbench))[topics.CONTRACTS])
    assert {c.contract_id: c.ends_on and c.ends_on.isoformat() for c in changed} == {
        name: end for name, end in ENDS.items() if VERSIONS[name] > 1
    }
    moved = next(c for c in changed if c.contract_id == "K-6")
    assert moved.terminated_on == day("2011-12-31") + timedelta(days=23)
    assert [a.product for a in moved.complimentary] == ["business-mail"]
    assert (moved.monthly_fee and moved.monthly_fee.amount, moved.site) == (CONTRACTS[5].monthly_fee, "arezzo-1")


async def test_versions_rise_and_the_last_one_is_the_tables(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, CONTRACTS)
    for one in read(granted(EVENTS)):
        await take(workbench, [one])
    changed = values(ContractChanged, (await written(pool))[topics.CONTRACTS])
    for name in {c.contract_id for c in changed}:
        mine = [c for c in changed if c.contract_id == name]
        assert [c.version for c in mine] == sorted({c.version for c in mine})
        row = await pool.fetchrow("SELECT version, ends_on, terminated_on FROM contract WHERE contract_id = $1", name)
        assert tuple(row) == (mine[-1].version, mine[-1].ends_on, mine[-1].terminated_on)


async def test_all_records_keep_to_the_schemas_and_name_their_cause(workbench: Workbench) -> None:
    said = await answered(workbench)
    assert set(said) == {topics.ADJUSTMENTS, topics.CONTRACTS, topics.PROGRESS}
    for topic, records in said.items():
        for record in records:
            head = dict(record.headers)
            kind, data = head["ce_type"].decode(), json.loads(record.value or b"")
            assert kind in topics.topic_of(kind).events
            assert topics.topic_of(kind).name == topic
            Draft202012Validator(json_schema(kind)).validate(data)
            MODELS[kind].model_validate_json(record.value or b"")
            assert (record.key or b"").decode() == data[topics.topic_of(kind).key]
            assert head["ce_specversion"] == b"1.0"
            assert head["ce_source"] == b"urn:amends:billing"
            assert head["ce_dataschema"] == f"urn:amends:schema:{kind}".encode()
            assert head["content-type"] == b"application/json"
        assert len({dict(record.headers)["ce_id"] for record in records}) == len(records)


async def test_the_topics_hold_what_the_outbox_says(workbench: Workbench, log: Log) -> None:
    said = await answered(workbench)
    for topic, records in said.items():
        assert sorted(heads(await log.since(topic))) == sorted(heads(records))


async def test_progress_is_one_record_per_incident_with_running_totals(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, CONTRACTS)
    for batch in (EVENTS[:3], EVENTS[3:]):
        await take(workbench, read(granted(batch)))
    reported = values(ProgressReported, (await written(pool))[topics.PROGRESS])
    assert [(p.incident_id, p.stage, p.lane, p.totals) for p in reported] == [
        (INCIDENT, "billing", "p0", {"answers": 3, "applied": 5, "refused": 2}),
        (INCIDENT, "billing", "p0", {"answers": 6, "applied": 10, "refused": 4}),
        (SECOND, "billing", "p0", {"answers": 2, "applied": 4, "refused": 0}),
    ]


@pytest.mark.parametrize("name", GRANTED)
async def test_every_worked_example_is_answered(workbench: Workbench, pool: Pool, name: str) -> None:
    """With the contracts that the examples speak of in the books, nothing is refused."""
    await hold(pool, [contract(f"K-{n:07}", customer_id=f"C-{c:07}") for n, c in [(1, 1), (2, 1), (3, 2), (5, 4)]])
    record = granted([event(voucher())])[0]
    messages = read([Record(record.key, GRANTED[name], record.headers)])
    await take(workbench, messages)
    (answer,) = values(AdjustmentApplied, (await written(pool))[topics.ADJUSTMENTS])
    assert [o.entry_id for o in answer.outcomes] == [r.entry_id for r in messages[0].data.remedies]
    assert set(told(answer.outcomes)) == {"applied"}


async def test_the_same_event_in_structured_mode_is_the_same_event(workbench: Workbench, pool: Pool) -> None:
    await hold(pool, CONTRACTS)
    (binary,) = granted(EVENTS[:1])
    head = dict(binary.headers)
    structured = {
        "specversion": "1.0", "id": head["ce_id"].decode(), "source": head["ce_source"].decode(),
        "type": head["ce_type"].decode(), "data": json.loads(binary.value or b""),
    }  # fmt: skip
    kind = [("content-type", b"application/cloudevents+json; charset=UTF-8")]
    await take(workbench, read([Record(binary.key, json.dumps(structured).encode(), kind)]))
    await take(workbench, read([binary]))
    assert len((await written(pool))[topics.ADJUSTMENTS]) == 1
