"""The oracle's calendar and clock: instants, local days, periods, lengths, intervals, and its own ids.

Written from the trade's rules with the standard library alone; plain and slow. It shares nothing with the services.
"""

from __future__ import annotations

import uuid
from calendar import monthrange
from datetime import date, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo, available_timezones

NAMESPACE = uuid.UUID("6f1d3c1a-5a0e-5b7e-9c1e-2f3a8d6b4e10")
"""Amends' own name space for ids: it is part of what stands on the wire, so it is written down here once more."""

Interval = tuple[datetime, datetime]
"""A half-open stretch of an outage: from, until."""

SMALLEST = timedelta(microseconds=1)
ZONES = frozenset(available_timezones())
_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}


def an_id(*parts: str) -> str:
    """UUIDv5 of the parts, which stand apart by U+001F."""
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))


def instant(text: str) -> datetime:
    """An instant with its offset."""
    return datetime.fromisoformat(text)


def day_at(moment: datetime, zone: str) -> date:
    """The date on the wall calendar of a zone at that moment."""
    return moment.astimezone(ZoneInfo(zone)).date()


def length(text: str) -> timedelta:
    """An exact length such as "90 minutes", "2 hours", "1 day"."""
    count, unit = text.split()
    return int(count) * _UNITS[unit.rstrip("s")]


def later(day: date, period: str) -> date:
    """The day a period later: years and months keep the day of the month, or fall back to the month's last day."""
    count, unit = int(period.split()[0]), period.split()[1].rstrip("s")
    if unit == "day":
        return day + timedelta(days=count)
    months = day.year * 12 + day.month - 1 + count * (12 if unit == "year" else 1)
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def merged(intervals: list[Interval]) -> list[Interval]:
    """The same time, told without overlaps: stretches that meet or overlap become one."""
    whole: list[Interval] = []
    for start, end in sorted(intervals):
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], end))
        else:
            whole.append((start, end))
    return whole


def total(intervals: list[Interval]) -> timedelta:
    """How long it was out, nothing counted twice."""
    return sum((end - start for start, end in merged(intervals)), timedelta(0))


def without_the_first(intervals: list[Interval], grace: timedelta) -> list[Interval]:
    """What is left of an outage when its first so-and-so long does not count."""
    left: list[Interval] = []
    for start, end in merged(intervals):
        skipped = min(grace, end - start)
        grace -= skipped
        if start + skipped < end:
            left.append((start + skipped, end))
    return left


def days_touched(intervals: list[Interval], zone: str) -> int:
    """On how many dates of a zone's calendar it was out at some moment."""
    days: set[date] = set()
    for start, end in intervals:
        day, last = day_at(start, zone), day_at(end - SMALLEST, zone)
        while day <= last:
            days.add(day)
            day += timedelta(days=1)
    return len(days)


def lowest_availability(intervals: list[Interval], zone: str) -> Fraction:
    """Of each calendar month that was touched: the share of it that was not out. The worst month counts."""
    place, utc = ZoneInfo(zone), ZoneInfo("UTC")
    whole = merged(intervals)
    worst = Fraction(1)
    if not whole:
        return worst
    month, last = day_at(whole[0][0], zone).replace(day=1), day_at(whole[-1][1] - SMALLEST, zone)
    while month <= last:
        following = later(month, "1 month")
        # Through UTC: the difference of two local times of one zone would forget a change of the clocks.
        begins = datetime(month.year, month.month, 1, tzinfo=place).astimezone(utc)
        ends = datetime(following.year, following.month, 1, tzinfo=place).astimezone(utc)
        out = total([(max(a, begins), min(b, ends)) for a, b in whole if a < ends and b > begins])
        worst = min(worst, 1 - Fraction(out // SMALLEST, (ends - begins) // SMALLEST))
        month = following
    return worst
