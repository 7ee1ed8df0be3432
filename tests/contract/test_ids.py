"""The ids on the wire: what each is made of, and that those of before are found again."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.ids import NAMESPACE, entry_id, grant_id, letter_id, substitute_id, uuid5, withdrawal_id

GRANT = grant_id("aruba-2011-04-29", "C-0000001", "K-0000001", "extra-days")
ENTRY = entry_id(GRANT, 1)


def by_the_standard(*parts: str) -> str:
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_an_id_is_the_standards_uuid5(parts: list[str]) -> None:
    assert uuid5(*parts) == by_the_standard(*parts)


def test_a_withdrawal_is_named_by_the_entry_withdrawn_and_the_revision() -> None:
    assert withdrawal_id(ENTRY, 3) == by_the_standard(ENTRY, "3", "withdrawal")


def test_a_substitute_is_named_by_the_grant_in_whose_place_it_stands() -> None:
    assert substitute_id(GRANT) == by_the_standard(GRANT, "substitute")


def test_the_ids_of_withdrawals_and_substitutes_never_change() -> None:
    """Ids that were published are looked up for ever: this fails when the name space or the recipe changes."""
    assert withdrawal_id(ENTRY, 3) == WITHDRAWAL
    assert substitute_id(GRANT) == SUBSTITUTE
    assert entry_id(SUBSTITUTE, 1) == SUBSTITUTES_ENTRY


WITHDRAWAL = "40934a37-2683-5d65-86af-7801773eaf5f"
SUBSTITUTE = "bbc64434-19dd-5e8d-b23a-2a0d11f7d5a9"
SUBSTITUTES_ENTRY = "b067a153-8fef-5352-aee4-de55ca10398a"


def test_letters_of_one_kind_are_told_apart_by_which() -> None:
    assert letter_id("inc", "C1", "correction") == by_the_standard("letter", "inc", "C1", "correction")
    assert letter_id("inc", "C1", "correction", "3") == by_the_standard("letter", "inc", "C1", "correction", "3")


@pytest.mark.parametrize("revision", [1, 2, 11])
def test_an_entry_its_withdrawal_and_its_substitute_never_share_an_id(revision: int) -> None:
    substitute = substitute_id(GRANT)
    names = [
        GRANT,
        substitute,
        *[entry_id(grant, stamp) for grant in (GRANT, substitute) for stamp in range(1, revision + 1)],
        *[withdrawal_id(entry_id(GRANT, stamp), revision) for stamp in range(1, revision + 1)],
    ]
    assert len(set(names)) == len(names)
