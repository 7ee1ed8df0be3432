"""Bugs in what is applied: dates, vouchers, credits, what is taken back, and that each remedy is applied once."""

from __future__ import annotations

from tests.sabotage.bug import Bug

_SERVICE = "services/billing"
_UNIT = "tests/unit/billing"
_TESTS = "tests/integration/billing"

BUGS = (
    Bug(
        "an extension sets what it should add to",
        f"{_SERVICE}/queries.sql",
        "SET extension_days = extension_days + added.days",
        "SET extension_days = added.days",
        "the second incident takes away the days of the first",
        (f"{_TESTS}/test_two_at_once.py::test_two_incidents_at_once_over_the_same_contracts_are_both_counted",),
    ),
    Bug(
        "fifteen days are 360 hours",
        f"{_SERVICE}/domain.py",
        "ends_on=self.ends_on and self.ends_on + more,",
        "ends_on=self.ends_on\n"
        "            and local_date(\n"
        '                datetime.combine(self.ends_on, datetime.min.time(), ZoneInfo("Europe/Rome")).astimezone(\n'
        '                    ZoneInfo("UTC")\n'
        "                )\n"
        "                + timedelta(hours=24 * days),\n"
        '                "Europe/Rome",\n'
        "            ),",
        "contracts that are extended over the end of summer time lose a day",
        (
            f"{_UNIT}/test_rules_of_the_trade.py::test_calendar_days_are_dates",
            f"{_UNIT}/test_extensions.py::test_an_extension_adds_calendar_days",
        ),
    ),
    Bug(
        "a scheduled cancellation stays where it is",
        f"{_SERVICE}/domain.py",
        "terminated_on=self.terminated_on and self.terminated_on + more,",
        "terminated_on=self.terminated_on,",
        "a customer who has given notice is told a new end and is cut off at the old one",
        (f"{_UNIT}/test_extensions.py::test_a_scheduled_cancellation_moves_with_the_extension",),
    ),
    Bug(
        "an expired contract is extended for a day more",
        f"{_SERVICE}/decide.py",
        "    if ends_on < today:\n",
        "    if ends_on < today - timedelta(days=1):\n",
        "a contract that is over comes back to life, and its days are invoiced",
        (f"{_UNIT}/test_extensions.py::test_an_extension_is_refused_for_what_came_first",),
    ),
    Bug(
        "today is when the event is processed",
        f"{_SERVICE}/decide.py",
        "now, zone = event.declared_at or received_at,",
        "now, zone = received_at,",
        "a replay refuses as expired what was applied in time",
        (f"{_UNIT}/test_today.py::test_the_declaration_counts_and_not_the_day_of_the_processing",),
    ),
    Bug(
        "anybody's contract is extended",
        f"{_SERVICE}/decide.py",
        "if contract is not None and contract.customer_id != event.customer_id:",
        "if contract is not None and not contract.customer_id:",
        "a customer is given, and told, what belongs to another one's contract",
        (
            f"{_UNIT}/test_extensions.py"
            "::test_an_extension_of_somebody_elses_contract_is_refused_and_tells_nothing_of_it",
        ),
    ),
    Bug(
        "a refusal has a substitute for its first reason alone",
        f"{_SERVICE}/decide.py",
        "if entry.reason in substitute.reasons:",
        "if entry.reason == substitute.reasons[0]:",
        "a customer whose days are refused gets nothing in their place",
        (f"{_UNIT}/test_substitutes.py::test_the_first_substitute_for_the_reason_counts",),
    ),
    Bug(
        "a remedy that stands twice in a batch is applied twice",
        f"{_SERVICE}/batch.py",
        "        self._seen.update(entry.entry_id for entry in entries)\n",
        "",
        "thirty days for fifteen, whenever Kafka repeats itself",
        (
            f"{_UNIT}/test_ledger_properties.py"
            "::test_the_days_of_one_remedy_are_counted_once_however_its_event_is_repeated_within_a_batch",
        ),
    ),
    Bug(
        "an entry is written without ON CONFLICT",
        f"{_SERVICE}/queries.sql",
        "    SELECT * FROM new_entry\n    ON CONFLICT (incident_id, customer_id, entry_id) DO NOTHING\n",
        "    SELECT * FROM new_entry\n",
        "good entitlements are set aside as poison when two workers meet",
        (f"{_TESTS}/test_two_at_once.py::test_the_same_event_at_two_workers_at_once_has_one_effect",),
    ),
    Bug(
        "contracts are read without a lock",
        f"{_SERVICE}/queries.sql",
        "FROM contract WHERE contract_id = ANY($1::text[]) ORDER BY contract_id FOR UPDATE;",
        "FROM contract WHERE contract_id = ANY($1::text[]) ORDER BY contract_id;",
        "of two incidents at once the second tells an end that leaves out the first one's days",
        (f"{_TESTS}/test_two_at_once.py::test_the_later_of_two_incidents_tells_the_end_after_both",),
    ),
    Bug(
        "a changed contract is not told again",
        f"{_SERVICE}/handlers.py",
        "        transaction.publish(topics.CONTRACTS, messages.contracts(settled.changed.values()))\n",
        "",
        "the invoice side never learns of the extension, and the next incident judges by the old end",
        (f"{_TESTS}/test_answers.py::test_each_changed_contract_is_republished_as_it_stands",),
    ),
    Bug(
        "a drill moves dates",
        f"{_SERVICE}/queries.sql",
        "AND contract_id IS NOT NULL AND NOT drill\n",
        "AND contract_id IS NOT NULL\n",
        "a rehearsal gives a whole customer base fifteen days",
        (f"{_TESTS}/test_life_in_the_books.py::test_a_drill_moves_nothing_and_issues_nothing",),
    ),
    Bug(
        "an account shows its largest entry",
        f"{_SERVICE}/queries.sql",
        "SELECT currency, sum(amount) AS amount FROM credit WHERE customer_id = $1",
        "SELECT currency, max(amount) AS amount FROM credit WHERE customer_id = $1",
        "a second credit overwrites the first, and what was taken back is still there",
        (f"{_TESTS}/test_life_in_the_books.py::test_an_account_is_the_sum_of_its_entries",),
    ),
    Bug(
        "a voucher is looked at before it is redeemed",
        f"{_SERVICE}/queries.sql",
        "WHERE code_hash = $1 AND redeemed_at IS NULL AND voided_at IS NULL AND valid_until >= "
        "($2 AT TIME ZONE $3)::date\n",
        "WHERE voucher_id = (SELECT voucher_id FROM voucher WHERE code_hash = $1 AND redeemed_at IS NULL\n"
        "                    AND voided_at IS NULL AND valid_until >= ($2 AT TIME ZONE $3)::date)\n",
        "of two merchants at once both are told to accept the same voucher",
        (f"{_TESTS}/test_two_at_once.py::test_of_two_who_redeem_a_voucher_at_once_one_wins",),
    ),
    Bug(
        "a code is made from what one process remembers",
        f"{_SERVICE}/vouchers.py",
        "keyed.update(entry_id.encode())",
        "keyed.update(str(hash(entry_id)).encode())",
        "after a restart a replay gives the customer another code than his letter",
        (f"{_UNIT}/test_vouchers.py::test_the_same_entry_has_the_same_code_in_every_process",),
    ),
    Bug(
        "a code's hash needs no key",
        f"{_SERVICE}/vouchers.py",
        'self._hash = hmac.new(secret, b"voucher hash", sha256)',
        'self._hash = sha256(b"voucher hash")',
        "whoever reads the database can try codes against it",
        (f"{_UNIT}/test_vouchers.py::test_the_hash_needs_the_key",),
    ),
    Bug(
        "a redeemed voucher is taken back",
        f"{_SERVICE}/reversals.py",
        'return "redeemed" if isinstance(standing.issued, Voucher) and standing.issued.redeemed else None',
        'return "redeemed" if not isinstance(standing.issued, Voucher) else None',
        "a customer who has spent it is told that he has not, and the books lose its value",
        (f"{_UNIT}/test_reversals.py::test_a_redeemed_voucher_is_never_taken_back",),
    ),
    Bug(
        "days that are over are taken back",
        f"{_SERVICE}/reversals.py",
        "return contract.extended(-days).last_day < today",
        "return contract.last_day < today",
        "a contract ends before today: service was given and is denied",
        (f"{_UNIT}/test_reversals.py::test_days_that_were_used_are_not_taken_back",),
    ),
    Bug(
        "a withdrawal that comes first is forgotten",
        f"{_SERVICE}/handlers.py",
        "        await store.hold(settled.held)\n",
        "",
        "what was retracted is applied all the same, and the books do not close",
        (f"{_TESTS}/test_reversals.py::test_a_withdrawal_that_comes_first_is_held_and_takes_effect_with_its_original",),
    ),
)
