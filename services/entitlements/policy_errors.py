"""What is wrong with a policy file, in words that say where it is and what would be right.

Reads YAML strictly (a key that stands twice is an error, not the last one's victory) and turns what pydantic found
into such words. Leaves to `policy` what a policy is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError


class PolicyError(ValueError):
    """A policy that is wrong or unknown; `problems` has one line for each thing that is."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def nearest(value: object, known: Iterable[str], otherwise: str) -> str:
    """The known name that looks most like the value, or `otherwise`."""
    by_folded = {name.casefold(): name for name in sorted(known)}
    close = get_close_matches(str(value).casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else otherwise


# ── YAML ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                raise PolicyError([f"{file}: is empty: write {holds}"])
            flaws = [f"{file}: {line}" for line in _flaws(node, "", set(), nulls)]
            if flaws:
                raise PolicyError(flaws)
            return _constructed(loader, node, file)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise PolicyError([f"{file}: {where}{error.problem}: write YAML as in the policies shipped"]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise PolicyError([f"{file}: line {line}: character {error.character!r} may not stand in YAML"]) from None
    except RecursionError:
        raise PolicyError([f"{file}: is nested too deeply: a policy has about six levels"]) from None


def _constructed(loader: _Loader, node: yaml.Node, file: str) -> Any:
    try:
        return loader.construct_document(node)
    except (ValueError, KeyError, AttributeError) as error:
        # What PyYAML raises for `!!int abc`, `!!bool abc`, `!!timestamp abc`, and a number of 5,000 digits.
        raise PolicyError(
            [f"{file}: a value is not what it is said to be ({error}): write plain values, without a !!tag"]
        ) from None


def _flaws(node: yaml.Node, path: str, seen: set[int], nulls: bool) -> Iterator[str]:
    """Keys that stand twice in one mapping, values that are empty, and aliases: they could unfold without end."""
    if id(node) in seen:
        yield f"{path}: is an alias of an anchor: write it out"
        return
    seen.add(id(node))
    if path and not nulls and node.tag == "tag:yaml.org,2002:null":
        yield f"{path}: is empty: write its value, or leave the field out"
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _flaws(item, f"{path}[{index}]", seen, nulls)
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            here = f"{path}.{key.value}" if path else str(key.value)
            if key.value in lines:
                yield f"{here}: stands twice, on line {lines[key.value]} and again on line {line}: keep one"
            lines.setdefault(str(key.value), line)
            yield from _flaws(value, here, seen, nulls)


# ── pydantic ─────────────────────────────────────────────────────────────────────────────────────────────────────


def said_plainly(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One line per problem: the path, what is wrong, what would be right."""
    lines = []
    for problem in error.errors(include_url=False):
        # A part in parentheses says which kind of value it was taken for: it stands nowhere in the file.
        loc = tuple(part for part in problem["loc"] if not str(part).startswith("("))
        path = _path(loc)
        told = _remedy(problem["type"], problem.get("input"), problem.get("ctx", {}), problem["msg"], loc, model)
        lines += [f"{path}: {line}" if path else line for line in told.split("\n")]
    return lines


def _remedy(
    kind: str, value: Any, ctx: dict[str, Any], message: str, loc: tuple[int | str, ...], model: type[BaseModel]
) -> str:
    if kind == "value_error":
        return str(ctx["error"])
    if kind == "missing":
        return "is missing: write it"
    if kind == "extra_forbidden":
        known = _fields(_model_at(loc[:-1], model))
        close = nearest(loc[-1], known, "")
        hint = f"did you mean {close}? " if close else ""
        return f"is no field here: {hint}The fields here are {', '.join(known)}"
    if kind == "literal_error":
        return f"{value!r} is not one of them: write {ctx['expected'].replace(chr(39), '')}"
    if kind == "no_cap":
        return f"{_shown(value)} caps nothing: {message}"
    right = _RIGHT.get(kind)
    if right is None:
        return f"{value!r} does not fit: {message}"
    return f"{_shown(value)} {right.format(**ctx)}"


_RIGHT = {
    "string_type": "is not a text: write it in quotes",
    "string_pattern_mismatch": "has a character that may not stand here: write one that matches {pattern}",
    "string_unicode": "has half a character: write whole ones",
    "string_too_short": "is empty: write at least {min_length} character",
    "string_too_long": "is too long: write {max_length} characters at most",
    "int_type": "is not a whole number: write one such as 1, without quotes",
    "greater_than_equal": "is too small: write {ge} or more",
    "less_than_equal": "is too large: write {le} or less",
    "bool_type": "is neither true nor false: write true or false, without quotes",
    "tuple_type": "is not a list: write its items after - or between [ and ]",
    "dict_type": "is not a mapping: write fields and their values",
    "model_type": "is not a mapping: write fields and their values",
    "model_attributes_type": "is not a mapping: write fields and their values",
    "too_short": "is empty: write at least {min_length}, or leave the field out if it is optional",
    "too_long": "is too long: write {max_length} at most",
    "invalid_key": "is not a text: write the key in quotes",
}


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _path(loc: tuple[int | str, ...]) -> str:
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def _fields(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field is, or that its items or one of its alternatives are."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)


def _model_at(loc: tuple[int | str, ...], model: type[BaseModel]) -> type[BaseModel]:
    """The model whose fields stand at a place of the file."""
    for part in loc:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if part in fields:
            model = _model_in(fields[str(part)].annotation) or model
    return model
