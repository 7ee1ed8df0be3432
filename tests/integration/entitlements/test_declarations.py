"""Declarations: a new one is planned, a repeated one changes nothing, whatever else is set aside with its reason."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas import topics
from services.runtime.envelope import Record
from tests.integration.entitlements.builders import ARUBA, INCIDENT, Entitlements, declared, said
from tests.integration.wire import arrived, events


async def plans(entitlements: Entitlements) -> list[tuple[str, int, int]]:
    rows = await entitlements.pool.fetch("SELECT incident_id, revision, run FROM plan ORDER BY 1, 2, 3")
    return [tuple(row) for row in rows]


async def reasons(entitlements: Entitlements) -> list[str]:
    """Why what was set aside was, from the table; the `.dlq` and the metric must say the same."""
    rows = await entitlements.pool.fetch("SELECT value, reason FROM quarantine ORDER BY quarantine_id")
    dead = await entitlements.reader.records(topics.dlq(topics.INCIDENTS))
    assert [(r.value, dict(r.headers)["amends_reason"].decode()) for r in dead] == [tuple(row) for row in rows]
    registry = entitlements.workbench.metrics.registry
    counted = registry.get_sample_value("amends_records_quarantined_total", {"topic": topics.INCIDENTS})
    assert (counted or 0) == len(rows)
    return [row["reason"] for row in rows]


def rebuilt(body: dict[str, Any]) -> Record:
    """The same body written by another program: other order of keys, other spacing, a field we do not know."""
    turned = {key: dict(reversed(v.items())) if isinstance(v, dict) else v for key, v in reversed(body.items())}
    written = orjson.dumps(turned | {"seen_by": "another pipeline"}, option=orjson.OPT_INDENT_2)
    (record,) = events("incident.declared.v1", (INCIDENT, "another-id", {}))
    return Record(record.key, written, record.headers)


async def test_a_declaration_is_planned(entitlements: Entitlements) -> None:
    await entitlements.take(declared(said()))
    assert await plans(entitlements) == [(INCIDENT, 1, 1)]
    assert await reasons(entitlements) == []


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_the_same_declaration_twice_is_one_plan(entitlements: Entitlements, together: bool) -> None:
    first, second = declared(said()), declared(said())
    await entitlements.take(*([first + second] if together else [first, second]))
    assert await plans(entitlements) == [(INCIDENT, 1, 1)]
    assert await reasons(entitlements) == []


async def test_the_same_body_written_in_another_way_is_the_same_declaration(entitlements: Entitlements) -> None:
    body = said(scope={"sites": ["arezzo"], "families": ["hosting"]})
    await entitlements.take(declared(body), arrived(topics.INCIDENTS, [rebuilt(body)]))
    assert await plans(entitlements) == [(INCIDENT, 1, 1)]
    assert await reasons(entitlements) == []


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_the_same_revision_with_another_body_is_set_aside_and_the_first_stands(
    entitlements: Entitlements, together: bool
) -> None:
    first, second = declared(said()), declared(said(title="Another story"))
    await entitlements.take(*([first + second] if together else [first, second]))
    assert await plans(entitlements) == [(INCIDENT, 1, 1)]
    kept = await entitlements.pool.fetchval("SELECT body FROM declaration")
    assert kept == said()
    (reason,) = await reasons(entitlements)
    assert "revision 1 was declared before with another body" in reason


async def test_the_next_revision_is_planned_beside_the_first(entitlements: Entitlements) -> None:
    await entitlements.take(declared(said(), said(revision=2, title="A longer story")))
    assert await plans(entitlements) == [(INCIDENT, 1, 1), (INCIDENT, 2, 1)]


async def test_an_unknown_policy_is_set_aside_and_the_known_ones_are_named(entitlements: Entitlements) -> None:
    await entitlements.take(declared(said(policy="generous@1")))
    (reason,) = await reasons(entitlements)
    assert "generous@1" in reason
    assert ARUBA in reason
    assert await plans(entitlements) == []


NO_OFFSET = {"starts_at": "2011-04-29T04:30:00", "ends_at": "2011-04-29T13:30:00+02:00"}
BACKWARDS = {"starts_at": "2011-04-29T13:30:00+02:00", "ends_at": "2011-04-29T04:30:00+02:00"}


@pytest.mark.parametrize(
    ("impact", "complaint"),
    [
        (NO_OFFSET, "impact.starts_at: Input should have timezone info"),
        (BACKWARDS, "is not after starts_at"),
        ({"ends_at": None}, "impact.starts_at: Field required"),
    ],
    ids=["without an offset", "ends before it starts", "without a start"],
)
async def test_an_impact_that_makes_no_sense_is_set_aside(
    entitlements: Entitlements, impact: dict[str, Any], complaint: str
) -> None:
    await entitlements.take(declared(said() | {"impact": impact}))
    (reason,) = await reasons(entitlements)
    assert complaint in reason
    assert await plans(entitlements) == []


async def test_a_declaration_that_cannot_be_planned_costs_the_others_nothing(entitlements: Entitlements) -> None:
    batch = declared(said() | {"scope": {}}, said(incident_id="good"), said(incident_id="bad", policy="none@1"))
    await entitlements.take(batch)
    assert await plans(entitlements) == [("good", 1, 1)]
    assert len(await reasons(entitlements)) == 2
