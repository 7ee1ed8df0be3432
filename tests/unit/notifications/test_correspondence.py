"""Which letter an event goes into, and which letters leave: a table by hand, and any order of events by chance."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.events import LetterKind
from services.notifications.correspondence import Letter
from services.notifications.domain import Cancelled, State, letter_id
from services.notifications.news import News, content
from tests.unit.notifications.desk import ANNOUNCEMENT, BOTH, ENTRIES, GIVEN, KINDS, Desk, announcement, answer, undone
from tests.unit.notifications.outcomes import addon, extension, refused, remedy, reversal, voucher

# ── Two letters ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_both_letters_are_written_where_the_policy_wants_both() -> None:
    desk = Desk(BOTH).hear(announcement(remedy()), answer(extension()))
    assert desk.states == [("announcement", "pending"), ("details", "pending")]


def test_under_a_policy_with_the_announcement_alone_no_details_are_written() -> None:
    desk = Desk(ANNOUNCEMENT).hear(announcement(remedy()), answer(extension()))
    assert desk.states == [("announcement", "pending")]
    assert desk.leave().hear(announcement(remedy()), answer(extension())).states == [("announcement", "sent")]


@pytest.mark.parametrize("announced_first", [True, False])
def test_more_is_announced_in_the_letter_that_has_not_left(announced_first: bool) -> None:
    more = announcement(remedy("voucher", "e3"), which="a2", revision=2)
    events = [announcement(remedy()), more]
    desk = Desk(BOTH).hear(*(events if announced_first else events[::-1]))
    assert desk.said("announcement") == (["e1", "e3"], [])
    assert desk.states == [("announcement", "pending")]


def test_there_is_never_a_second_announcement() -> None:
    desk = Desk(BOTH).hear(announcement(remedy())).leave()
    desk.hear(announcement(remedy("voucher", "e3"), which="a2", revision=2))
    assert desk.states == [("announcement", "sent")]
    assert desk.said("announcement") == (["e1"], []), "what it said it has said"
    desk.hear(answer(extension(), voucher()))
    assert desk.states == [("announcement", "sent"), ("details", "pending")]


def test_an_announcement_that_comes_after_the_details_have_left_does_not_leave() -> None:
    desk = Desk(BOTH).hear(answer(extension())).leave().hear(announcement(remedy()))
    assert desk.states == [("announcement", "overtaken"), ("details", "sent")]


def test_what_was_never_announced_is_told_by_a_correction_where_no_details_are_wanted() -> None:
    desk = Desk(ANNOUNCEMENT).hear(announcement(remedy()), answer(extension())).leave()
    desk.hear(announcement(remedy("voucher", "e3"), which="a2", revision=2))
    desk.hear(answer(voucher(), which="p2", revision=2))
    assert desk.states == [("announcement", "sent"), ("correction", "pending")]
    assert desk.said("correction") == (["e3"], [])


def test_what_was_announced_in_vain_is_told_by_a_correction_where_no_details_are_wanted() -> None:
    desk = Desk(ANNOUNCEMENT).hear(announcement(remedy(), remedy(entry="e9"))).leave()
    desk.hear(answer(extension(), refused()))
    assert desk.said("correction") == (["e9"], [])


# ── Additions ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_additions_after_the_details_join_the_correction_that_has_not_left() -> None:
    desk = Desk().hear(answer(extension())).leave()
    desk.hear(answer(addon(), which="p2"), answer(voucher(), which="p3"))
    assert desk.states == [("details", "sent"), ("correction", "pending")]
    assert desk.said("correction") == (["e2", "e3"], [])
    desk.leave().hear(answer(extension("K-4", entry_id="e4"), which="p4"))
    assert sorted(desk.states) == [("correction", "pending"), ("correction", "sent"), ("details", "sent")]


def test_a_correction_has_the_id_of_its_first_event() -> None:
    desk = Desk().hear(answer(extension())).leave().hear(answer(addon(), which="p2"))
    assert desk.it.letters[-1].letter_id == letter_id("i", "c", "correction", "p2")


# ── Withdrawals ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("answer_first", [True, False])
def test_what_was_taken_back_before_he_was_told_is_never_told(answer_first: bool) -> None:
    events = [answer(extension(), voucher()), undone(reversal())]
    desk = Desk().hear(*(events if answer_first else events[::-1]))
    assert desk.states == [("details", "pending")]
    assert desk.said("details") == (["e3"], [])


@pytest.mark.parametrize("answer_first", [True, False])
def test_a_letter_with_nothing_left_is_cancelled_and_comes_back_with_news(answer_first: bool) -> None:
    events = [answer(extension()), undone(reversal())]
    desk = Desk().hear(*(events if answer_first else events[::-1]))
    assert desk.states == [("details", "withdrawn")]
    desk.hear(answer(voucher(), which="p3", revision=3))
    assert desk.states == [("details", "pending")]
    assert desk.said("details") == (["e3"], [])


@pytest.mark.parametrize("left", [State.SENDING, State.SENT, State.IN_DOUBT])
def test_what_he_was_told_is_taken_back_in_a_correction(left: State) -> None:
    desk = Desk().hear(answer(extension(), voucher())).leave(state=left).hear(undone(reversal()))
    assert desk.states == [("details", left), ("correction", "pending")]
    assert desk.said("correction") == ([], ["e1"])


@pytest.mark.parametrize("not_left", [State.FAILED, State.NO_ADDRESS])
def test_what_he_was_not_told_is_not_taken_back(not_left: State) -> None:
    desk = Desk().hear(answer(extension())).leave(state=not_left).hear(undone(reversal()))
    assert desk.states == [("details", not_left)]


def test_news_and_what_is_taken_back_are_one_letter() -> None:
    desk = Desk().hear(answer(extension(), voucher())).leave()
    desk.hear(answer(addon(), which="p2"), undone(reversal()))
    assert desk.states == [("details", "sent"), ("correction", "pending")]
    assert desk.said("correction") == (["e2"], ["e1"])


def test_an_addition_that_was_never_told_is_dropped_without_a_word() -> None:
    desk = Desk().hear(answer(extension())).leave()
    desk.hear(answer(addon(), which="p2"), undone(reversal("addon", "e2")))
    assert desk.states == [("details", "sent"), ("correction", "withdrawn")]


def test_the_details_say_less_and_a_correction_takes_back_what_was_announced() -> None:
    desk = Desk(BOTH).hear(announcement(remedy(), remedy("voucher", "e3"))).leave()
    desk.hear(answer(extension(), voucher()), undone(reversal()))
    assert desk.states == [("announcement", "sent"), ("details", "pending"), ("correction", "pending")]
    assert desk.said("details") == (["e3"], [])
    assert desk.said("correction") == ([], ["e1"])


def test_a_reversal_before_everything_else_cancels_both_letters() -> None:
    desk = Desk(BOTH).hear(undone(reversal()), announcement(remedy()), answer(extension()))
    assert desk.states == [("announcement", "withdrawn"), ("details", "withdrawn")]


@pytest.mark.parametrize("reason", ["redeemed", "used"])
def test_what_is_used_up_stays_and_is_no_reason_to_write(reason: str) -> None:
    desk = Desk().hear(answer(extension(), voucher())).leave().hear(undone(reversal("voucher", "e3", reason)))
    assert desk.states == [("details", "sent")]
    desk.hear(undone(reversal(), reversal("voucher", "e3", reason), which="r2"))
    letter = desk.it.letters[-1]
    assert [one["reverses"] for one in content("correction", letter.bodies).kept] == ["e3"]


def test_honoured_when_told_nothing_happens_and_the_details_still_go() -> None:
    desk = Desk(BOTH).hear(announcement(remedy())).leave()
    desk.hear(answer(extension()), undone(reversal(reason="honoured")))
    assert desk.states == [("announcement", "sent"), ("details", "pending")]
    assert desk.said("details") == (["e1"], [])


def test_honoured_when_not_told_the_letters_are_cancelled_if_nothing_else_is_in_them() -> None:
    all_of_it = Desk(BOTH).hear(announcement(remedy()), answer(extension()), undone(reversal(reason="honoured")))
    assert all_of_it.states == [("announcement", "withdrawn"), ("details", "withdrawn")]
    some = Desk().hear(answer(extension(), voucher()), undone(reversal(reason="honoured")))
    assert some.states == [("details", "pending")]
    assert some.said("details") == (["e1", "e3"], []), "it stands"


# ── Retractions ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_letters_of_revisions_before_a_retraction_do_not_leave_and_later_ones_do() -> None:
    desk = Desk()
    desk.it.retracted_since = 2
    assert desk.hear(answer(extension())).states == [("details", "retracted")]
    assert desk.hear(answer(voucher(), which="p3", revision=3)).states == [("details", "pending")]


def test_what_was_told_is_taken_back_after_a_retraction() -> None:
    desk = Desk().hear(answer(extension())).leave()
    desk.it.retracted_since = 2
    assert desk.hear(undone(reversal())).states == [("details", "sent"), ("correction", "pending")]


def test_details_that_were_announced_go_after_a_retraction_that_is_honoured() -> None:
    desk = Desk(BOTH).hear(announcement(remedy())).leave()
    desk.it.retracted_since = 2
    assert desk.hear(answer(extension())).states == [("announcement", "sent"), ("details", "retracted")]
    assert desk.hear(undone(reversal(reason="honoured"))).states == [("announcement", "sent"), ("details", "pending")]


def test_when_the_incident_stands_again_what_was_stopped_goes() -> None:
    desk = Desk()
    desk.it.retracted_since = 2
    desk.hear(answer(extension()))
    desk.it.retracted_since = None
    desk.it.judge()
    assert desk.states == [("details", "pending")]


# ── Come back from the sender's hands ────────────────────────────────────────────────────────────────────────────


def test_a_letter_that_has_not_left_after_all_drops_what_was_taken_back_meanwhile() -> None:
    desk = Desk().hear(answer(extension(), voucher())).leave(state=State.SENDING).hear(undone(reversal()))
    assert desk.states == [("details", "sending"), ("correction", "pending")]
    desk.it.letters[0].state = State.PENDING
    desk.it.reconsider()
    assert desk.states == [("details", "pending"), ("correction", "withdrawn")]
    assert desk.said("details") == (["e3"], [])


def test_a_correction_that_has_not_left_after_all_drops_what_it_gave_and_was_taken_back_meanwhile() -> None:
    desk = Desk().hear(answer(extension())).leave()
    desk.hear(answer(addon(), voucher(), which="p2", revision=2)).leave(state=State.SENDING)
    desk.hear(undone(reversal("addon", "e2"), revision=3))
    assert sorted(desk.states) == [("correction", "pending"), ("correction", "sending"), ("details", "sent")]
    in_hand = next(letter for letter in desk.it.letters if letter.state is State.SENDING)
    in_hand.state = State.PENDING
    desk.it.reconsider()
    assert sorted(desk.states) == [("correction", "pending"), ("correction", "withdrawn"), ("details", "sent")]
    assert [one["entry_id"] for one in content("correction", in_hand.bodies).given] == ["e3"]


# ── Repetition and order ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_that_comes_again_changes_nothing() -> None:
    events = [
        announcement(remedy()),
        answer(extension()),
        undone(reversal(), which="r"),
        announcement(remedy("voucher", "e3"), which="a2", revision=2),
        undone(reversal(reason="honoured"), which="r2"),
        answer(voucher(), which="p2", revision=2),
    ]
    for wanted in (BOTH, ANNOUNCEMENT, ("details",)):
        for leaves_after in range(len(events)):
            desk = Desk(wanted)
            for number, event in enumerate(events):
                desk.hear(event)
                if number == leaves_after:
                    desk.leave()
            before = [(letter.letter_id, letter.state, letter.news) for letter in desk.it.letters]
            for event in events:
                assert not desk.it.hear(event, wanted)
            assert [(letter.letter_id, letter.state, letter.news) for letter in desk.it.letters] == before


def story(reasons: dict[str, str | None], split: int) -> list[News]:
    """Announcements and answers in two revisions, and a reversal of some of it."""
    first, second = ENTRIES[:split], ENTRIES[split:]
    told: list[News] = []
    for revision, part in ((1, first), (2, second)):
        if part:
            told.append(answer(*[GIVEN[e] for e in part], which=f"p{revision}", revision=revision))
            owed = [remedy(KINDS[e], e) for e in part]
            told.append(announcement(*owed, which=f"a{revision}", revision=revision))
    if reasons:
        back = [reversal(KINDS[entry], entry, reason) for entry, reason in sorted(reasons.items())]
        told.append(undone(*back, which="r", revision=3))
    return told


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([("details",), BOTH, ANNOUNCEMENT]),
    st.dictionaries(st.sampled_from(ENTRIES), st.sampled_from([None, "honoured", "used", "redeemed"])),
    st.integers(0, 3),
    st.sampled_from([None, 1, 2, 3, 4]),
    st.randoms(use_true_random=False),
)
def test_any_order_and_repetition_gives_the_same_letters_while_nothing_has_left(
    wanted: tuple[LetterKind, ...], reasons: dict[str, str | None], split: int, retracted: int | None, chance: Any
) -> None:
    def letters(events: list[News]) -> list[tuple[Any, ...]]:
        desk = Desk(wanted)
        desk.it.retracted_since = retracted
        wants_one = [event for event in events if "remedies" not in event.body or "announcement" in wanted]
        desk.hear(*wants_one)
        return sorted(
            (letter.kind, letter.state, letter.cancelled or "", [one.event_id for one in letter.news])
            for letter in desk.it.letters
        )

    events = story(reasons, split)
    shuffled = [*events, *events]
    chance.shuffle(shuffled)
    assert letters(shuffled) == letters(events)


def test_a_letter_without_news_of_its_own_is_begun_for_a_reversal_and_says_nothing() -> None:
    desk = Desk().hear(undone(reversal()))
    (letter,) = desk.it.letters
    assert (letter.state, letter.cancelled) == (State.SUPPRESSED, Cancelled.WITHDRAWN)
    assert isinstance(letter, Letter)
    assert letter.is_changed
