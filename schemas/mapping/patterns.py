"""The two small patterns of a map: a text with columns in it, "{Codice}-mail", and the form of a date, DD/MM/YYYY."""

from __future__ import annotations

import re

_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}|[{}]")


def pattern(text: str) -> tuple[str, tuple[str, ...]]:
    """A text with columns between { and } as a %-format and the columns' names; raises ValueError when it is none."""
    columns: list[str] = []

    def replaced(found: re.Match[str]) -> str:
        if found[1] is not None:
            columns.append(found[1].strip())
            return "%s"
        if len(found[0]) == 1:
            raise ValueError(
                f"{text!r} has a {found[0]} of no pair: name a column between {{ and }}, write {{{{ for a {{"
            )
        return found[0][0]

    form = _PLACE.sub(replaced, text.replace("%", "%%"))
    if not columns:
        raise ValueError(f"{text!r} has no column between {{ and }}: write it as a plain value")
    return form, tuple(columns)


_TOKEN = re.compile(r"YYYY|YY|MM|M|DD|D|[^A-Za-z]")
_SHAPES = {
    "YYYY": "(?P<y>[0-9]{4})", "YY": "(?P<yy>[0-9]{2})", "MM": "(?P<m>[0-9]{2})", "M": "(?P<m>[0-9]{1,2})",
    "DD": "(?P<d>[0-9]{2})", "D": "(?P<d>[0-9]{1,2})",
}  # fmt: skip


def date_shape(form: str) -> re.Pattern[str]:
    """What a date of a form such as DD/MM/YYYY looks like; raises ValueError for a form that is none.

    A `*` at the end stands for whatever follows: a time of day.
    """
    stem = form.removesuffix("*")
    tokens = _TOKEN.findall(stem)
    letters = [token for token in tokens if token in _SHAPES]
    if "".join(tokens) != stem or sorted(token[0] for token in letters) != ["D", "M", "Y"]:
        raise ValueError(
            f"{form!r} is no form of a date: write YYYY (or YY), MM (or M) and DD (or D), such as DD/MM/YYYY, "
            "and a * behind them for a time that does not count"
        )
    shape = "".join(_SHAPES.get(token) or re.escape(token) for token in tokens)
    return re.compile(shape + (".*" if form.endswith("*") else ""), re.DOTALL)
