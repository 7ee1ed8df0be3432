"""What an incident waits for that only a person can do, and what is said of an approval before it is published."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.events import IncidentApproved
from services.cli.approve import objection
from services.cli.hold import STATES, hold

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HASH, OTHER = "ab" * 32, "cd" * 32
FORECAST = {
    "customers": {"considered": 30, "entitled": 20, "excluded": 10}, "days": 300, "money": {"EUR": "100.00"},
}  # fmt: skip


def incident(**changed: Any) -> dict[str, Any]:
    """An incident whose run goes on by itself."""
    told = {
        "incident_id": "i1", "state": "running", "waits_for": None, "paused": False, "gate": None, "reason": None,
        "declared_by": ["anna"], "spent": {"EUR": "90.00"}, "allowed": {"EUR": "100.00"},
        "plan": {"hash": HASH, "forecast": FORECAST, "expires_at": (NOW + timedelta(hours=1)).isoformat()},
    }  # fmt: skip
    return told | changed


GATE = incident(state="approval", gate="start", reason="100.00 EUR, and 20.00 EUR needs no approval")


@pytest.mark.parametrize("state", ["waiting", "declared", "forecasting", "canary", "running", "done", "superseded"])
def test_what_goes_on_by_itself_is_no_hold(state: str) -> None:
    assert hold(incident(state=state), NOW) is None
    assert hold(incident(state=state, plan=None), NOW) is None


def test_a_plan_that_waits_for_approval_is_shown_with_the_line_that_approves_it() -> None:
    assert hold(GATE, NOW) == (
        "waits for approval: 100.00 EUR, and 20.00 EUR needs no approval\n"
        f"plan {HASH}: 20 customers, 300 days, 100.00 EUR at most\n"
        f"amends approve i1 --plan {HASH} --as NAME   (anybody but anna)"
    )


def test_a_run_that_is_halted_says_how_much_of_how_much_is_granted() -> None:
    told = hold(incident(state="halted", gate="ceiling", reason="the next customers would make it 110.00"), NOW)
    assert told is not None
    assert told.startswith("is halted at the ceiling, 90.00 EUR granted of 100.00 EUR allowed: the next customers")
    assert f"amends approve i1 --plan {HASH} --as NAME" in told


def test_a_plan_that_has_expired_has_to_be_made_anew() -> None:
    told = hold(GATE, NOW + timedelta(hours=2))
    assert told is not None
    assert "could be approved until 2026-01-01T13:00:00+00:00: `amends rerun i1` makes it anew" in told
    assert "amends approve" not in told


@pytest.mark.parametrize("state", ["paused", "done"])
def test_a_paused_incident_is_resumed_by_a_person(state: str) -> None:
    assert hold(incident(state=state, paused=True), NOW) == "is paused: `amends resume i1 --as NAME` lets it go on"


@pytest.mark.parametrize(("number", "verb"), [(1, "declare"), (2, "amend")])
def test_a_held_incident_names_the_revision_that_has_not_come(number: int, verb: str) -> None:
    told = hold(incident(state="held", waits_for=number), NOW)
    assert told == f"waits for revision {number}, which has not come: `amends {verb} FILE` with that revision"


def test_every_state_of_a_run_has_its_words() -> None:
    wanted = "held waiting forecasting approval canary running paused halted superseded done declared"
    assert STATES.keys() == set(wanted.split())


# ── approve ──────────────────────────────────────────────────────────────────────────────────────────────────────


def approved(plan: str = HASH, by: str = "berta") -> IncidentApproved:
    return IncidentApproved(incident_id="i1", plan=plan, approved_by=by, approved_at=NOW)


def test_somebody_else_may_approve_the_plan_that_waits() -> None:
    assert objection(GATE, approved(), NOW) is None


@pytest.mark.parametrize(
    ("known", "said", "at", "words"),
    [
        (incident(), approved(), NOW, ["no plan of i1 waits for an approval"]),
        (incident(state="approval", gate="start", plan=None), approved(), NOW, ["no plan of i1 waits"]),
        (GATE, approved(plan=OTHER), NOW, [f"plan {OTHER} is not the one that waits", HASH]),
        (GATE, approved(by="anna"), NOW, ["anna cannot approve it: anna declared i1", "somebody else"]),
        (GATE, approved(), NOW + timedelta(hours=2), ["could be approved until", "`amends rerun i1`"]),
    ],
    ids=["running", "no plan", "another plan", "declarer", "expired"],
)
def test_an_approval_that_cannot_count_is_not_published(
    known: dict[str, Any], said: IncidentApproved, at: datetime, words: list[str]
) -> None:
    reason = objection(known, said, at)
    assert reason is not None
    for word in words:
        assert word in reason


def test_a_paused_plan_at_a_gate_can_be_approved() -> None:
    assert objection(GATE | {"state": "paused", "paused": True}, approved(), NOW) is None
