"""Records of a quarantine in words: nothing that they say can move the cursor of whoever looks at them."""

from __future__ import annotations

import pytest

from services.cli.records import in_short, visible


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("plain é 日本\nsecond line", "plain é 日本\nsecond line"),
        ("\x1b[2J\x1b]0;title\x07", "\\x1b[2J\\x1b]0;title\\x07"),
        ("a\rb\tc\x00", "a\\rb\\tc\\x00"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
    ],
)
def test_what_is_no_printable_character_is_written_out(said: str, shown: str) -> None:
    assert visible(said) == shown


def test_a_summary_names_every_result_and_none_that_did_not_occur() -> None:
    assert in_short({"applied": 1_200, "refused": 3, "dropped": 0}) == "1,200 applied, 3 refused again"
    assert in_short({}) == "nothing to do"
