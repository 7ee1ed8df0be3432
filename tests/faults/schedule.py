"""A seed becomes a schedule of faults: when, which, at whom, how long. Pure; the same seed is the same schedule.

Leaves the striking to `strikes`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

from tests.faults.moods import Mood


class Kind(StrEnum):
    """The kinds of faults."""

    KILL = "kill"
    FREEZE = "freeze"
    RESTART = "restart"
    BROKER = "broker"
    DATABASE = "database"
    CUT = "cut"
    REFUSE = "refuse"
    STALL = "stall"
    DELAY = "delay"
    THROTTLE = "throttle"
    REPLY_LOST = "reply lost"
    RELAY = "relay"
    CLOCK = "clock"
    DISK = "disk"
    LOSS = "loss"


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault: at which second, of which kind, at whom (a worker, a way, a part, a mood), for how many seconds."""

    at_seconds: float
    kind: Kind
    target: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many faults of each kind a siege has."""

    kills: int = 0
    freezes: int = 0
    restarts: int = 0
    broker: int = 0
    database: int = 0
    cuts: int = 0
    refusals: int = 0
    stalls: int = 0
    delays: int = 0
    throttles: int = 0
    replies_lost: int = 0
    relay: int = 0
    clocks: int = 0
    disk: int = 0
    losses: int = 0

    def kinds(self) -> Iterator[tuple[Kind, int]]:
        """Each kind, in the order of the fields, with its number."""
        yield from zip(Kind, (getattr(self, field.name) for field in fields(self)), strict=True)


_BAD_MOODS = tuple(mood for mood in Mood if mood is not Mood.CALM)
# So many seconds a fault lasts, from and to; a kind that is not here is over at once.
_LASTS: Mapping[Kind, tuple[float, float]] = {
    Kind.FREEZE: (1.0, 9.0),  # past the group's session of 6 s: somebody else takes the partitions
    Kind.REFUSE: (0.5, 4.0),
    Kind.STALL: (1.0, 12.0),  # past the deadline of a transaction
    Kind.DELAY: (1.0, 5.0),
    Kind.THROTTLE: (1.0, 5.0),
    Kind.RELAY: (1.0, 6.0),
    Kind.CLOCK: (2.0, 10.0),
    Kind.DISK: (2.0, 5.0),
}


def schedule(
    seed: int, wanted: Wanted, workers: Sequence[str], ways: Sequence[str], every_seconds: float
) -> list[Strike]:
    """The faults in their order; between two lie `every_seconds` on the average, from a half to one and a half."""
    chance = random.Random(seed)
    kinds = [kind for kind, count in wanted.kinds() for _ in range(count)]
    chance.shuffle(kinds)
    strikes, now, disks = [], 0.0, 0
    for kind in kinds:
        now += every_seconds * chance.uniform(0.5, 1.5)
        if kind is Kind.DISK:
            target = ("postgres", "kafka")[disks % 2]
            disks += 1
        else:
            target = chance.choice(_targets(kind, workers, ways))
        first, last = _LASTS.get(kind, (0.0, 0.0))
        strikes.append(Strike(round(now, 3), kind, target, round(chance.uniform(first, last), 3)))
    return strikes


def _targets(kind: Kind, workers: Sequence[str], ways: Sequence[str]) -> Sequence[str]:
    if kind in (Kind.KILL, Kind.FREEZE, Kind.RESTART, Kind.CLOCK):
        return workers
    if kind in (Kind.CUT, Kind.REFUSE, Kind.STALL, Kind.DELAY, Kind.THROTTLE, Kind.REPLY_LOST):
        return ways
    return {Kind.DATABASE: ("postgres",), Kind.RELAY: _BAD_MOODS}.get(kind, ("kafka",))


def in_doubt_at_most(strikes: Sequence[Strike], connections: int) -> int:
    """So many letters may be in doubt: those on open connections to the relay whenever one of these was struck."""
    of_the_relay = [s for s in strikes if s.target == "notifications-smtp" or s.kind is Kind.RELAY]
    of_a_worker = [s for s in strikes if s.target.startswith("notifications") and s.kind in (Kind.KILL, Kind.FREEZE)]
    return connections * (len(of_the_relay) + len(of_a_worker))
