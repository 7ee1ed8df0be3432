"""What a person says becomes an event, and its answer is found in the audit trail."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import typer

from deploy.local.customer_base import incident
from schemas.events import IncidentAmended, IncidentApproved, IncidentDeclared, IncidentPaused, IncidentRetracted
from services.cli import orders
from services.cli.errors import CommandError
from services.cli.orders import TYPES, Order, answer, say

HASH = "ab" * 32
OPTIONS = {"paused_by": "--as", "paused_at": "--at", "plan": "--plan"}


def entry(number: int, action: str, event: str | None = None, **detail: Any) -> dict[str, Any]:
    """An entry of an audit trail."""
    return {"number": number, "action": action, "detail": {"event_id": event, **detail} if event else detail}


def test_an_event_that_was_taken_in_is_answered_by_its_entry() -> None:
    trail = [entry(1, "declared", "a"), entry(2, "forecasting"), entry(3, "paused", "b")]
    assert answer(trail, 2, "b") == trail[2]


def test_there_is_no_answer_before_entitlements_has_heard_of_it() -> None:
    assert answer([], 0, "a") is None
    assert answer([entry(1, "declared", "a"), entry(2, "started")], 1, "b") is None


def test_what_counted_before_is_answered_by_what_it_was_answered_with_then() -> None:
    trail = [entry(1, "declared", "a"), entry(2, "done")]
    assert answer(trail, 2, "a") == trail[0]


def test_what_was_refused_before_is_judged_anew() -> None:
    trail = [entry(1, "declared", "x"), entry(2, "refused", "a", reason="too early")]
    assert answer(trail, 2, "a") is None
    assert answer([*trail, entry(3, "amended", "a")], 2, "a") == entry(3, "amended", "a")


def test_the_same_words_are_the_same_event_and_other_words_another() -> None:
    said = say(IncidentPaused, {}, incident_id="i1", paused_by="anna", paused_at="2026-01-01T10:00:00Z")
    later = say(IncidentPaused, {}, incident_id="i1", paused_by="anna", paused_at="2026-01-01T10:00:01Z")
    assert Order.of(said) == Order.of(said)
    assert Order.of(said).event_id != Order.of(later).event_id
    assert Order.of(said).type == "incident.paused.v1"
    assert Order.of(said).incident_id == "i1"


def test_an_amendment_is_another_event_than_a_declaration_of_the_same_body() -> None:
    declared = IncidentDeclared.model_validate(incident(), strict=False)
    amended = IncidentAmended.model_validate(incident(), strict=False)
    assert Order.of(declared).type == "incident.declared.v1"
    assert Order.of(amended).type == "incident.amended.v1"
    assert Order.of(declared).event_id != Order.of(amended).event_id


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"paused_by": "two words"}, ["--as: ", "'two words'", "write it without spaces"]),
        ({"paused_at": "2026-01-01T10:00:00"}, ["--at: ", "'2026-01-01T10:00:00'", "write an offset too, such as"]),
        ({"paused_at": "soon"}, ["--at: ", "'soon'", "write an instant such as 2011-04-29T14:00:00+02:00"]),
        ({"incident_id": ""}, ["incident_id: ", "''"]),
    ],
)
def test_what_cannot_be_said_is_wrong_usage_that_names_option_and_value(
    fields: dict[str, str], words: list[str]
) -> None:
    said = {"incident_id": "i1", "paused_by": "anna", "paused_at": "2026-01-01T10:00:00Z"} | fields
    with pytest.raises(typer.BadParameter) as refused:
        say(IncidentPaused, OPTIONS, **said)
    for word in words:
        assert word in str(refused.value)


def test_a_hash_that_is_none_is_wrong_usage() -> None:
    with pytest.raises(typer.BadParameter, match=r"--plan: .*'abc': write the 64 characters of the hash"):
        say(IncidentApproved, OPTIONS, incident_id="i", plan="abc", approved_by="a", approved_at="2026-01-01T10:00:00Z")
    said = say(IncidentApproved, {}, incident_id="i", plan=HASH, approved_by="a", approved_at="2026-01-01T10:00:00Z")
    assert said.plan == HASH


def test_a_word_that_is_not_utf_8_is_wrong_usage() -> None:
    with pytest.raises(typer.BadParameter, match="UTF-8"):
        say(IncidentPaused, OPTIONS, incident_id="i\udcff", paused_by="a", paused_at="2026-01-01T10:00:00Z")


# ── Published, and then looked for ───────────────────────────────────────────────────────────────────────────────

PAUSED = Order.of(say(IncidentPaused, {}, incident_id="i1", paused_by="anna", paused_at="2026-01-01T10:00:00Z"))


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Order]]:
    """Call with the trails that are seen one after the other; what was published is in what it returns."""

    def make(*trails: list[dict[str, Any]]) -> list[Order]:
        seen, sent = iter(trails), list[Order]()
        now = iter(range(10_000))
        monkeypatch.setattr(orders, "trail", lambda *_: next(seen))
        monkeypatch.setattr(orders, "send", lambda _, order: sent.append(order))
        monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
        monkeypatch.setattr(time, "sleep", lambda _: None)
        return sent

    return make


ANYWHERE: Any = None


def test_an_order_is_published_once_and_answered(heard: Callable[..., list[Order]]) -> None:
    first = [entry(1, "declared", "x")]
    sent = heard(first, first, [*first, entry(2, "paused", PAUSED.event_id)])
    assert orders.give(ANYWHERE, PAUSED, 10)["number"] == 2
    assert sent == [PAUSED]


def test_a_refusal_is_told_with_its_reason(heard: Callable[..., list[Order]]) -> None:
    heard([], [entry(1, "refused", PAUSED.event_id, reason="there is no incident i1: declare it first")])
    with pytest.raises(CommandError, match="refused: there is no incident i1: declare it first"):
        orders.give(ANYWHERE, PAUSED, 10)


def test_nobody_waits_for_an_answer_for_ever(heard: Callable[..., list[Order]]) -> None:
    sent = heard(*[[] for _ in range(100)])
    with pytest.raises(CommandError, match="said nothing of it within 10 s: see `amends status`"):
        orders.give(ANYWHERE, PAUSED, 10)
    assert sent == [PAUSED]


def test_every_order_of_a_person_has_its_event() -> None:
    assert IncidentRetracted in TYPES
    assert sorted(TYPES.values()) == sorted(
        f"incident.{verb}.v1"
        for verb in ("declared", "amended", "resolved", "retracted", "approved", "paused", "resumed")
    )
