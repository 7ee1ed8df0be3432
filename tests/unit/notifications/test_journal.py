"""The journal: what is known of a sender's letters after its death."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

import pytest

from services.notifications import journal as journals
from services.notifications.decide import Mark
from services.notifications.journal import RECORD_OCTETS, Journal, JournalError

A, B, C = (UUID(int=number) for number in (1, 2, 3))


def marks(folder: Path) -> dict[UUID, Mark] | None:
    """What a reader after the death would find."""
    return Journal.read(Journal.file(folder, "w1"))


def test_a_started_letter_is_on_disk_at_once_and_replies_after_a_flush(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "w1") as journal:
        journal.started(A)
        assert marks(tmp_path) == {A: Mark.STARTED}
        journal.accepted(A)
        journal.flush()
        assert marks(tmp_path) == {A: Mark.ACCEPTED}
        journal.started(B)
        journal.refused(B)
        journal.flush()
    assert marks(tmp_path) == {A: Mark.ACCEPTED, B: Mark.REFUSED}


def test_the_next_start_carries_the_last_reply_with_it(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "w1") as journal:
        journal.started(A)
        journal.accepted(A)
        journal.started(B)
        assert marks(tmp_path) == {A: Mark.ACCEPTED, B: Mark.STARTED}


def test_the_last_mark_counts(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "w1") as journal:
        for _ in range(2):
            journal.started(A)
            journal.refused(A)
        journal.started(A)
    assert marks(tmp_path) == {A: Mark.STARTED}


@pytest.mark.parametrize("torn", range(1, RECORD_OCTETS))
def test_a_torn_last_record_is_passed_over_and_cut_off(tmp_path: Path, torn: int) -> None:
    with Journal.open(tmp_path, "w1") as journal:
        journal.started(A)
        journal.started(B)
    path = Journal.file(tmp_path, "w1")
    os.truncate(path, path.stat().st_size - torn)
    assert marks(tmp_path) == {A: Mark.STARTED}
    with Journal.open(tmp_path, "w1") as journal:
        journal.started(C)
    assert marks(tmp_path) == {A: Mark.STARTED, C: Mark.STARTED}


def test_a_missing_journal_says_nothing(tmp_path: Path) -> None:
    assert marks(tmp_path) is None


def test_a_new_journal_says_nothing_until_it_is_begun(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "w1") as journal:
        assert marks(tmp_path) is None
        journal.forget(())
        assert marks(tmp_path) == {}


def test_a_journal_of_another_boot_may_have_lost_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.open(tmp_path, "w1") as journal:
        journal.started(A)
    boot = tmp_path / "boot_id"
    boot.write_text(str(UUID(int=77)))
    monkeypatch.setattr(journals, "_BOOT_ID", boot)
    assert marks(tmp_path) is None
    with Journal.open(tmp_path, "w1") as journal:
        assert marks(tmp_path) is None
        journal.forget(())
        journal.started(B)
    assert marks(tmp_path) == {B: Mark.STARTED}


def test_a_damaged_journal_is_not_believed(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "w1") as journal:
        journal.started(A)
        journal.started(B)
    path = Journal.file(tmp_path, "w1")
    content = bytearray(path.read_bytes())
    content[2 * RECORD_OCTETS - 1] = 0
    path.write_bytes(content)
    with pytest.raises(JournalError, match="damaged at octet 33"):
        marks(tmp_path)
    with pytest.raises(JournalError, match="damaged"):
        Journal.open(tmp_path, "w1")


def test_two_processes_never_share_a_journal(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "w1"), pytest.raises(JournalError, match="already running"):
        Journal.open(tmp_path, "w1")
    Journal.open(tmp_path, "w1").close()


def test_it_starts_anew_once_the_database_knows_everything(tmp_path: Path) -> None:
    with Journal.open(tmp_path, "w1") as journal:
        journal.started(A)
        with pytest.raises(JournalError, match=r"1 letters .* without a reply"):
            journal.truncate()
        assert marks(tmp_path) == {A: Mark.STARTED}
        journal.accepted(A)
        journal.truncate()
        assert marks(tmp_path) == {}
        journal.started(B)
    assert marks(tmp_path) == {B: Mark.STARTED}


def test_forgetting_some_letters_keeps_the_others_and_the_file_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "COMPACT_ABOVE_OCTETS", 1000)
    with Journal.open(tmp_path, "w1") as journal:
        journal.started(A)
        for number in range(100, 200):
            letter = UUID(int=number)
            journal.started(letter)
            journal.accepted(letter)
            journal.forget([letter])
            assert Journal.file(tmp_path, "w1").stat().st_size <= 1000 + 2 * RECORD_OCTETS
        assert marks(tmp_path) is not None
        journal.started(B)
        journal.accepted(B)
        with pytest.raises(JournalError, match="already running"):
            Journal.open(tmp_path, "w1")
    found = marks(tmp_path)
    assert found is not None
    assert (found[A], found[B]) == (Mark.STARTED, Mark.ACCEPTED)
    with Journal.open(tmp_path, "w1") as journal:
        journal.forget([*found])
    assert marks(tmp_path) == {}


def test_a_start_that_cannot_be_written_is_no_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Journal.open(tmp_path, "w1") as journal:
        journal.started(A)
        journal.accepted(A)
        real = os.write
        monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:20]))
        with pytest.raises(OSError, match="No space left"):
            journal.started(B)
        monkeypatch.undo()
        assert marks(tmp_path) == {A: Mark.STARTED}
    assert marks(tmp_path) == {A: Mark.ACCEPTED}


@pytest.mark.parametrize("worker", ["", "../x", "a/b", ".hidden", "a" * 65, "a\n"])
def test_a_worker_id_is_a_plain_file_name(tmp_path: Path, worker: str) -> None:
    with pytest.raises(ValueError, match="no worker id"):
        Journal.file(tmp_path, worker)
