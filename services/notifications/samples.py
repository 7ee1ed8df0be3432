"""Sample letters over HTTP, for previews: what a letter would say, rendered as the sender would. No row is written."""

from __future__ import annotations

from collections.abc import Mapping
from email import message_from_bytes
from email.policy import default as as_people_read
from typing import Any
from uuid import UUID

from fastapi import FastAPI, HTTPException, Request
from pydantic import BaseModel, ValidationError, model_validator

from schemas.events import (
    AdjustmentApplied,
    AdjustmentReversed,
    EntitlementGranted,
    IncidentDeclared,
    LetterKind,
    PolicyPublished,
)
from schemas.values import Value
from services.notifications.domain import Address, Incident, Letterhead, Recipient, Window, zone
from services.notifications.letters import Writer
from services.notifications.news import content
from services.runtime.envelope import complaints

NOBODY = Address("nobody@invalid")
_NUMBER = UUID(int=0)


class Sample(BaseModel):
    """What a sample is made from: the data of events, as they would be on the wire."""

    declaration: IncidentDeclared
    kind: LetterKind
    language: str
    """One that there are letters in; the service's own for any other."""
    policy: PolicyPublished | None = None
    granted: EntitlementGranted | None = None
    applied: AdjustmentApplied | None = None
    reversed: AdjustmentReversed | None = None

    @model_validator(mode="after")
    def _has_something_to_say(self) -> Sample:
        if self.kind == "announcement" and self.granted is None:
            raise ValueError("an announcement tells what was granted: give granted")
        if self.kind == "details" and self.applied is None:
            raise ValueError("the details tell what was applied: give applied")
        if self.kind == "correction" and self.applied is None and self.reversed is None:
            raise ValueError("a correction tells what was applied later or reversed: give applied or reversed")
        return self

    @property
    def incident(self) -> Incident:
        """What happened, and what its policy says of letters."""
        said, impact = self.declaration, self.declaration.impact
        return Incident(
            said.incident_id,
            said.title,
            impact.starts_at,
            impact.ends_at,
            zone(self.policy.time_zone) if self.policy else None,
            tuple(Window(window.starts_at, window.ends_at) for window in impact.also),
            said.drill,
            self.policy.letters if self.policy else ("details",),
            _texts(self.policy),
        )

    @property
    def told(self) -> list[Value]:
        """The events that the letter tells, and nothing else."""
        if self.kind == "announcement":
            return [event for event in (self.granted,) if event]
        later = self.reversed if self.kind == "correction" else None
        return [event for event in (self.applied, later) if event]

    @property
    def customer_id(self) -> str:
        """Whose example it is."""
        whose = (self.granted, self.applied, self.reversed)
        return next(event.customer_id for event in whose if event)


def mount(app: FastAPI, head: Letterhead, language: str, operator: Any) -> None:
    """Serve samples to the operator."""

    @app.post("/samples", dependencies=[operator])
    async def samples(request: Request) -> dict[str, str]:
        try:
            sample = Sample.model_validate_json(await request.body())
        except ValidationError as error:
            raise HTTPException(422, complaints(error)) from None
        bodies = [event.model_dump(mode="json") for event in sample.told]
        recipient = Recipient(sample.customer_id, locale=sample.language)
        said, dated = content(sample.kind, bodies), sample.declaration.declared_at
        try:
            octets = Writer(head, sample.incident, language).write(sample.kind, _NUMBER, NOBODY, recipient, said, dated)
        except ValueError as error:
            raise HTTPException(422, f"this letter cannot be written: {error}") from None
        return {"subject": subject(octets), "text": text(octets)}


def _texts(policy: PolicyPublished | None) -> dict[str, Mapping[str, str]]:
    if policy is None:
        return {}
    return {language: dict(texts.items()) for language, texts in policy.texts.items()}


def subject(octets: bytes) -> str:
    """A letter's subject as a reader shows it."""
    return str(message_from_bytes(octets, policy=as_people_read)["Subject"])


def text(octets: bytes) -> str:
    """A letter's plain text, lines ended as in files."""
    body = message_from_bytes(octets, policy=as_people_read).get_body(("plain",))
    return body.get_content().replace("\r\n", "\n") if body is not None else ""
