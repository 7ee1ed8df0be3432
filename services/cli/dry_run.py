"""What an import would make of a file: the first of it, and how much there is. Nothing is changed, no stack asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from schemas.events import ContractChanged, CustomerChanged
from schemas.mapping.mapped import Counts
from schemas.values import plain

_TOLD_EVERY = 5_000


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a file makes: how many, the first few, and what became of its rows (None: every row made one)."""

    kind: str
    count: int
    first: list[ContractChanged] | list[CustomerChanged]
    counts: Counts | None

    def told(self) -> dict[str, Any]:
        """As JSON."""
        told: dict[str, Any] = {self.kind: self.count}
        if self.counts is not None:
            told |= rows_told(self.counts) | {"made": self.counts.made}
        return told | {"first": [one.model_dump(mode="json", exclude=_NOT_IN_A_FILE) for one in self.first]}

    def lines(self) -> Iterator[str]:
        """In words."""
        for one in self.first:
            yield _printable(contract_line(one) if isinstance(one, ContractChanged) else customer_line(one))
        if self.count > len(self.first):
            yield f"… and {self.count - len(self.first)} more"
        yield f"{self.count} {self.kind}{'' if self.counts is None else ' ' + rows_line(self.counts)}"
        if self.counts is not None and len(self.counts.made) > 1:
            yield ", ".join(f"{count} {name}" for name, count in self.counts.made.items())
        yield "nothing was changed: this was a dry run"


_NOT_IN_A_FILE = {"complimentary", "version"}


def rehearsal(
    kind: str,
    found: Iterable[ContractChanged] | Iterable[CustomerChanged],
    counts: Counts | None,
    at_most: int,
    show: Callable[[str, int], None],
) -> Rehearsal:
    """Read a file to its end. Raises what the reading raises."""
    first: list[Any] = []
    count = 0
    for count, one in enumerate(found, 1):
        if count <= at_most:
            first.append(one)
        if count % _TOLD_EVERY == 0:
            show("checked", count)
    return Rehearsal(kind, count, first, counts)


def rows_told(counts: Counts) -> dict[str, int]:
    """What became of the rows of a mapped file, as JSON."""
    return {
        "rows": counts.rows,
        "left_out": counts.left_out,
        "without": counts.without,
        "repeated": counts.repeated,
    }


def rows_line(counts: Counts) -> str:
    """What became of the rows of a mapped file, in words."""
    parts = [f"from {counts.rows} rows"]
    parts += [f"{counts.left_out} left out"] * bool(counts.left_out)
    parts += [f"{counts.without} of which nothing is made"] * bool(counts.without)
    parts += [f"{counts.repeated} there already, just the same"] * bool(counts.repeated)
    return ", ".join(parts)


def contract_line(one: ContractChanged) -> str:
    """A contract on one line."""
    parts = [f"customer {one.customer_id}", f"{one.family} {one.product}" + (f" at {one.site}" if one.site else "")]
    parts.append(f"{one.starts_on} to {one.ends_on}" if one.ends_on else f"since {one.starts_on}")
    if one.terminated_on is not None:
        parts.append(f"terminated on {one.terminated_on}")
    if one.monthly_fee is not None:
        parts.append(f"{plain(one.monthly_fee.amount, one.monthly_fee.currency)} {one.monthly_fee.currency} a month")
    if one.addons:
        parts.append(f"with {' and '.join(one.addons)}")
    parts += [
        f"{name} {value if isinstance(value, str) else orjson.dumps(value).decode()}"
        for name, value in one.attributes.items()
    ]
    return f"{one.contract_id}: {', '.join(parts)}"


def customer_line(one: CustomerChanged) -> str:
    """A customer on one line."""
    parts = [one.name or "without a name", one.email or "without an address", one.locale or "without a locale"]
    return f"{one.customer_id}: {', '.join(parts)}"


def _printable(line: str) -> str:
    """The line without what a terminal would obey."""
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in line)
