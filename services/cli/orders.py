"""Orders: what a person says of an incident is published as an event, and then looked for in its audit trail.

The trail is where entitlements says whether an event counts and, if not, why not; so every order ends in the same way.
Leaves to the commands what can be said before anything is published.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import orjson
import typer
from pydantic import ValidationError

from schemas import topics
from schemas.events import EVENTS
from schemas.ids import event_id
from schemas.topics import topic_of
from schemas.values import Value
from services.cli.asking import Services, part
from services.cli.errors import CommandError, problems
from services.cli.kafka import publish
from services.runtime.envelope import Encoder

TYPES: Mapping[type[Value], str] = {EVENTS[name]: name for name in topic_of("incident.declared.v1").events}
Deadline = Annotated[
    float, typer.Option("--deadline", min=1, help="Give up after so many seconds without an answer.", metavar="SECONDS")
]
Name = Annotated[str, typer.Option("--as", help="Who says so, as it stands in the audit trail.", metavar="NAME")]
ANSWER_SECONDS = 30.0

Entry = Mapping[str, Any]
"""An entry of an incident's audit trail."""
E = TypeVar("E", bound=Value)

_FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS = 0.05, 0.5


@dataclass(frozen=True, slots=True)
class Order:
    """An event about an incident, ready to be published; of the same words the same event."""

    incident_id: str
    type: str
    event_id: str
    body: dict[str, Any]

    @classmethod
    def of(cls, said: Value) -> Order:
        """The order that an event about an incident is."""
        type_name, body = TYPES[type(said)], said.model_dump(mode="json")
        content = orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
        return cls(body["incident_id"], type_name, event_id(type_name.removesuffix(".v1"), content), body)


def say(event: type[E], options: Mapping[str, str], **fields: Any) -> E:
    """An event from what a person typed; `options` names the option behind a field. Wrong usage is exit code 2."""
    try:
        return event.model_validate_json(orjson.dumps(fields))
    except ValidationError as error:
        told = [f"{options.get(path, path)}: {words}" for path, words in problems(error)]
        raise typer.BadParameter("; ".join(told)) from None
    except TypeError as error:
        raise typer.BadParameter(f"{error}: write UTF-8") from None


def now() -> datetime:
    """The instant at which a person says something."""
    return datetime.now(UTC)


def send(services: Services, order: Order) -> None:
    """Publish an order; returns once the broker has it."""
    encoder = Encoder(order.type, "urn:amends:cli")
    publish(services.stack.kafka, topics.INCIDENTS, encoder, [(order.incident_id, order.event_id, order.body)])


def give(services: Services, order: Order, deadline_seconds: float = ANSWER_SECONDS) -> Entry:
    """Publish an order, and wait for what entitlements makes of it: the entry of the audit trail that tells it.

    Raises `CommandError` with the reason when it is refused, or when there is no answer within the deadline.
    """
    before = trail(services, order.incident_id)
    send(services, order)
    until, pause = time.monotonic() + deadline_seconds, _FIRST_POLL_SECONDS
    while (entry := answer(trail(services, order.incident_id), len(before), order.event_id)) is None:
        if time.monotonic() > until:
            raise CommandError(
                f"published, and entitlements has said nothing of it within {deadline_seconds:g} s: "
                f"see `amends status`; `amends audit {order.incident_id}` tells when it has"
            )
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_POLL_SECONDS)
    if entry["action"] == "refused":
        raise CommandError(f"refused: {entry['detail']['reason']}")
    return entry


def trail(services: Services, incident_id: str) -> list[Entry]:
    """An incident's audit trail; empty for one that nobody has spoken of."""
    found: list[Entry] = services.get("entitlements", f"/incidents/{part(incident_id)}/audit")
    return found


def answer(entries: Sequence[Entry], seen: int, event: str) -> Entry | None:
    """What became of an event: an entry after the first `seen`; or an earlier one, if it had counted before.

    What was refused before is judged anew.
    """
    about = [entry for entry in entries if entry["detail"].get("event_id") == event]
    fresh = [entry for entry in about if entry["number"] > seen]
    counted = [entry for entry in about if entry["action"] != "refused"]
    return next(iter(fresh or counted), None)
