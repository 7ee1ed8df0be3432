"""What a letter says, read out of its two parts as a customer would; shares no code with the service that wrote it.

Leaves to the tests what it must say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from babel.dates import format_date

from tests.e2e.outside import Received

_CONTRACT = re.compile(r"\b[KL]\d{7}-\d+\b")
_CODE = re.compile(r"\b[0-9A-Z]{6}-[0-9A-Z]{6}-[0-9A-Z]{6}\b")
_WORDS = {
    "it": ("nuova scadenza: ", "gratuito, termina da sé il giorno: ", "non applicato: ", "valido fino a: "),
    "en": ("new end date: ", "free of charge, ends by itself on ", "not applied: ", "valid until "),
}
_DATES = {"it": "it_IT", "en": "en_GB"}
TRADE_NAMES = {"Business Mail": "business-mail", "Gigamail": "gigamail"}


def in_words(language: str, day: date) -> str:
    """A date as the language writes it."""
    return format_date(day, format="long", locale=_DATES[language])


@dataclass(slots=True)
class Told:
    """A letter's facts: new ends by contract, gifts, contracts with a refusal, vouchers with their lines."""

    extended: dict[str, str] = field(default_factory=dict)
    gifts: set[tuple[str, str, str]] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    vouchers: dict[str, str] = field(default_factory=dict)


def read(letter: Received) -> Told:
    """The facts in the plain text; fails on a row that is none of the known ones, or a contract named twice over."""
    told = Told()
    new_end, ends_by_itself, not_applied, valid_until = _WORDS[letter.header("Content-Language")]
    for head, details in _rows(letter.text):
        (contract,) = _CONTRACT.findall(head) or [""]
        (code,) = _CODE.findall(head) or [""]
        first = details[0]
        if first.startswith(new_end):
            assert contract not in told.extended, letter.text
            told.extended[contract] = first.removeprefix(new_end)
        elif first.startswith(ends_by_itself):
            gift = TRADE_NAMES[head.partition(",")[0]]
            told.gifts.add((contract, gift, first.removeprefix(ends_by_itself)))
        elif first.startswith(not_applied):
            told.refused.add(contract)
        elif code and code not in told.vouchers and any(line.startswith(valid_until) for line in details):
            told.vouchers[code] = "\n".join(details)
        else:
            raise AssertionError(f"what is this? {head}: {details}")
    return told


def _rows(text: str) -> Iterator[tuple[str, list[str]]]:
    """The letter's lists: each row's first line and the lines below it."""
    lines = text.replace("\r\n", "\n").split("\n")
    for number, line in enumerate(lines):
        if line.startswith("  * "):
            rest = lines[number + 1 :]
            details = next((rest[:n] for n, below in enumerate(rest) if not below.startswith("    ")), rest)
            yield line.removeprefix("  * "), [detail.strip() for detail in details]


def contracts_named(content: str) -> set[str]:
    """Every contract that is named anywhere."""
    return set(_CONTRACT.findall(content))
