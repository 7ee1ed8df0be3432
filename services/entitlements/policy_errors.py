"""What is wrong with a policy file, in words that say where it is and what would be right.

The reading and most of the words are those of every YAML file that a person writes (`schemas.yaml_files`); here is what
is a policy's own. Leaves to `policy` what a policy is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from schemas import yaml_files
from schemas.yaml_files import YamlError, remedy, shown, shown_path


class PolicyError(ValueError):
    """A policy that is wrong or unknown; `problems` has one line for each thing that is."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, for which a date is a text: no field of a policy is a date."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(
    text: str, file: str, *, nulls: bool = False, holds: str = "name, version, title, time_zone and rules"
) -> Any:
    """The value of a YAML text of one document; an empty value is an error unless `nulls` may stand there.

    Raises PolicyError with line and column, or the path; for an empty text with what such a file `holds`.
    """
    try:
        return yaml_files.read_yaml(
            text,
            f"is empty: write {holds}",
            loader=_Loader,
            nulls=nulls,
            like="the policies shipped",
            deep="is nested too deeply: a policy has about six levels",
        )
    except YamlError as error:
        raise PolicyError([f"{file}: {problem}" for problem in error.problems]) from None


def said_plainly(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line per problem: the path, what is wrong, what would be right."""
    lines = []
    for problem in error.errors(include_url=False):
        # A part in parentheses says which kind of value it was taken for: it stands nowhere in the file.
        loc = tuple(part for part in problem["loc"] if not str(part).startswith("("))
        path = shown_path(loc)
        told = _said(problem, loc, model)
        lines += [f"{path}: {line}" if path else line for line in told.split("\n")]
    return lines


def _said(problem: Mapping[str, Any], loc: Sequence[int | str], model: type[BaseModel]) -> str:
    match problem["type"]:
        case "no_cap":
            return f"{shown(problem['input'])} caps nothing: {problem['msg']}"
        case "string_unicode":
            return f"{shown(problem['input'])} has half a character: write whole ones"
        case _:
            return remedy(problem, loc, model, whole=repr)
