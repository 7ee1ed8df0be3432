"""What is wrong with a CSV file, said so that whoever made the file can put it right: line, column, value, remedy.

Leaves the finding to `csv_rows` and `csv_values`.
"""

from __future__ import annotations

from dataclasses import dataclass

ERRORS_AT_MOST = 20
"""A file is given up after so many errors: more of the same kind help nobody."""

_SHOWN_AT_MOST = 60
_ESCAPES = {'"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


@dataclass(frozen=True, slots=True)
class CsvError:
    """One thing wrong with a file.

    `line` counts from 1 as editors do, the header is line 1, and a value that stands on several lines counts from
    its first. `column` is the header's name, or None when no single column is to blame; `value` is what stands in
    the file, or None when nothing does; `problem` completes the sentence "VALUE …".
    """

    file: str
    line: int
    column: str | None
    value: str | None
    problem: str

    def __str__(self) -> str:
        where = f"{self.file} line {self.line}"
        if self.column is not None:
            where += f", column {_escaped(self.column)}"
        return f"{where}: {self.problem}" if self.value is None else f"{where}: {shown(self.value)} {self.problem}"


class CsvErrors(ValueError):
    """A file that is not imported; `errors` says why, in the order of the lines.

    `stopped` tells that the reading ended at `ERRORS_AT_MOST`, or where the file could not be taken apart any
    further, so that more may be wrong.
    """

    def __init__(self, errors: tuple[CsvError, ...], stopped: bool) -> None:
        self.errors = errors
        self.stopped = stopped
        lines = [str(error) for error in errors]
        if stopped:
            lines.append(f"{errors[0].file}: reading stopped here, more may be wrong")
        super().__init__("\n".join(lines))


class UnreadableError(ValueError):
    """A value that is not what its column holds; the message completes the sentence "VALUE …".

    `column` is set when one of several columns that make up a field is the one to blame.
    """

    def __init__(self, problem: str, column: str | None = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.column = column


def shown(value: str) -> str:
    """The value in quotes, on one line, printable, cut where it is long."""
    return f'"{_escaped(value)}"'


def _escaped(value: str) -> str:
    """The value on one line, printable, cut where it is long."""
    cut = value if len(value) <= _SHOWN_AT_MOST else value[: _SHOWN_AT_MOST - 1] + "…"
    return "".join(_printable(character) for character in cut)


def _printable(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if "\udc80" <= character <= "\udcff":  # a byte that was not UTF-8
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character if character.isprintable() else f"\\u{ord(character):04x}"
