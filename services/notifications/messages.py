"""What notifications reads and writes on Kafka: records to profiles, declarations and adjustments, letters to records.

The bytes' shapes are in `schemas`; this file only fills them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from schemas.events import (
    AdjustmentApplied,
    CustomerChanged,
    IncidentAmended,
    IncidentDeclared,
    IncidentResolved,
    IncidentRetracted,
)
from schemas.ids import event_id
from schemas.progress import reports
from services.notifications.domain import SettledLetter
from services.runtime.envelope import Decoder, Encoder, Record

SOURCE = "urn:amends:notifications"
ADJUSTMENTS = Decoder({"adjustment.applied.v1": AdjustmentApplied})
CUSTOMERS = Decoder({"customer.changed.v1": CustomerChanged}, tombstones=True)
INCIDENTS = Decoder(
    {
        "incident.declared.v1": IncidentDeclared,
        "incident.amended.v1": IncidentAmended,
        "incident.resolved.v1": IncidentResolved,
        "incident.retracted.v1": IncidentRetracted,
    }
)
_LETTER = Encoder("letter.settled.v1", SOURCE)
_PROGRESS = Encoder("progress.reported.v1", SOURCE)


def settled(letters: Iterable[SettledLetter]) -> list[Record]:
    """One `letter.settled.v1` per letter that has come to its end."""
    return _LETTER.records(
        (
            letter.customer_id,
            event_id("letter", letter.letter_id, letter.state),
            {
                "letter_id": letter.letter_id,
                "incident_id": letter.incident_id,
                "customer_id": letter.customer_id,
                "kind": letter.kind,
                "status": letter.state,
            },
        )
        for letter in letters
    )


def progress(totals: Mapping[tuple[str, str], Mapping[str, int]]) -> list[Record]:
    """`progress.reported.v1` for (incident, lane) pairs with their running totals."""
    return _PROGRESS.records(reports("notifications", totals))
