"""An incident is narrowed, and taken back before the correction left: one letter takes back all that he was told."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifications.domain import Cancelled, State
from services.notifications.news import News, content
from tests.unit.notifications.desk import ANNOUNCEMENT, BOTH, ENTRIES, GIVEN, KINDS, Desk, announcement, answer, undone
from tests.unit.notifications.outcomes import Outcome, extension, refused, remedy, reversal, voucher


def taken_back_before(*reversals: Outcome, told: tuple[Outcome, ...] = (extension(), voucher())) -> Desk:
    """He was told; then a narrower revision took some of it back, and the correction has not left."""
    desk = Desk().hear(answer(*told)).leave().hear(undone(*reversals))
    desk.it.retracted_since = 3
    desk.it.judge()
    return desk


def last(*reversals: Outcome) -> News:
    return undone(*reversals, which="r3", revision=3)


def test_a_correction_leaves_though_the_incident_is_retracted_when_nothing_more_is_to_come() -> None:
    desk = taken_back_before(reversal(), reversal("voucher", "e3"))
    assert desk.states == [("details", "sent"), ("correction", "pending")]
    assert desk.said("correction") == ([], ["e1", "e3"])
    correction = desk.it.letters[-1]
    assert correction.is_changed, "what the row says of its revision is what lets it go"
    assert desk.it.holds_for(correction) == 3


def test_a_correction_waits_for_what_a_retraction_takes_back_and_tells_all_of_it() -> None:
    desk = taken_back_before(reversal())
    assert desk.states == [("details", "sent"), ("correction", "retracted")]
    desk.hear(last(reversal("voucher", "e3")))
    assert desk.states == [("details", "sent"), ("correction", "pending")]
    assert desk.said("correction") == ([], ["e1", "e3"])


def test_what_a_correction_would_have_given_is_dropped_by_a_retraction() -> None:
    desk = Desk().hear(answer(extension())).leave()
    desk.hear(answer(voucher(), which="p2", revision=2), undone(reversal()))
    desk.it.retracted_since = 3
    desk.it.judge()
    assert desk.states == [("details", "sent"), ("correction", "retracted")]
    desk.hear(last(reversal("voucher", "e3")))
    assert desk.states == [("details", "sent"), ("correction", "pending")]
    assert desk.said("correction") == ([], ["e1"])


def test_a_correction_leaves_when_what_the_retraction_withdraws_stays_and_says_so() -> None:
    desk = taken_back_before(reversal())
    desk.hear(last(reversal("voucher", "e3", "redeemed")))
    assert desk.states == [("details", "sent"), ("correction", "pending")]
    assert [one["reverses"] for one in content("correction", desk.it.letters[-1].bodies).kept] == ["e3"]


@pytest.mark.parametrize("reason", ["redeemed", "honoured", "refused_before"])
def test_what_a_narrower_revision_left_with_him_is_not_waited_for(reason: str) -> None:
    desk = Desk().hear(answer(extension(), voucher())).leave()
    desk.hear(undone(reversal("voucher", "e3", reason)), undone(reversal(), which="r2"))
    desk.it.retracted_since = 3
    desk.it.judge()
    assert desk.states == [("details", "sent"), ("correction", "pending")]


def test_what_was_given_in_place_of_a_refusal_is_withdrawn_with_it() -> None:
    instead = {**voucher(), "substitutes": "e9"}
    desk = taken_back_before(reversal("voucher", "e9"), told=(refused(), instead))
    assert desk.states == [("details", "sent"), ("correction", "pending")]


def test_what_was_announced_is_taken_back_by_the_correction_that_would_have_told_it_in_detail() -> None:
    desk = Desk(BOTH).hear(announcement(remedy(), remedy("voucher", "e3")), answer(extension())).leave()
    desk.hear(answer(voucher(), which="p2", revision=2), last(reversal("voucher", "e3")))
    assert desk.states == [("announcement", "sent"), ("details", "sent"), ("correction", "pending")]
    assert desk.said("correction") == ([], ["e3"])


def test_news_of_a_reopening_are_nothing_that_a_retraction_takes_back() -> None:
    desk = Desk(BOTH).hear(announcement(remedy())).leave().hear(answer(extension()), undone(reversal()))
    desk.it.retracted_since = 3
    desk.hear(answer(voucher(), which="p4", revision=4))
    assert desk.states == [("announcement", "sent"), ("details", "pending"), ("correction", "pending")]


def test_details_of_what_was_honoured_before_a_retraction_leave_if_it_was_announced() -> None:
    desk = Desk(BOTH).hear(announcement(remedy())).leave()
    desk.hear(answer(extension()), undone(reversal(reason="honoured")))
    desk.it.retracted_since = 3
    desk.it.judge()
    assert desk.states == [("announcement", "sent"), ("details", "pending")]


WAYS = (None, "honoured", "redeemed")


@settings(max_examples=1_000, deadline=None)
@given(st.data())
def test_after_a_retraction_he_believes_to_have_nothing_that_was_taken_back(data: st.DataObject) -> None:
    """Whatever left in between, whatever the narrower revision took, and whenever the retraction is heard of."""
    wanted = data.draw(st.sampled_from([("details",), BOTH, ANNOUNCEMENT]), label="letters")
    desk = Desk(wanted)
    narrowed = data.draw(st.lists(st.sampled_from(ENTRIES[:2]), unique=True), label="narrowed")
    became = {entry: data.draw(st.sampled_from(WAYS), label=entry) for entry in ENTRIES}
    has: set[str] = set()
    told: list[str] = []
    corrected: list[str] = []

    def leave() -> None:
        for letter in desk.it.letters:
            if letter.state is State.PENDING:
                said = content(letter.kind, letter.bodies)
                has.update(one["entry_id"] for one in said.given)
                told.extend(one["entry_id"] for one in said.given)
                has.difference_update(one["reverses"] for one in said.taken)
                corrected.extend(one["reverses"] for one in said.taken)
                letter.state = State.SENT

    def retract() -> None:
        desk.it.retracted_since = 3
        desk.it.judge()

    def back(entries: list[str], which: str, revision: int) -> list[News]:
        found = [reversal(KINDS[entry], entry, became[entry]) for entry in entries]
        return [undone(*found, which=which, revision=revision)] if found else []

    given_first = [GIVEN[entry] for entry in ENTRIES[:2]]
    events = [
        announcement(*[remedy(KINDS[entry], entry) for entry in ENTRIES[:2]]),
        answer(*given_first),
        *back(sorted(narrowed), "r2", 2),
        announcement(remedy(KINDS["e3"], "e3"), which="a2", revision=2),
        answer(GIVEN["e3"], which="p2", revision=2),
        *back([entry for entry in ENTRIES if entry not in narrowed], "r3", 3),
    ]
    when = data.draw(st.integers(0, len(events)), label="retracted before event")
    for number, event in enumerate(events):
        if number == when:
            retract()
        if "remedies" not in event.body or "announcement" in wanted:
            desk.hear(event)
        if data.draw(st.booleans(), label="letters leave"):
            leave()
    retract()
    leave()
    taken = {entry for entry in ENTRIES if became[entry] is None}
    assert not has & taken
    assert sorted(corrected) == sorted(taken & set(told)), "once each"
    assert not [letter for letter in desk.it.letters if letter.cancelled is Cancelled.RETRACTED]
