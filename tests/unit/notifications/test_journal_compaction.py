"""A compaction that fails half-way: marks still go where a reader looks for them, and the next one succeeds."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from services.notifications import journal as journals
from services.notifications.decide import Mark
from services.notifications.journal import RECORD_OCTETS, Journal

OLD, KEPT, NEW = (UUID(int=number) for number in (1, 2, 3))
Rename = Callable[[Path, Path], Path]


def refused(rename: Rename, fresh: Path, path: Path) -> Path:
    """The disk does not rename."""
    raise OSError(errno.EIO, "no rename")


def renamed_and_refused(rename: Rename, fresh: Path, path: Path) -> Path:
    """The disk renames, and says that it has not."""
    rename(fresh, path)
    raise OSError(errno.EIO, "no rename")


@pytest.mark.parametrize("fails", [refused, renamed_and_refused])
def test_a_compaction_that_fails_loses_no_mark_and_the_next_one_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[[Rename, Path, Path], Path]
) -> None:
    monkeypatch.setattr(journals, "COMPACT_ABOVE_OCTETS", 2 * RECORD_OCTETS)
    path = Journal.file(tmp_path, "w1")
    with Journal.open(tmp_path, "w1") as journal:
        journal.started(OLD)
        journal.started(KEPT)
        with monkeypatch.context() as broken:
            rename: Rename = Path.replace
            broken.setattr(Path, "replace", lambda fresh, target: fails(rename, fresh, target))
            with pytest.raises(OSError, match="no rename"):
                journal.forget([OLD])
        journal.started(NEW)
        found = Journal.read(path)
        assert found is not None
        assert found | {OLD: Mark.STARTED} == {OLD: Mark.STARTED, KEPT: Mark.STARTED, NEW: Mark.STARTED}
        journal.forget([OLD])
        assert Journal.read(path) == {KEPT: Mark.STARTED, NEW: Mark.STARTED}
        with pytest.raises(journals.JournalError):
            Journal.open(tmp_path, "w1")
