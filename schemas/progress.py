"""Progress reports as events: how far a stage's lanes have come with an incident, as running totals."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

from schemas.ids import event_id

Stage = Literal["entitlements", "billing", "notifications"]


def reports(
    stage: Stage, totals: Mapping[tuple[str, str], Mapping[str, int]], drills: Collection[str] = ()
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(key, event id, data) of a `progress.reported.v1` for each (incident, lane) with its totals by name.

    `drills` are the incidents among them that are drills, and are marked so. The id says what the totals are, so that
    a repeated report is the same event.
    """
    for (incident_id, lane), named in totals.items():
        told = [f"{name}={total}" for name, total in sorted(named.items())]
        data: dict[str, Any] = {"incident_id": incident_id, "stage": stage, "lane": lane, "totals": named}
        if incident_id in drills:
            data["drill"] = True
        yield incident_id, event_id("progress", stage, incident_id, lane, *told), data
