"""Voucher codes: derived, unguessable, hard to mistype, and unknown to whoever reads the database.

A code is derived from its entry in the ledger, which derives from the grant, with a secret (HMAC-SHA-256), so that a
replay yields the same code: 85 bits in an alphabet without ambiguous letters (no 0 O 1 I), and a check character that
finds every single wrong character and nearly every swap of two neighbours (Luhn's algorithm in base 32). The database
keeps only a hash of it under another key.
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TypeAlias

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_VALUE = {letter: value for value, letter in enumerate(ALPHABET)}
_LENGTH = 17
# What doubling a digit adds in Luhn's sum, base 32: 2d, its two digits added up.
_DOUBLED = [(2 * d) // 32 + (2 * d) % 32 for d in range(32)]
# Ten bits at a time: the two letters, and what they add to the sum (the first of them is doubled).
_PAIRS = [(ALPHABET[bits >> 5] + ALPHABET[bits & 31], _DOUBLED[bits >> 5] + (bits & 31)) for bits in range(1024)]


class Codes:
    """Makes codes and their hashes from one secret."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < 32:
            raise ValueError(f"the voucher secret has {len(secret)} bytes: it needs at least 32")
        # Keyed digests that are copied for each code: the key schedule is done once.
        self._code = hmac.new(secret, b"voucher code", sha256)
        self._hash = hmac.new(secret, b"voucher hash", sha256)

    def code(self, entry_id: str) -> str:
        """The code of an entry's voucher, such as ABCDEF-GHJKLM-NPQRST."""
        keyed = self._code.copy()
        keyed.update(entry_id.encode())
        bits = int.from_bytes(keyed.digest()[:11], "big")
        letters, total = "", 0
        for _ in range(_LENGTH // 2):
            pair, share = _PAIRS[bits & 1023]
            letters += pair
            total += share
            bits >>= 10
        last = bits & 31
        letters += ALPHABET[last] + ALPHABET[-(total + _DOUBLED[last]) % 32]
        return f"{letters[:6]}-{letters[6:12]}-{letters[12:]}"

    def hashed(self, code: str) -> bytes:
        """The keyed hash of a code, however it was typed: what the database keeps and looks up."""
        keyed = self._hash.copy()
        keyed.update(plain(code).encode())
        return keyed.digest()


class Placeholder:
    """Stands where a code would: for a voucher that is only rehearsed. It redeems nothing."""

    def __init__(self, text: str) -> None:
        self._text = text

    def code(self, _: str) -> str:
        """The same for every entry."""
        return self._text

    def hashed(self, _: str) -> bytes:
        """No code has this hash."""
        return b""


CodeSource: TypeAlias = Codes | Placeholder
DRILL = Placeholder("DRILL")
TRIAL = Placeholder("TRIAL")


def plain(code: str) -> str:
    """A code without its grouping, in capitals."""
    return code.replace("-", "").replace(" ", "").upper()


def check_character(letters: str) -> str:
    """Luhn's check character, base 32, for the letters of a code."""
    values = [_VALUE[letter] for letter in letters]
    total = sum(values[-2::-2]) + sum(_DOUBLED[value] for value in values[-1::-2])
    return ALPHABET[-total % 32]


def is_well_formed(code: str) -> bool:
    """Whether a typed code can be one at all: its length, its letters, its check character."""
    letters = plain(code)
    return (
        len(letters) == _LENGTH + 1
        and all(letter in _VALUE for letter in letters)
        and check_character(letters[:-1]) == letters[-1]
    )
