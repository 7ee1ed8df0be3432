"""`amends declare FILE`: an incident from a YAML or JSON file, published on Kafka as a pipeline would."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import yaml
from pydantic import BaseModel, ValidationError

from schemas import topics
from schemas.events import IncidentDeclared
from schemas.ids import event_id
from services.cli.asking import ROOT, Root, Services, part
from services.cli.errors import CommandError
from services.cli.kafka import publish
from services.cli.output import Format, Output, data, print_json
from services.runtime.envelope import Encoder

_DECLARED = Encoder("incident.declared.v1", "urn:amends:cli")
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE")]


def declare_command(file: File, root: Root = ROOT, output: Output = Format.TEXT) -> None:
    """Declare the incident that a YAML or JSON file describes."""
    incident = read(file)
    services = Services(root)
    known = services.get("entitlements", "/policies")
    if incident.policy not in known:
        raise CommandError(f"{file.name}: policy: there is no policy {incident.policy}; known are {', '.join(known)}")
    _refuse_a_contradiction(services, incident)
    declare(services, incident)
    if output is Format.JSON:
        print_json({"incident_id": incident.incident_id, "revision": incident.revision})
    else:
        data.print(
            f"declared {incident.incident_id}, revision {incident.revision}; "
            f"follow it with: amends watch {incident.incident_id}"
        )


def _refuse_a_contradiction(services: Services, incident: IncidentDeclared) -> None:
    """Say at once what the service would set aside: a revision is declared with one body, and with no other."""
    try:
        known = services.get("entitlements", f"/incidents/{part(incident.incident_id)}")
    except KeyError:
        return
    if known["revision"] == incident.revision and known["body"] != incident.model_dump(mode="json"):
        raise CommandError(
            f"incident {incident.incident_id} revision {incident.revision} was declared before with another body: "
            f"declare what has changed as revision {incident.revision + 1}"
        )


def declare(services: Services, incident: IncidentDeclared) -> None:
    """Publish the declaration; returns once the broker has it."""
    body = incident.model_dump(mode="json")
    content = orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()
    event = (incident.incident_id, event_id("incident.declared", content), body)
    publish(services.stack.kafka, topics.INCIDENTS, _DECLARED, [event])


def read(file: Path) -> IncidentDeclared:
    """The declaration in a file; raises `CommandError` naming the file, the field and what would be right."""
    try:
        content = _content(file.read_text("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CommandError(f"{file.name} is neither YAML nor JSON: {error}") from None
    misspelt = _unknown(content, IncidentDeclared)
    if misspelt:
        raise CommandError("\n".join(f"{file.name}: {problem}" for problem in misspelt))
    try:
        return IncidentDeclared.model_validate_json(orjson.dumps(content))
    except ValidationError as error:
        problems = [
            f"{file.name}: {'.'.join(str(part) for part in problem['loc']) or 'the file'}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        ]
        raise CommandError("\n".join(problems)) from None
    except TypeError as error:
        raise CommandError(f"{file.name}: {error}") from None


def _unknown(content: Any, model: type[BaseModel], path: str = "") -> list[str]:
    """Fields that an incident does not have. On the wire they are ignored; in a file they are misspelt ones."""
    if not isinstance(content, dict):
        return []
    found = []
    for name, value in content.items():
        field = model.model_fields.get(str(name))
        if field is None:
            near = get_close_matches(str(name), model.model_fields, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(model.model_fields)}"
            found.append(f"{path}{name}: there is no such field; {hint}")
        elif isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            found += _unknown(value, field.annotation, f"{path}{name}.")
    return found


def _content(text: str) -> Any:
    """What the text says as JSON, else as YAML (which is nearly all of JSON, and takes no tabs)."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return yaml.load(text, Loader=_PlainLoader)


class _PlainLoader(yaml.SafeLoader):
    """YAML whose dates and times stay text: the event's model reads them, and insists on an offset."""


_PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
