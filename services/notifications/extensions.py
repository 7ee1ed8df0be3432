"""One line per extended contract, whatever number of entries moved its end: pure functions of the events' data.

Extensions are additive, so each move starts where another one ended: the date that counts is where the chain ends, in
whichever order the events came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

Part: TypeAlias = Mapping[str, Any]
"""An outcome, a remedy or a reversal as the JSON object on the wire."""


def with_final_dates(given: Sequence[Part], moves: Iterable[Part]) -> list[Part]:
    """The outcomes with one for each extended contract, from its end before all the `moves` to the one after them.

    `moves` are all outcomes and reversals that moved a contract's end, among them those of the outcomes given.
    """
    chains = _by_contract(move for move in moves if move.get("ends_on"))
    lines: dict[str, Part] = {}
    for one in given:
        chain = chains.get(one.get("contract_id") or "") if _is_extended(one) else None
        if chain is None:
            lines[one["entry_id"]] = one
        else:
            lines.setdefault(f"contract {one['contract_id']}", {**one, "ends_on": _ends(chain)})
    return list(lines.values())


def with_all_days(owed: Iterable[Part]) -> list[Part]:
    """The remedies with one for each contract to be extended, by all its days."""
    lines: dict[str, Part] = {}
    for one in owed:
        key = f"contract {one['contract_id']}" if one["kind"] == "extension" and "days" in one else one["entry_id"]
        before = lines.get(key)
        lines[key] = one if before is None else {**before, "days": before["days"] + one["days"]}
    return list(lines.values())


def without_dates(taken: Sequence[Part], given: Iterable[Part]) -> list[Part]:
    """The reversals without the end of a contract that the letter names with another one."""
    named = {one["contract_id"] for one in given if _is_extended(one)}
    return [
        {**one, "ends_on": None} if one["kind"] == "extension" and one.get("contract_id") in named else one
        for one in taken
    ]


def _is_extended(one: Part) -> bool:
    return bool(one["kind"] == "extension" and one["outcome"] == "applied" and one.get("ends_on"))


def _by_contract(moves: Iterable[Part]) -> dict[str, list[Mapping[str, str]]]:
    chains: dict[str, list[Mapping[str, str]]] = {}
    for move in moves:
        if move["kind"] == "extension" and move["outcome"] == "applied" and move.get("contract_id"):
            chains.setdefault(move["contract_id"], []).append(move["ends_on"])
    return chains


def _ends(chain: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Where a chain of moves starts and ends; what lies furthest apart where another incident's are between them."""
    befores = Counter(move["before"] for move in chain)
    afters = Counter(move["after"] for move in chain)
    starts, ends = list((befores - afters).elements()), list((afters - befores).elements())
    if len(starts) == len(ends) == 1:
        return {"before": starts[0], "after": ends[0]}
    return {"before": min(befores), "after": max(afters)}
