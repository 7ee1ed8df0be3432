"""Notifications' own metrics: what became of letters; drills are counted apart, never together.

A batch that is rolled back and tried again is counted again; the books are exact, these are for watching.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from prometheus_client import CollectorRegistry, Counter

from schemas.events import LetterKind, LetterStatus
from services.notifications.domain import SettledLetter

_DRILL = {False: "false", True: "true"}


class LetterMetrics:
    """What became of letters in this process since it started."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Every series is there from the start, at zero."""
        self._settled = Counter(
            "amends_letters_settled",
            "Letters that came to their end",
            ["kind", "status", "drill"],
            registry=registry,
        )
        self._cancelled = Counter(
            "amends_letters_cancelled", "Letters that were cancelled before they left", ["kind"], registry=registry
        )
        for kind in get_args(LetterKind):
            self._cancelled.labels(kind)
            for status in get_args(LetterStatus):
                for drill in _DRILL.values():
                    self._settled.labels(kind, status, drill)

    def count(self, letters: Iterable[SettledLetter]) -> None:
        """Count letters that have come to their end."""
        for letter in letters:
            self._settled.labels(letter.kind, letter.state, _DRILL[letter.drill]).inc()
            if letter.is_cancelled:
                self._cancelled.labels(letter.kind).inc()
