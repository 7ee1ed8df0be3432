"""Revisions: what is said of one before it is published, and what it means once it counts."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.local.customer_base import incident
from schemas.events import IncidentAmended, IncidentDeclared, IncidentResolved, IncidentRetracted
from schemas.statements import IncidentEvent, event
from services.cli.declare import in_words, latest, next_revision, objection

DECLARED = IncidentDeclared.model_validate(incident(), strict=False)
ID = DECLARED.incident_id


def amended(revision: int = 2, **changed: Any) -> IncidentAmended:
    return IncidentAmended.model_validate(incident() | {"revision": revision} | changed, strict=False)


def resolved(revision: int, ends_at: str) -> IncidentResolved:
    said = {"incident_id": ID, "revision": revision, "ends_at": ends_at}
    who = {"declared_by": "desk", "declared_at": "2011-05-14T10:00:00Z"}
    return IncidentResolved.model_validate(said | who, strict=False)


def retracted(revision: int) -> IncidentRetracted:
    said = {"incident_id": ID, "revision": revision, "reason": "a false alarm"}
    who = {"declared_by": "desk", "declared_at": "2011-05-14T10:00:00Z"}
    return IncidentRetracted.model_validate(said | who, strict=False)


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ([], DECLARED),
        ([DECLARED], DECLARED),
        ([DECLARED], amended(title="wider")),
        ([DECLARED], amended(4)),
        ([DECLARED], resolved(2, "2011-04-29T15:00:00Z")),
        ([DECLARED], retracted(2)),
        ([DECLARED, retracted(2)], amended(3)),
        ([], amended(2)),
    ],
    ids=["first", "again", "next", "later", "resolved", "retracted", "reopened", "held"],
)
def test_a_revision_that_can_follow_is_not_objected_to(before: list[IncidentEvent], said: IncidentEvent) -> None:
    assert objection({one.revision: one for one in before}, said) is None


@pytest.mark.parametrize(
    ("before", "said", "words"),
    [
        ([DECLARED], amended(1, title="x"), ["revision 1 was declared before with another body", "as revision 2"]),
        ([DECLARED, amended(2)], retracted(2), ["revision 2 was declared before with another body", "as revision 3"]),
        ([DECLARED], amended(policy="other@1"), ["policy other@1", "declared under aruba-2011-04-29@1"]),
        ([DECLARED], amended(drill=True), ["drill True", "declare another one"]),
        ([DECLARED], resolved(2, "2011-04-29T01:00:00Z"), ["is not after the start", "write a later end"]),
        ([], retracted(1), ["revision 1 must state the incident whole"]),
    ],
    ids=["body", "kind", "policy", "drill", "end", "nothing"],
)
def test_what_entitlements_would_refuse_is_said_before(
    before: list[IncidentEvent], said: IncidentEvent, words: list[str]
) -> None:
    reason = objection({one.revision: one for one in before}, said)
    assert reason is not None
    for word in words:
        assert word in reason


@pytest.mark.parametrize(
    ("revisions", "following"), [(set(), 1), ({1}, 2), ({1, 2, 3}, 4), ({1, 3}, 2), ({2}, 1), ({1, 2, 5}, 3)]
)
def test_the_next_revision_is_the_first_that_is_not_known(revisions: set[int], following: int) -> None:
    assert next_revision(revisions) == following


def test_what_a_revision_means_is_said() -> None:
    assert in_words(amended(), "amended", None) == (f"amended {ID}, revision 2; follow it with: amends watch {ID}")
    assert in_words(amended(3), "amended", 2) == (
        f"amended {ID}, revision 3; it waits for revision 2: declare that one too"
    )


def test_what_was_told_is_the_event_that_it_was() -> None:
    for said, kind in ((DECLARED, "declared"), (retracted(2), "retracted")):
        assert event(f"incident.{kind}.v1", said.model_dump(mode="json")) == said


def test_what_is_in_force_is_known() -> None:
    stands = latest({1: DECLARED, 2: retracted(2), 4: amended(4)})
    assert stands is not None
    assert (stands.revision, stands.retracted) == (2, True)
    assert latest({2: amended(2)}) is None
