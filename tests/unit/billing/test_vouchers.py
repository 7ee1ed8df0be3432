"""Voucher codes: derived, unguessable, hard to mistype, unknown to whoever reads the database."""

from __future__ import annotations

import hmac
import re
from collections import Counter
from hashlib import sha256
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.billing.vouchers import ALPHABET, Codes, check_character, is_well_formed, plain
from tests.unit.billing.builders import CODES, SECRET

ENTRY = "f2189bd2-8f4e-5a40-a78d-9d6bd51b4dd9"
entries = st.uuids().map(str)


@given(entries)
def test_a_code_is_three_groups_of_six_unambiguous_letters(entry: str) -> None:
    assert re.fullmatch("[2-9A-HJ-NP-Z]{6}(-[2-9A-HJ-NP-Z]{6}){2}", CODES.code(entry))


def test_the_alphabet_has_32_letters_and_none_that_looks_like_another() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET) == 32
    assert not set("0O1I") & set(ALPHABET)


def test_a_code_carries_at_least_80_bits() -> None:
    letters_beside_the_check = len(plain(CODES.code(ENTRY))) - 1
    assert letters_beside_the_check * 5 >= 80


@given(entries)
def test_the_check_character_finds_every_single_wrong_letter(entry: str) -> None:
    letters = plain(CODES.code(entry))
    for at, right in enumerate(letters):
        for wrong in ALPHABET:
            if wrong != right:
                assert not is_well_formed(letters[:at] + wrong + letters[at + 1 :])


@given(entries)
def test_the_check_character_finds_swapped_neighbours(entry: str) -> None:
    """All but the one pair that Luhn's algorithm takes for its own mirror image: the first and the last letter."""
    letters = plain(CODES.code(entry))
    for at in range(len(letters) - 1):
        a, b = letters[at], letters[at + 1]
        if a != b and {a, b} != {ALPHABET[0], ALPHABET[-1]}:
            assert not is_well_formed(letters[:at] + b + a + letters[at + 2 :])


@given(entries)
def test_a_code_is_well_formed_however_it_is_typed(entry: str) -> None:
    code = CODES.code(entry)
    typed = [code, code.lower(), plain(code), plain(code).lower(), code.replace("-", " "), f" {code} "]
    assert all(is_well_formed(way) for way in typed)
    assert {CODES.hashed(way) for way in typed} == {CODES.hashed(code)}


@pytest.mark.parametrize("wrong", ["", "-", "ABC", "0" * 18, CODES.code(ENTRY)[:-1], CODES.code(ENTRY) + "2", "È" * 18])
def test_what_cannot_be_a_code_is_not_well_formed(wrong: str) -> None:
    assert not is_well_formed(wrong)


def test_a_letter_that_is_not_in_the_alphabet_is_found_wherever_it_stands() -> None:
    letters = plain(CODES.code(ENTRY))
    assert not any(is_well_formed(letters[:at] + "O" + letters[at + 1 :]) for at in range(len(letters)))


def test_the_same_entry_has_the_same_code_in_every_process() -> None:
    """Fixed here, so that a change of the derivation, which would void every replay, cannot pass unseen."""
    assert Codes(SECRET).code(ENTRY) == CODES.code(ENTRY) == "2KH4EA-SKHHUB-LHDTW8"


def test_another_entry_or_another_secret_has_another_code() -> None:
    other_secret = Codes(bytes(reversed(SECRET)))
    assert len({CODES.code(ENTRY), CODES.code(str(UUID(int=1))), other_secret.code(ENTRY)}) == 3


def test_the_hash_needs_the_key() -> None:
    code = CODES.code(ENTRY)
    hashed = CODES.hashed(code)
    assert hashed != sha256(plain(code).encode()).digest()
    assert hashed != sha256(code.encode()).digest()
    assert hashed != Codes(bytes(reversed(SECRET))).hashed(code)


def test_the_hash_does_not_hold_the_code_and_is_not_the_key_of_the_derivation() -> None:
    code = CODES.code(ENTRY)
    hashed = CODES.hashed(code)
    assert len(hashed) == 32
    assert plain(code).encode() not in hashed
    assert hashed != hmac.new(SECRET, b"voucher code" + plain(code).encode(), sha256).digest()
    assert hashed != hmac.new(SECRET, b"voucher code" + ENTRY.encode(), sha256).digest()


def test_a_hundred_thousand_entries_have_as_many_codes() -> None:
    codes = {CODES.code(str(UUID(int=number))) for number in range(100_000)}
    assert len(codes) == 100_000


def test_every_letter_is_as_likely_as_any_other() -> None:
    """Bits that were cut off wrongly would show as letters that are rare or never come."""
    codes = [plain(CODES.code(str(UUID(int=number)))) for number in range(20_000)]
    for at in range(18):
        counts = Counter(code[at] for code in codes)
        assert len(counts) == 32
        assert 500 < min(counts.values()) <= max(counts.values()) < 760  # 625 each, give or take five deviations


@pytest.mark.parametrize("secret", [b"", b"short", bytes(31)])
def test_a_secret_that_is_too_short_is_refused(secret: bytes) -> None:
    with pytest.raises(ValueError, match="32"):
        Codes(secret)


def test_the_check_character_is_luhns() -> None:
    """Worked by hand, base 32 with 2 = 0 … Z = 31, doubling every second letter from the right, the last one first.

    A = 8: doubled 16, so 16 is missing to 32: the letter J. B = 9, A = 8: 9 + 16 = 25, 7 are missing: the letter 9.
    Z = 31: doubled 62 = 1·32 + 30, its digits add up to 31, 1 is missing: the letter 3.
    """
    assert (check_character("A"), check_character("BA"), check_character("Z")) == (ALPHABET[16], ALPHABET[7], "3")
