"""Lengths in the calendar: a year, six months, fifteen days; counted in dates, whatever the clock does meanwhile."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal


@dataclass(frozen=True, slots=True)
class Period:
    """A length in the calendar: years and months keep the day of the month, clamped to the month's end."""

    count: int
    unit: Literal["year", "month", "day"]

    def after(self, day: date) -> date:
        """The same day `count` units later (29 February + 1 year = 28 February), at most 9999-12-31."""
        try:
            if self.unit == "day":
                return day + timedelta(days=self.count)
            months = day.year * 12 + day.month - 1 + self.count * (12 if self.unit == "year" else 1)
            year, month = divmod(months, 12)
            return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
        except (OverflowError, ValueError):  # past the last year that a date can have
            return date.max

    def __str__(self) -> str:
        return f"{self.count} {self.unit}{'' if self.count == 1 else 's'}"
