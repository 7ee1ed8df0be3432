"""A worker that dies between any two steps of a chunk, and another that comes after: as if nothing had happened."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from schemas import topics
from tests.integration.entitlements.builders import Entitlements, declared, dedicated, hosting, remedies, said, told
from tests.integration.mortal import Death, Mortal
from tests.integration.wire import ids


async def died(entitlements: Entitlements, dies_before: int) -> bool:
    """Decide one chunk with a worker that dies before that step; whether it came to that."""
    workbench = Mortal(dies_before).workbench(entitlements.workbench)
    try:
        assert await workbench.run(entitlements.worker("mortal", workbench).decide_chunk)
    except Death:
        return True
    return False


async def test_a_death_between_any_two_steps_loses_nothing_and_gives_nothing_twice(entitlements: Entitlements) -> None:
    await entitlements.take(
        told(
            hosting("H1", "C1"),
            dedicated("D1", "C1"),
            hosting("H2", "C2", addons=["business-mail"]),
            dedicated("D3", "C3", terminated_on="2011-01-01"),
            dedicated("D4", "C4"),
        )
    )
    at = 0
    while True:
        incident_id = f"incident-{at}"
        await entitlements.take(declared(said(incident_id=incident_id)))
        await entitlements.cut()
        has_died = await died(entitlements, at)
        await entitlements.workbench.relay.flush()
        await entitlements.decide()
        if not has_died:
            break
        at += 1
    assert at >= 12, "a chunk has a dozen steps at least: claim, read, write, count, tell, commit, publish, mark"

    published: dict[str, list[Any]] = defaultdict(list)
    records = await entitlements.reader.records(topics.ENTITLEMENTS)
    by_id = dict(zip(ids(records), records, strict=True))
    told_events = await entitlements.reader.data(topics.ENTITLEMENTS)
    for event_id, event in zip(ids(records), told_events, strict=True):
        published[event["incident_id"]].append((event_id, event))
    assert len({(event_id, bytes(record.value)) for event_id, record in by_id.items()}) == len(by_id)
    expected = remedies(event for _, event in published[f"incident-{at}"])
    assert {customer for customer, *_ in expected} == {"C1", "C2", "C4"}
    for number in range(at + 1):
        incident_id = f"incident-{number}"
        events = dict(published[incident_id])
        assert remedies(events.values()) == expected, f"told after a death before step {number}"
        granted = [grant[:3] for grant in await entitlements.grants(incident_id)]
        assert granted == [remedy[:3] for remedy in sorted(expected)], f"written after a death before step {number}"
        assert await entitlements.exclusions(incident_id) == {
            "C1": None,
            "C2": None,
            "C3": "terminated_before",
            "C4": None,
        }
    totals = await entitlements.pool.fetch(
        "SELECT sum(total)::int FROM tally WHERE name = 'considered' GROUP BY subject"
    )
    assert [total for (total,) in totals] == [4] * (at + 1)
