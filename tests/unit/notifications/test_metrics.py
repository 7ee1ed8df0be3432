"""Notifications' own metrics: every series is there from the start, drills apart from what is in earnest."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from services.notifications.domain import SettledLetter
from services.notifications.metrics import LetterMetrics


def test_every_series_is_there_at_zero_before_anything_has_happened() -> None:
    registry = CollectorRegistry()
    LetterMetrics(registry)
    values = [
        (sample.name, sample.value)
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    ]
    names = [name for name, _ in values]
    assert names.count("amends_letters_settled_total") == 3 * 5 * 2
    assert names.count("amends_letters_cancelled_total") == 3
    assert {value for _, value in values} == {0.0}


def test_letters_are_counted_by_kind_status_and_drill_and_the_cancelled_ones_apart() -> None:
    registry = CollectorRegistry()
    LetterMetrics(registry).count(
        [
            SettledLetter("1", "i", "c", "details", "sent"),
            SettledLetter("2", "i", "c", "details", "suppressed", drill=True),
            SettledLetter("3", "i", "c", "announcement", "suppressed", is_cancelled=True),
        ]
    )

    def settled(kind: str, status: str, drill: str) -> float | None:
        labels = {"kind": kind, "status": status, "drill": drill}
        return registry.get_sample_value("amends_letters_settled_total", labels)

    def cancelled(kind: str) -> float | None:
        return registry.get_sample_value("amends_letters_cancelled_total", {"kind": kind})

    assert settled("details", "sent", "false") == 1
    assert settled("details", "suppressed", "true") == 1
    assert settled("announcement", "suppressed", "false") == 1
    assert (cancelled("announcement"), cancelled("details")) == (1, 0)
