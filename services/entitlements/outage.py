"""An outage as lengths: how long it was, on how many dates, and what was left of a month's availability.

All of it is exact: whole microseconds and fractions, never a float. Leaves to `quantities` what a length is worth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

from schemas.events import Interval
from schemas.statements import Statement, merged

INSTANT = timedelta(microseconds=1)
_NOTHING = timedelta(0)


@dataclass(frozen=True, slots=True)
class Outage:
    """Windows that are over, merged: none of them meets or overlaps another."""

    intervals: tuple[Interval, ...]

    @property
    def length(self) -> timedelta:
        """The total length of the windows, in real time."""
        return sum((end - start for start, end in self._spans()), _NOTHING)

    def past(self, grace: timedelta) -> timedelta:
        """How much of it is left when the first `grace` of it is not counted."""
        return max(_NOTHING, self.length - grace)

    def dates(self, zone: str, grace: timedelta = _NOTHING) -> int:
        """How many dates of a zone's calendar it touched, after the first `grace` of it."""
        count, last_day = 0, 0
        for start, end in self._spans():
            skipped = min(grace, end - start)
            grace, start = grace - skipped, start + skipped
            if start < end:
                first, last = local_day(start, zone).toordinal(), local_day(end - INSTANT, zone).toordinal()
                count += last - max(first, last_day + 1) + 1
                last_day = last
        return count

    def worst_month(self, zone: str) -> Fraction:
        """The largest share of a calendar month, as the zone has it, that the outage took; 0 for no outage."""
        down: dict[tuple[datetime, datetime], timedelta] = {}
        for start, end in self._spans():
            while start < end:
                month = _month_around(start, zone)
                stop = min(end, month[1])
                down[month] = down.get(month, _NOTHING) + (stop - start)
                start = stop
        return max((Fraction(lost // INSTANT, (until - since) // INSTANT) for (since, until), lost in down.items()),
                   default=Fraction(0))  # fmt: skip

    def _spans(self) -> Iterable[tuple[datetime, datetime]]:
        """The windows in UTC, where the difference of two instants is the time that went by."""
        return [(one.starts_at.astimezone(UTC), one.ends_at.astimezone(UTC)) for one in self.intervals]


def local_day(instant: datetime, zone: str) -> date:
    """The date on the wall calendar of a zone at an instant."""
    return instant.astimezone(ZoneInfo(zone)).date()


def lasted(statement: Statement) -> tuple[Interval, ...]:
    """The windows of an incident, merged; the one that has no end yet reaches to the declaration, never to the wall
    clock, and is at least the instant of its start."""
    impact = statement.impact
    if impact.ends_at is not None:
        return statement.intervals
    end = max(statement.declared_at, impact.starts_at + INSTANT)
    return merged([*impact.also, Interval(starts_at=impact.starts_at, ends_at=end)])


def overlap(left: Iterable[Interval], right: Iterable[Interval]) -> bool:
    """Whether some hour is in both; windows that only meet have none in common."""
    right = tuple(right)
    return any(one.starts_at < other.ends_at and other.starts_at < one.ends_at for one in left for other in right)


def _month_around(instant: datetime, zone: str) -> tuple[datetime, datetime]:
    """The calendar month of a zone that an instant is in, from its first instant to the next month's, in UTC."""
    calendar = ZoneInfo(zone)
    day = instant.astimezone(calendar).date().replace(day=1)
    following = (day + timedelta(days=31)).replace(day=1)
    first, after = (datetime(one.year, one.month, 1, tzinfo=calendar).astimezone(UTC) for one in (day, following))
    return first, after
