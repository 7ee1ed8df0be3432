"""Bugs in what is told: letters that leave twice, not at all, to the wrong person, or say too much."""

from __future__ import annotations

from tests.sabotage.bug import Bug

_SERVICE = "services/notifications"
_UNIT = "tests/unit/notifications"
_TESTS = "tests/integration/notifications"

BUGS = (
    Bug(
        "a letter that was begun counts as sent",
        f"{_SERVICE}/decide.py",
        "Mark.STARTED: State.IN_DOUBT,",
        "Mark.STARTED: State.SENT,",
        "after a crash a customer counts as told of whom nobody knows",
        (f"{_UNIT}/test_decide.py::test_after_a_crash_only_what_was_started_without_a_reply_is_in_doubt",),
    ),
    Bug(
        "a letter whose reply is lost is sent again",
        f"{_SERVICE}/smtp.py",
        'self._settle(dotted, InDoubt(f"no reply to the final dot: {reason}"))',
        'self._settle(dotted, Deferred(f"no reply to the final dot: {reason}"))',
        "a customer is written to twice whenever a connection dies after the final dot",
        ("tests/integration/test_mailer_in_trouble.py::test_trouble_after_the_final_dot_leaves_one_letter_in_doubt",),
    ),
    Bug(
        "a letter in doubt is tried again after a while",
        f"{_SERVICE}/decide.py",
        "            return Settled(State.IN_DOUBT, None, reason)\n",
        "            return Settled(State.PENDING, wait_after(attempts), reason)\n",
        "a customer is written to twice, ten times at worst",
        (f"{_UNIT}/test_decide.py::test_an_attempt_moves_a_letter_on",),
    ),
    Bug(
        "the final dot is sent before it is noted",
        f"{_SERVICE}/journal.py",
        "                self._begin()\n            self.flush()\n",
        "                self._begin()\n",
        "after kill -9 letters that left look as if they had never been begun: they are sent again",
        (
            f"{_UNIT}/test_journal.py::test_a_started_letter_is_on_disk_at_once_and_replies_after_a_flush",
            "tests/integration/test_mailer_killed.py::test_only_letters_between_dot_and_reply_are_in_doubt",
        ),
    ),
    Bug(
        "a refusal for now is one for good",
        f"{_SERVICE}/replies.py",
        "    if 400 <= reply.code < 500:\n        return Deferred(reply.note)\n",
        "    if 400 <= reply.code < 500:\n        return Failed(reply.note)\n",
        "a greylisting relay costs a million customers their letter",
        (f"{_UNIT}/test_replies.py::test_the_reply_to_the_final_dot_decides",),
    ),
    Bug(
        "a refusal for now is tried for ever",
        f"{_SERVICE}/decide.py",
        "if tried and attempts >= attempts_at_most:",
        "if tried and attempts < 0:",
        "a mailbox that is always full keeps its letter, and the books, open for good",
        (f"{_UNIT}/test_decide.py::test_an_attempt_moves_a_letter_on",),
    ),
    Bug(
        "a line that begins with a dot loses it",
        f"{_SERVICE}/relay.py",
        'data = data.replace(b"\\n.", b"\\n..")',
        'data = data.replace(b"\\n.\\r", b"\\n..\\r")',
        "letters arrive with changed words, or end in the middle",
        ("tests/integration/test_mailer.py::test_dots_at_line_starts_arrive_unharmed",),
    ),
    Bug(
        "each event makes a details letter of its own",
        f"{_SERVICE}/handlers.py",
        "letter_id(event.incident_id, event.customer_id, kind), event.incident_id,",
        "letter_id(event.incident_id, event.customer_id, kind, message.event_id), event.incident_id,",
        "a customer with three answers gets three letters",
        (f"{_TESTS}/test_adjustments.py::test_answers_before_it_leaves_are_told_in_one_letter",),
    ),
    Bug(
        "what comes after the details is told to nobody",
        f"{_SERVICE}/correspondence.py",
        '            news = news.only("outcomes", left_open)\n        self._correct(news, drill)\n',
        '            news = news.only("outcomes", left_open)\n        letter.join(news.noted())\n',
        "a customer never hears of what an amendment has given him",
        (f"{_UNIT}/test_correspondence.py::test_additions_after_the_details_join_the_correction_that_has_not_left",),
    ),
    Bug(
        "a name stands in a header",
        f"{_SERVICE}/letters.py",
        'f"To: {_gap(_TO)}",',
        "f'To: \"{_gap(_NAME)}\" <{_gap(_TO)}>',",
        "a name that somebody chose well puts a Bcc into a provider's mail",
        (f"{_UNIT}/test_letters.py::test_the_headers_are_exactly_these",),
    ),
    Bug(
        "a relay's reply is logged with the address in it",
        f"{_SERVICE}/sender.py",
        "                    for letter_id, result in batch:\n",
        "                    for letter_id, result in batch:\n"
        '                        log.info("settled", letter_id=str(letter_id), reply=result[0])\n',
        "addresses stand in logs that are kept and shared",
        (f"{_TESTS}/test_process.py::test_names_and_addresses_stand_in_no_log_line_and_in_no_event",),
    ),
    Bug(
        "a customer who was forgotten is still known",
        f"{_SERVICE}/handlers.py",
        "        await store.forget(forgotten)\n",
        "",
        "after an erasure his name and address are still there, and letters still go to him",
        (
            f"{_TESTS}/test_profiles.py::test_nothing_in_the_database_names_a_customer_who_is_forgotten",
            f"{_TESTS}/test_profiles.py::test_a_customer_who_is_forgotten_gets_no_letter_any_more",
        ),
    ),
    Bug(
        "letters of a paused incident leave",
        f"{_SERVICE}/queries.sql",
        "    WHERE NOT EXISTS (SELECT FROM pause WHERE pause.incident_id = incident.incident_id AND paused)\n",
        "",
        "a person stops the letters because they are wrong, and they go on",
        (f"{_TESTS}/test_pauses_and_drills.py::test_no_letter_of_a_paused_incident_leaves_until_it_is_resumed",),
    ),
    Bug(
        "letters of a retracted incident leave",
        f"{_SERVICE}/queries.sql",
        " AND due_at <= now() AND revision >= open.since\n",
        " AND due_at <= now()\n",
        "customers are told of remedies that were taken back",
        (
            f"{_TESTS}/test_retractions.py"
            "::test_after_a_retraction_no_letter_leaves_and_all_are_cancelled_some_at_a_time",
        ),
    ),
    Bug(
        "a drill is a drill only where its letter says so",
        f"{_SERVICE}/queries.sql",
        "drill = letter.drill OR due.drill\n",
        "drill = letter.drill\n",
        "letters of a rehearsal reach customers",
        (f"{_TESTS}/test_pauses_and_drills.py::test_one_mark_of_a_drill_is_enough_to_keep_a_letter_from_the_relay",),
    ),
    Bug(
        "a letter is settled again by whoever had it before",
        f"{_SERVICE}/queries.sql",
        "WHERE letter.letter_id = new.letter_id AND letter.state = 'sending'\n",
        "WHERE letter.letter_id = new.letter_id\n",
        "a letter in doubt is pending again, and goes out twice",
        (f"{_TESTS}/test_workers.py::test_a_worker_that_comes_back_after_its_lease_changes_nothing_that_is_settled",),
    ),
)
