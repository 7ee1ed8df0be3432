"""Named statements are found in a `queries.sql`, each by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.runtime.database import queries
from services.runtime.errors import AmendsError


def write(folder: Path, text: str) -> Path:
    file = folder / "queries.sql"
    file.write_text(text)
    return file


def test_each_statement_stands_under_its_name(tmp_path: Path) -> None:
    found = queries(write(tmp_path, "-- one: The first\nSELECT 1;\n\n-- two: The second\nSELECT\n  2;\n"))
    assert list(found) == ["one", "two"]
    assert found["one"].endswith("SELECT 1")
    assert found["two"].endswith("SELECT\n  2")


def test_a_comment_that_is_no_head_stays_in_its_statement(tmp_path: Path) -> None:
    (text,) = queries(write(tmp_path, "-- one: The first\n-- because it must\nSELECT 1;\n")).values()
    assert "because it must" in text


def test_two_statements_of_one_name_are_refused(tmp_path: Path) -> None:
    file = write(tmp_path, "-- one: The first\nSELECT 1;\n-- one: Again\nSELECT 2;\n")
    with pytest.raises(AmendsError, match=r"queries\.sql: two queries have the same name"):
        queries(file)
