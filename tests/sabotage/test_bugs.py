"""The list of bugs does not rot: each fits the source as it is now, and names tests that are there.

Whether they are caught is `make sabotage`'s to say.
"""

from __future__ import annotations

import ast
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from services.runtime.database import queries
from tests.sabotage.bug import Bug
from tests.sabotage.bugs import BUGS
from tests.sabotage.copies import PROJECT
from tests.sabotage.run import Outcome, table
from tests.sabotage.trial import Verdict, caught_by

each_bug = pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "_"))


@each_bug
def test_a_bug_fits_into_the_source_as_it_is(bug: Bug, tmp_path: Path) -> None:
    path = PROJECT / bug.file
    text = bug.put_in(path.read_text())
    assert text != path.read_text()
    if path.suffix == ".sql":
        spoilt = tmp_path / "queries.sql"
        spoilt.write_text(text)
        before, after = queries(path), queries(spoilt)
        assert sum(before[name] != after[name] for name in before) == 1, "it changes one statement"
    else:
        compile(text, bug.file, "exec")
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(path.read_text())), "it changes more than words"


@each_bug
def test_the_tests_that_are_to_catch_it_are_there(bug: Bug) -> None:
    assert bug.caught_by
    for test in bug.caught_by:
        file, _, name = test.partition("::")
        assert name in functions(PROJECT / file), test


@lru_cache
def functions(file: Path) -> frozenset[str]:
    """The functions of a file, at its top."""
    found = ast.parse(file.read_text()).body
    return frozenset(one.name for one in found if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))


def test_there_are_enough_of_them_in_every_part_and_no_two_alike() -> None:
    assert len(BUGS) >= 40
    assert Counter(bug.name for bug in BUGS).most_common(1)[0][1] == 1
    assert Counter((bug.file, bug.old) for bug in BUGS).most_common(1)[0][1] == 1
    parts = Counter(bug.part for bug in BUGS)
    assert set(parts) == {"runtime", "entitlements", "billing", "notifications", "schemas", "cli"}
    assert min(parts[part] for part in ("runtime", "entitlements", "billing", "notifications")) >= 8


def test_a_text_that_is_not_there_once_is_refused() -> None:
    bug = Bug("a bug", "services/x.py", "a = 1", "a = 2", "harm", ("tests/x.py::test_x",))
    assert bug.put_in("a = 1\n") == "a = 2\n"
    for text in ("a = 2\n", "a = 1\na = 1\n"):
        with pytest.raises(ValueError, match="stands there"):
            bug.put_in(text)


@pytest.mark.parametrize(
    ("verdict", "caught"),
    [
        ({"failed": (("t::a", "assert 1 == 2"),)}, True),
        ({"failed": (("t::other", "assert 1 == 2"), ("t::a", "Failed: DID NOT RAISE"))}, True),
        ({"passed": True}, False),
        ({"failed": (("t::other", "assert 1 == 2"),)}, False),
        ({"failed": (("t::a", "asyncpg.exceptions.UndefinedColumnError: column nxt does not exist"),)}, False),
        ({"failed": (("t::a", "NameError: name 'nxt' is not defined"),)}, False),
        ({"trouble": "ERROR t.py: not collected"}, False),
        ({"trouble": "did not end within 180 s", "failed": (("t::a", "assert 1 == 2"),)}, False),
    ],
)
def test_a_bug_is_caught_by_a_test_that_failed_for_what_it_is_for(verdict: dict[str, Any], caught: bool) -> None:
    assert (caught_by(Verdict(**{"passed": False} | verdict), ("t::a",)) is not None) is caught


def test_what_was_not_caught_stands_in_the_table() -> None:
    told = table([Outcome(BUGS[0], BUGS[0].caught_by[0], "assert", 3.0), Outcome(BUGS[1], None, "its tests passed", 9)])
    head, first, second = told.splitlines()
    assert head.split() == ["PART", "BUG", "S", "CAUGHT", "BY"]
    assert first.endswith(f"3  {BUGS[0].caught_by[0].removeprefix('tests/')}")
    assert second.endswith("9  NOT CAUGHT: its tests passed")
