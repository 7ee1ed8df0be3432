"""Bugs in how a plan is run: what it waits for, who answers for it, what it may cost, who decides a chunk."""

from __future__ import annotations

from tests.sabotage.bug import Bug

_SERVICE = "services/entitlements"
_TESTS = "tests/integration/entitlements"

BUGS = (
    Bug(
        "a plan does not wait until what was published is read",
        f"{_SERVICE}/plan.py",
        "if not await positions.reached(connection, topics.CONTRACTS, ends):",
        "if not ends:",
        "customers whose contracts were on their way when the incident was declared are missed",
        (f"{_TESTS}/test_barrier.py::test_a_plan_waits_until_what_was_published_is_read",),
    ),
    Bug(
        "the budget is looked at after the chunk",
        f"{_SERVICE}/worker.py",
        "beyond = gates.beyond(allowed, spent, more)",
        "beyond = gates.beyond(allowed, {}, spent)",
        "a run goes past its ceiling by a chunk before it halts",
        (
            f"{_TESTS}/test_orders.py"
            "::test_a_run_halts_before_the_chunk_that_would_cross_the_ceiling_and_goes_on_when_approved",
        ),
    ),
    Bug(
        "only the first declarer may not approve",
        f"{_SERVICE}/orders.py",
        "{statement.declared_by for statement in statements}",
        "{statements[0].declared_by}",
        "whoever widened an incident approves its cost himself",
        (f"{_TESTS}/test_orders.py::test_whoever_declared_a_later_revision_may_not_approve_either",),
    ),
    Bug(
        "any plan's hash approves the plan that waits",
        f"{_SERVICE}/orders.py",
        'if plan["hash"] != approval.plan:',
        'if plan["hash"] is None:',
        "a person approves ten thousand euro and answers for a million",
        (f"{_TESTS}/test_orders.py::test_an_approval_that_does_not_count_is_refused_and_kept",),
    ),
    Bug(
        "the rest does not wait for the canary",
        f"{_SERVICE}/queries.sql",
        "AND (state = 'running' OR (state = 'canary' AND canary) OR (state = 'forecasting' "
        "AND chunk.forecast IS NULL))\nORDER BY chunk.incident_id",
        "AND (state IN ('running', 'canary') OR (state = 'forecasting' AND chunk.forecast IS NULL))\n"
        "ORDER BY chunk.incident_id",
        "a million customers are granted what was to be tried on a hundred",
        (f"{_TESTS}/test_orders.py::test_the_rest_follows_the_canary_when_a_person_has_approved_it",),
    ),
    Bug(
        "a paused incident's chunks are decided all the same",
        f"{_SERVICE}/queries.sql",
        "WHERE NOT paused AND NOT held AND chunk.done_at IS NULL",
        "WHERE NOT held AND chunk.done_at IS NULL",
        "an incident that was stopped by a person goes on",
        (f"{_TESTS}/test_orders.py::test_a_paused_incident_stands_still_until_it_is_resumed",),
    ),
    Bug(
        "a chunk is decided beside whoever holds it",
        f"{_SERVICE}/queries.sql",
        " FOR UPDATE OF chunk SKIP LOCKED;",
        ";",
        "two workers decide the same customers; one of them for nothing, or both are told",
        (f"{_TESTS}/test_chunks.py::test_a_chunk_that_somebody_holds_is_left_to_him",),
    ),
    Bug(
        "an entry that somebody else wrote is told once more",
        f"{_SERVICE}/store.py",
        "if written != len(entries):",
        "if written > len(entries):",
        "what another run had granted meanwhile is granted, counted and published twice",
        (f"{_TESTS}/test_reruns.py::test_of_two_runs_that_meet_at_a_customer_the_later_decides_again",),
    ),
    Bug(
        "an older telling of a contract overwrites a newer one",
        f"{_SERVICE}/queries.sql",
        "WHERE contract.version <= excluded.version;",
        "WHERE contract.version IS NOT NULL;",
        "customers are judged by contracts as they were before",
        (f"{_TESTS}/test_projection.py::test_the_higher_version_stays_whatever_the_order",),
    ),
    Bug(
        "a revision with another body is passed over in silence",
        f"{_SERVICE}/revisions.py",
        "    if first == in_short:\n",
        "    if first is not None:\n",
        "two systems that declare one incident differently never learn of it",
        (f"{_TESTS}/test_declarations.py::test_the_same_revision_with_another_body_is_set_aside_and_the_first_stands",),
    ),
    Bug(
        "a drill's progress is not marked",
        f"{_SERVICE}/worker.py",
        "drills = [chunk.run.incident_id] if drill else []",
        "drills: list[str] = []",
        "whoever watches takes a drill for an incident",
        (f"{_TESTS}/test_life.py::test_a_drill_is_marked_wherever_it_goes",),
    ),
    Bug(
        "what was taken back is still spent",
        f"{_SERVICE}/worker.py",
        "{withdrawn.currency: -withdrawn.quantity}",
        "{withdrawn.currency: 0 * withdrawn.quantity}",
        "an incident that was narrowed halts at its ceiling although it costs less",
        (f"{_TESTS}/test_orders.py::test_what_was_taken_back_is_no_longer_spent",),
    ),
)
