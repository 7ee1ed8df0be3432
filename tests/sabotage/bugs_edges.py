"""Bugs where programs and people meet Amends: the events, the files, the command line."""

from __future__ import annotations

from tests.sabotage.bug import Bug

BUGS = (
    Bug(
        "a field that nobody knows is refused",
        "schemas/values.py",
        'extra="ignore", strict=True',
        'extra="forbid", strict=True',
        "the first service that is deployed with a new field stops all that are not",
        ("tests/contract/test_examples.py::test_an_example_survives_reading_and_writing",),
    ),
    Bug(
        "an id is made of its parts in another order",
        "schemas/ids.py",
        "return uuid5(incident_id, customer_id, target, rule)",
        "return uuid5(incident_id, customer_id, rule, target)",
        "after the deploy every grant is a new one: everybody is given everything again",
        ("tests/unit/entitlements/test_values.py::test_the_ids_of_the_books_never_change",),
    ),
    Bug(
        "an amount may be a float",
        "schemas/values.py",
        "if not isinstance(value, str) or not _AMOUNT.fullmatch(value):",
        "if not _AMOUNT.fullmatch(str(value)):",
        "0.1 + 0.2 comes into the books",
        ("tests/contract/test_examples.py::test_a_bad_example_is_refused_for_its_reason",),
    ),
    Bug(
        "line breaks within a value are no lines",
        "schemas/csv_rows.py",
        'line += 1 + sum(value.count("\\n") for value in row)',
        "line += 1",
        "an error names another line than the one that is wrong",
        ("tests/contract/test_csv_rows.py::test_lines_count_right_after_quoted_newlines_and_blank_lines",),
    ),
    Bug(
        "a gap that names no customer is none",
        "services/cli/books.py",
        '"closed": not gaps,',
        '"closed": not any(one.customers for one in gaps),',
        "books whose sums do not agree are said to close",
        ("tests/unit/cli/test_books.py::test_what_does_not_add_up_is_a_gap",),
    ),
    Bug(
        "reconcile ends with 0 though the books do not close",
        "services/cli/reconcile.py",
        'if not result["closed"]:\n        raise',
        'if not result["gaps"] and not result["closed"]:\n        raise',
        "the pipeline that asks goes on as if all were well",
        ("tests/unit/cli/test_reconciling.py::test_books_that_do_not_close_end_the_command_with_1",),
    ),
    Bug(
        "a command that has not done it ends with 0",
        "services/cli/main.py",
        "        sys.exit(1)\n",
        "        sys.exit(0)\n",
        "no script notices that nothing was imported or declared",
        ("tests/unit/cli/test_reconciling.py::test_a_command_that_cannot_do_it_ends_with_1",),
    ),
    Bug(
        "watch ends before the answers are letters",
        "services/cli/standing.py",
        "            and self.answered == self.taken_in\n",
        "",
        "whoever watches is told that everybody was told, while letters are still to be begun",
        ("tests/unit/cli/test_standing.py::test_it_is_not_done_while_anything_is_lacking",),
    ),
)
