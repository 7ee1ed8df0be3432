"""What notifications reads and writes on Kafka: records to profiles, statements and answers, letters to records.

The bytes' shapes are in `schemas`; this file only fills them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from schemas.events import (
    AdjustmentApplied,
    AdjustmentReversed,
    AnnouncementRequested,
    CustomerChanged,
    IncidentApproved,
    IncidentPaused,
    IncidentResumed,
    PolicyPublished,
)
from schemas.ids import event_id
from schemas.progress import reports
from schemas.statements import REVISIONS
from services.notifications.domain import SettledLetter
from services.runtime.envelope import Decoder, Encoder, Record

SOURCE = "urn:amends:notifications"
ADJUSTMENTS = Decoder(
    {"adjustment.applied.v1": AdjustmentApplied, "adjustment.reversed.v1": AdjustmentReversed}, kept=True
)
ANNOUNCEMENTS = Decoder({"announcement.requested.v1": AnnouncementRequested}, kept=True)
CUSTOMERS = Decoder({"customer.changed.v1": CustomerChanged}, tombstones=True)
INCIDENTS = Decoder(
    {
        **REVISIONS,
        "incident.approved.v1": IncidentApproved,
        "incident.paused.v1": IncidentPaused,
        "incident.resumed.v1": IncidentResumed,
    }
)
POLICIES = Decoder({"policy.published.v1": PolicyPublished})
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
            }
            | ({"drill": True} if letter.drill else {}),
        )
        for letter in letters
    )


def progress(totals: Mapping[tuple[str, str], Mapping[str, int]], drills: Collection[str]) -> list[Record]:
    """`progress.reported.v1` for (incident, lane) pairs with their running totals; `drills` are incidents."""
    return _PROGRESS.records(reports("notifications", totals, drills))
