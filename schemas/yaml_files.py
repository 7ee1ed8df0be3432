"""YAML files that a person writes: read strictly, and what is wrong said by path, value and remedy.

A key that stands twice is an error, not the last one's victory; there are no aliases. Leaves to each model what its
file may say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError


class YamlError(ValueError):
    """A file that is wrong; `problems` has one line for each thing that is, in the order of the file where known."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


def nearest(value: object, known: Iterable[str], otherwise: str = "") -> str:
    """The known name that looks most like the value, or `otherwise`."""
    by_folded = {name.casefold(): name for name in sorted(known)}
    close = get_close_matches(str(value).casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else otherwise


# ── YAML ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class StrictLoader(yaml.SafeLoader):
    """YAML's safe loader, for which only what can mean nothing else is no text.

    `no` is a text and not false, 0123 is a text and not 83, 2011-04-29 is a text and no date.
    """


StrictLoader.yaml_implicit_resolvers = {}
for _tag, _pattern, _firsts in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(0|[1-9][0-9]{0,17})", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}", list("-0123456789")),
):
    StrictLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), _firsts)


def read_yaml(
    text: str,
    empty: str,
    *,
    loader: type[yaml.SafeLoader] = StrictLoader,
    nulls: bool = True,
    like: str = "the examples",
    deep: str = "the file is nested too deeply: write it in a few levels",
) -> Any:
    """The value of a YAML text of one document; a value may be left empty if `nulls` may stand there.

    `empty` is said of an empty file, `deep` of one that has no end of levels, `like` is what to look at. Raises
    YamlError with line and column, or with the path.
    """
    try:
        reading = loader(text)
        try:
            node = reading.get_single_node()
            if node is None:
                raise YamlError([empty])
            if flaws := list(_flaws(node, "", set(), nulls)):
                raise YamlError(flaws)
            return _constructed(reading, node)
        finally:
            reading.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlError([f"{where}{error.problem}: write YAML as in {like}"]) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError([f"line {line}: character {error.character!r} may not stand in YAML"]) from None
    except RecursionError:
        raise YamlError([deep]) from None


def _constructed(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    try:
        return loader.construct_document(node)
    except (ValueError, KeyError, AttributeError) as error:
        # What PyYAML raises for `!!int abc`, `!!bool abc`, `!!timestamp abc`, and a number of 5,000 digits.
        problem = f"a value is not what it is said to be ({error}): write plain values, without a !!tag"
        raise YamlError([problem]) from None


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
    lines: list[str] = []
    problems = error.errors(include_url=False)
    for problem in problems:
        if problem["type"] == "too_short" and any(_is_within(other["loc"], problem["loc"]) for other in problems):
            continue  # not empty, but for the items that are wrong themselves
        path = shown_path(problem["loc"])
        said = remedy(problem, problem["loc"], model)
        line = f"{path}: {said}" if path else said
        if line not in lines:
            lines.append(line)
    return lines


def _is_within(loc: tuple[int | str, ...], outer: tuple[int | str, ...]) -> bool:
    return len(loc) > len(outer) and loc[: len(outer)] == outer


def shown_path(loc: Iterable[int | str]) -> str:
    """A place in the file: `contracts[0].ends_on`."""
    path = ""
    for part in loc:
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path.removeprefix(".")


def remedy(
    problem: Mapping[str, Any],
    loc: Sequence[int | str],
    model: type[BaseModel],
    whole: Callable[[Any], str] | None = None,
) -> str:
    """What is wrong with the value at a place, and what would be right; `problem` is one of pydantic's.

    `whole` shows a value that is none of those that may stand there, where it is not to be cut.
    """
    kind, value = problem["type"], problem.get("input")
    ctx: Mapping[str, Any] = problem.get("ctx", {})
    if kind == "value_error":
        return str(ctx["error"])
    if kind == "missing":
        return "is missing: write it"
    if kind == "extra_forbidden":
        known = _fields(_model_at(loc[:-1], model))
        close = nearest(loc[-1], known)
        hint = f"did you mean {close}? " if close else ""
        return f"is no field here: {hint}The fields here are {', '.join(known)}"
    if kind == "literal_error":
        return f"{(whole or shown)(value)} is not one of them: write {ctx['expected'].replace(chr(39), '')}"
    right = _RIGHT.get(kind)
    if right is None:
        return f"{(whole or shown)(value)} does not fit: {problem['msg']}"
    return f"{shown(value)} {right.format(**ctx)}"


_RIGHT = {
    "string_type": "is not a text: write it in quotes",
    "string_pattern_mismatch": "has a character that may not stand here: write one that matches {pattern}",
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


def shown(value: Any) -> str:
    """A value of the file, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _fields(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model that a field is, or that its items or one of its alternatives are."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)


def _model_at(loc: Sequence[int | str], model: type[BaseModel]) -> type[BaseModel]:
    """The model whose fields stand at a place of the file."""
    for part in loc:
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        if part in fields:
            model = _model_in(fields[str(part)].annotation) or model
    return model
