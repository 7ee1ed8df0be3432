"""Every letter of the case's incident, as the mail server received it: to whom, in which words, saying what."""

from __future__ import annotations

import csv
import html
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e import told
from tests.e2e.conftest import Journey
from tests.e2e.expected import Owed
from tests.e2e.outside import Received
from tests.e2e.told import contracts_named, in_words

HEADERS = (
    "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Language",
    "Content-Type", "Content-Transfer-Encoding",
)  # fmt: skip
SUBJECTS = {
    "it": "Le nostre scuse e quanto abbiamo fatto per Lei: Black-out, Arezzo",
    "en": "Our apologies, and what we have done for you: Black-out, Arezzo",
}
# What Babel writes between an amount and its currency is a no-break space; a letter has a plain one.
MONEY = {"it": ("5,00 €", "1,90 €"), "en": ("€5.00", "€1.90")}


@pytest.fixture(scope="module")
def letters(journey: Journey) -> Mapping[str, Received]:
    """The letters by customer: the letters' topic says whose each is."""
    whose = {r.data["letter_id"]: r.data["customer_id"] for r in journey.records["amends.letters.v1"]}
    return {whose[letter.letter_id]: letter for letter in journey.letters}


def _written_to(journey: Journey) -> dict[str, Owed]:
    return {
        customer_id: owed
        for customer_id, owed in journey.expected.customers.items()
        if owed.letter is not None and owed.letter.status == "sent"
    }


def test_exactly_one_letter_goes_to_each_usable_address_and_none_elsewhere(journey: Journey) -> None:
    sent = Counter(letter.recipients for letter in journey.letters)
    wanted = Counter((owed.letter.recipient,) for owed in _written_to(journey).values() if owed.letter)
    assert sent == wanted


def test_each_customer_gets_his_own_letter(journey: Journey, letters: Mapping[str, Received]) -> None:
    wanted = {customer: owed.letter.recipient for customer, owed in _written_to(journey).items() if owed.letter}
    assert {customer: letter.header("To") for customer, letter in letters.items()} == wanted
    assert {customer: letter.recipients[0] for customer, letter in letters.items()} == wanted


def test_each_letter_speaks_its_readers_language(journey: Journey, letters: Mapping[str, Received]) -> None:
    for customer, owed in _written_to(journey).items():
        assert owed.letter is not None
        letter, language = letters[customer], owed.letter.language
        assert letter.header("Content-Language") == language, customer
        assert letter.header("Subject") == SUBJECTS[language]
        assert f'<html lang="{language}">' in letter.page


def test_a_letter_gives_a_new_end_to_exactly_the_contracts_that_were_extended(
    journey: Journey, letters: Mapping[str, Received]
) -> None:
    for customer, owed in _written_to(journey).items():
        assert owed.letter is not None
        found = told.read(letters[customer])
        assert found.extended == {c: in_words(owed.letter.language, day) for c, day in owed.told.items()}, customer
        assert found.refused == set(owed.not_told), customer


def test_a_letter_names_the_gifts_and_when_they_end(journey: Journey, letters: Mapping[str, Received]) -> None:
    for customer, owed in _written_to(journey).items():
        assert owed.letter is not None
        language = owed.letter.language
        wanted = {(gift.contract_id, gift.product, in_words(language, gift.ends_on)) for gift in owed.addons}
        assert told.read(letters[customer]).gifts == wanted, customer


def test_a_letter_holds_the_code_and_the_terms_of_the_voucher(
    journey: Journey, letters: Mapping[str, Received]
) -> None:
    codes = {
        record.data["customer_id"]: {o["code"] for o in record.data["outcomes"] if o["kind"] == "voucher"}
        for record in journey.records["amends.adjustments.v1"]
    }
    for customer, owed in _written_to(journey).items():
        assert owed.letter is not None
        found = told.read(letters[customer]).vouchers
        assert found.keys() == codes[customer]
        (terms,) = found.values()
        (voucher,) = owed.vouchers
        for word in (
            *MONEY[owed.letter.language],
            voucher.merchant,
            in_words(owed.letter.language, voucher.valid_until),
        ):
            assert word in terms, customer


def test_a_letter_names_no_other_contract_in_either_part(journey: Journey, letters: Mapping[str, Received]) -> None:
    for customer, owed in _written_to(journey).items():
        own = {e.contract_id for e in owed.extensions} | {gift.contract_id for gift in owed.addons}
        assert contracts_named(letters[customer].text) == own, customer
        assert contracts_named(letters[customer].page) == own, customer


def test_both_parts_say_the_same(journey: Journey, letters: Mapping[str, Received]) -> None:
    for letter in letters.values():
        page = html.unescape(re.sub(r"<[^>]+>", "\n", letter.page.partition("<body")[2].partition(">")[2]))
        assert _words(page) == _words(letter.text)


def _words(content: str) -> Counter[str]:
    return Counter(re.findall(r"\w+", content.replace("•", "").casefold()))


def test_every_letter_says_that_it_closes_no_further_claim(letters: Mapping[str, Received]) -> None:
    words = {"it": "Questo gesto non chiude alcuna Sua ulteriore richiesta", "en": "does not close any further claim"}
    for letter in letters.values():
        assert words[letter.header("Content-Language")] in " ".join(letter.text.split())


# ── Names that want to be more than names ────────────────────────────────────────────────────────────────────────


def test_every_letter_has_the_same_headers_and_one_recipient(journey: Journey) -> None:
    assert {tuple(name for name, _ in letter.headers) for letter in journey.letters} == {HEADERS}
    assert {len(letter.recipients) for letter in journey.letters} == {1}
    assert not [letter for letter in journey.letters if "vittima" in str(letter.headers)]


def test_a_name_is_one_line_without_control_characters_or_markup(
    journey: Journey, letters: Mapping[str, Received]
) -> None:
    for customer, name in _names(journey).items():
        if customer not in letters:
            continue
        greeting, rest = letters[customer].text.split("\n", 1)
        assert rest.startswith("\n"), f"{name!r} runs into the letter"
        assert len(greeting) <= 100
        assert not [c for c in greeting if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")], f"{name!r}"
        assert not re.search(r"<(?:script|a |img|x)", letters[customer].page), f"{name!r}"
        assert "49" not in greeting, f"{name!r} was evaluated"


def test_an_ordinary_name_is_greeted_as_it_is(journey: Journey, letters: Mapping[str, Received]) -> None:
    greetings = {"it": "Gentile {},", "en": "Dear {},"}
    plain = {c: name for c, name in _names(journey).items() if re.fullmatch(r"[\w',.& ]{3,60}", name)}
    assert len(plain) > 3_000
    for customer, name in plain.items():
        if customer in letters and name.strip() == name:
            letter = letters[customer]
            assert letter.text.startswith(greetings[letter.header("Content-Language")].format(name) + "\n")


def _names(journey: Journey) -> dict[str, Any]:
    with journey.world.customers_csv.open(encoding="utf-8", newline="") as lines:
        return {row["customer_id"]: row["name"] for row in csv.DictReader(lines)}
