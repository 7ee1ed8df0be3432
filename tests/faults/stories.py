"""The lives of incidents that come one after the other, drawn from a seed: what is said of each, and when. Pure.

All is made up. Incidents overlap in time with their neighbours, as those of a bad week do; every kind of life is there:
declared and left alone, grown, resolved, narrowed, taken back, reopened, a drill. Leaves to `soak` the saying of it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

GESTURE, BY_THE_HOUR = "aruba-2011-04-29@1", "whole-life@1"
_ROME = timezone(timedelta(hours=2))
_FIRST = datetime(2011, 4, 29, 4, 30, tzinfo=_ROME)
_APART, _LASTS = timedelta(hours=6), timedelta(hours=10)
_ONE, _OTHER, _BOTH = ({"sites": sites} for sites in (["bergamo"], ["arezzo"], ["arezzo", "bergamo"]))
_WITHIN_SECONDS = (2.0, 12.0)


@dataclass(frozen=True, slots=True, order=True)
class Said:
    """A statement, and how many seconds after the beginning it is made."""

    seconds: float
    incident_id: str
    revision: int
    type: str
    body: dict[str, Any]


def stories(seed: int, every_seconds: float) -> Iterator[list[Said]]:
    """The life of one incident after the other, without an end; they begin `every_seconds` on average."""
    chance = random.Random(seed)
    at = 0.0
    number = 0
    while True:
        number += 1
        at += chance.expovariate(1 / every_seconds)
        yield _life(chance, number, at)


def _life(chance: random.Random, number: int, begins: float) -> list[Said]:
    make = chance.choices((_left_alone, _grows, _is_taken_back, _is_reopened, _drill), (35, 30, 15, 10, 10))[0]
    starts = _FIRST + number * _APART
    said: list[Said] = []
    at = begins
    for revision, (kind, changed) in enumerate(make(chance, starts), 1):
        whole = kind in ("declared", "amended")
        body = {
            "incident_id": f"soak-{number:05}",
            "revision": revision,
            "declared_by": "soak",
            "declared_at": (starts + timedelta(days=14, hours=revision)).isoformat(),
            **({"title": f"Made up, no. {number}", "drill": False} if whole else {}),
            **changed,
        }
        said.append(Said(at, body["incident_id"], revision, f"incident.{kind}.v1", body))
        at += chance.uniform(*_WITHIN_SECONDS)
    return said


def _impact(starts: datetime, *, known: bool = True) -> dict[str, Any]:
    return {"starts_at": starts.isoformat(), "ends_at": (starts + _LASTS).isoformat() if known else None}


def _left_alone(chance: random.Random, starts: datetime) -> list[tuple[str, dict[str, Any]]]:
    scope = chance.choice([{"everyone": True}, _ONE, _BOTH])
    return [("declared", {"impact": _impact(starts), "scope": scope, "policy": GESTURE})]


def _grows(chance: random.Random, starts: datetime) -> list[tuple[str, dict[str, Any]]]:
    lasting = {"impact": _impact(starts, known=False), "policy": BY_THE_HOUR}
    over = ("resolved", {"ends_at": _impact(starts)["ends_at"]})
    narrowed = ("amended", {"impact": _impact(starts), "policy": BY_THE_HOUR, "scope": _OTHER})
    grown = [("declared", lasting | {"scope": _ONE}), ("amended", lasting | {"scope": _BOTH}), over]
    return [*grown, narrowed] if chance.random() < 0.4 else grown


def _is_taken_back(chance: random.Random, starts: datetime) -> list[tuple[str, dict[str, Any]]]:
    declared = {"impact": _impact(starts), "scope": _BOTH, "policy": chance.choice([GESTURE, BY_THE_HOUR])}
    return [("declared", declared), ("retracted", {"reason": "a false alarm"})]


def _is_reopened(_: random.Random, starts: datetime) -> list[tuple[str, dict[str, Any]]]:
    again = {"impact": _impact(starts), "scope": _BOTH, "policy": BY_THE_HOUR}
    return [("declared", again), ("retracted", {"reason": "a doubt"}), ("amended", again)]


def _drill(chance: random.Random, starts: datetime) -> list[tuple[str, dict[str, Any]]]:
    scope = chance.choice([{"everyone": True}, _ONE])
    return [("declared", {"impact": _impact(starts), "scope": scope, "policy": GESTURE, "drill": True})]
