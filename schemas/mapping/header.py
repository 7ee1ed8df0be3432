"""A map held against the header of a file: are its columns there, and is nothing left over that it does not know of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas.csv_rows import Dialect
from schemas.mapping.language import FileShape, Map
from schemas.mapping.values import places_of
from schemas.yaml_files import nearest, shown_path


def dialect_of(shape: FileShape) -> Dialect:
    """How the map says that the file is written."""
    return Dialect(
        "\t" if shape.delimiter == "tab" else shape.delimiter,
        None if shape.quote == "none" else shape.quote,
        shape.encoding,
        shape.header_line,
    )


def read_columns(mapping: Map) -> dict[str, str]:
    """The columns that the map reads, each with the path to where it does first."""
    read: dict[str, str] = {}
    for column, path in places_of(mapping, ()):
        read.setdefault(column, shown_path(path))
    return read


def spare_columns(mapping: Map, header: Sequence[str]) -> list[str]:
    """The columns that the map neither reads nor ignores; one without a name is none."""
    read = read_columns(mapping)
    return [name for name in dict.fromkeys(header) if name and name not in read and name not in mapping.ignore]


def flaws_of_header(mapping: Map, header: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What is wrong with a header: the column, and what there is to say of it."""
    spare = spare_columns(mapping, header)
    for column, path in read_columns(mapping).items():
        if column not in header:
            yield column, f"the column is missing, and {path} of the map reads it: {_hint(column, header, spare)}"
    taken = {name for template in mapping.templates for name in getattr(template, "attributes", ())}
    for column in spare:
        if mapping.other_columns == "refuse":
            yield column, "the map neither reads nor ignores it: read it, write it under ignore, or say other_columns"
        elif mapping.other_columns == "attributes" and column in taken:
            yield column, "the map has an attribute of this name: read the column, or write it under ignore"
    for column in dict.fromkeys(header):
        if column and header.count(column) > 1:
            yield column, "the column is there twice: give each a name of its own"


def _hint(column: str, header: Sequence[str], spare: Sequence[str]) -> str:
    if not header:
        return "there is no header"
    if len(header) == 1 and any(mark in header[0] for mark in ",;\t|"):
        return "the header is one column, so write the file's own mark as file.delimiter"
    if close := nearest(column, spare):
        return f"is it {close}?"
    return f"the header has {', '.join(name for name in header if name)}"
