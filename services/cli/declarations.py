"""Declarations in files: YAML or JSON as an operator writes it, read into the event's model or refused by name."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
import yaml
from pydantic import BaseModel, ValidationError

from schemas.events import IncidentDeclared
from services.cli.errors import CommandError, problems

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE")]


def read(file: Path) -> IncidentDeclared:
    """The declaration in a file; raises `CommandError` naming the file, the field and what would be right."""
    try:
        content = _content(file.read_text("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CommandError(f"{file.name} is neither YAML nor JSON: {error}") from None
    if misspelt := _unknown(content, IncidentDeclared):
        raise CommandError("\n".join(f"{file.name}: {problem}" for problem in misspelt))
    try:
        return IncidentDeclared.model_validate_json(orjson.dumps(content))
    except ValidationError as error:
        told = [f"{file.name}: {path or 'the file'}: {words}" for path, words in problems(error)]
        raise CommandError("\n".join(told)) from None
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
