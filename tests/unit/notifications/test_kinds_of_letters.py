"""What an announcement and a correction say, in a policy's words or ours, and how a drill is marked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from schemas.events import LetterKind
from services.notifications.domain import Incident, Window, zone
from services.notifications.lines import IncompleteOutcomeError
from services.notifications.news import Content
from tests.unit.notifications.outcomes import (
    INCIDENT,
    Outcome,
    extension,
    html_of,
    prose,
    read,
    recipient,
    remedy,
    reversal,
    text_of,
    voucher,
    written,
)

OWED = [remedy("extension", "a"), remedy("addon", "b"), remedy("voucher", "c"), remedy("credit", "d")]
TAKEN = [reversal(kind, kind) for kind in ("extension", "addon", "voucher", "credit")]
BOTH = replace(INCIDENT, letters=("announcement", "details"))


def parts(said: Content, kind: LetterKind, language: str = "en", incident: Incident = INCIDENT) -> tuple[str, str, str]:
    """The subject, the text, and the HTML without its tags' line breaks."""
    octets = written(said, recipient(locale=language), kind=kind, incident=incident)
    return read(octets)["Subject"], prose(text_of(octets)), prose(html_of(octets).replace("<br>", " "))


# ── The announcement ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_announcement_names_what_is_owed_and_that_the_details_follow() -> None:
    subject, text, html = parts(Content(OWED), "announcement", incident=BOTH)
    assert subject == "Our apologies, and what we will do for you: Black-out ad Arezzo"
    for said in (
        "We apologise for the outage that hit your services",
        "A second letter follows with the details",
        "Dedicated Server, contract K-1",
        "15 calendar days added to its end",
        "covers only the contract listed above",
        "Business Mail, with contract K-2",
        "ends by itself, and never renews at a price",
        "€5.00, for Fotoaruba products",
        "shipping: paid by us up to €1.90",
        "order handling: paid by us",
        "€3.00",
        "This gesture does not close any further claim of yours",
    ):
        assert said in text
        assert said in html.replace("<b>", "").replace("</b>", "")


def test_an_announcement_in_italian_says_the_same() -> None:
    subject, text, _ = parts(Content(OWED), "announcement", "it", BOTH)
    assert subject == "Le nostre scuse e quanto faremo per Lei: Black-out ad Arezzo"
    for said in (
        "Appena tutto sarà pronto Le scriveremo una seconda lettera con i dettagli.",
        "Server Dedicato, contratto K-1",
        "15 giorni solari aggiunti alla scadenza",
        "riguarda soltanto il contratto indicato",
        "termina da sé e non si rinnova mai a pagamento",
        "5,00 €, per prodotti Fotoaruba",
        "non chiude alcuna Sua ulteriore richiesta",
    ):
        assert said in text


@pytest.mark.parametrize("language", ["it", "en"])
def test_an_announcement_holds_no_code_and_no_date_but_the_incidents(language: str) -> None:
    applied = [extension("K-3"), voucher()]
    for said in (OWED, applied):
        _, text, html = parts(Content(said), "announcement", language, BOTH)
        for part in (text, html):
            assert "7KQM" not in part
            assert "2012" not in part
            assert part.count("2011") == 2, "the window's, and the one in the reference"


@pytest.mark.parametrize(("language", "follows"), [("it", "seconda lettera"), ("en", "second letter")])
def test_no_details_are_promised_where_none_are_wanted(language: str, follows: str) -> None:
    alone = replace(INCIDENT, letters=("announcement",))
    assert follows not in parts(Content(OWED), "announcement", language, alone)[1]
    assert follows in parts(Content(OWED), "announcement", language, BOTH)[1]


def test_one_day_is_one_day() -> None:
    assert "1 calendar day added" in parts(Content([remedy(days=1)]), "announcement")[1]
    assert "1 giorno solare aggiunto alla" in parts(Content([remedy(days=1)]), "announcement", "it")[1]


# ── The correction ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_correction_takes_back_by_name_and_apologises() -> None:
    subject, text, html = parts(Content([], TAKEN), "correction")
    assert subject == "A correction to our letter: Black-out ad Arezzo"
    for said in (
        "Part of what we told you was wrong.",
        "we are sorry",
        "Dedicated Server, contract K-1 without the 15 added days end date again: 1 December 2011",
        "Business Mail, with contract K-2 the free service has ended, at no cost",
        "Voucher of €5.00 for Fotoaruba products code 7KQM-2XHD-94TB-WR6N-C is no longer valid",
        "Credit of €3.00 booked back from your account",
        "This letter does not close any further claim of yours",
    ):
        assert said in text
        assert said in html.replace("<b>", "").replace("</b>", "")
    assert "keep" not in text
    assert "gesture" not in text


def test_a_correction_in_italian_says_the_same() -> None:
    subject, text, _ = parts(Content([], TAKEN), "correction", "it")
    assert subject == "Una rettifica alla nostra lettera: Black-out ad Arezzo"
    for said in (
        "Una parte di quanto Le abbiamo comunicato era sbagliata.",
        "ce ne scusiamo",
        "Server Dedicato, contratto K-1 senza i 15 giorni aggiunti",
        "la scadenza torna a essere: 1 dicembre 2011",
        "il servizio gratuito è terminato, senza alcun costo",
        "Buono da 5,00 € per prodotti Fotoaruba il codice 7KQM-2XHD-94TB-WR6N-C non è più valido",
        "Accredito di 3,00 € stornato dal Suo conto",
    ):
        assert said in text


def test_a_correction_says_what_stays_and_what_is_new_after_what_is_taken_back() -> None:
    kept = [
        reversal("voucher", reason="redeemed"),
        reversal("extension", reason="used"),
        reversal("addon", reason="used"),
        reversal("credit", reason="used"),
    ]
    text = text_of(written(Content([extension("K-7")], TAKEN, kept), recipient(locale="en"), kind="correction"))
    headings = ["WHAT WE TAKE BACK", "WHAT YOU KEEP ALL THE SAME", "EXTENDED CONTRACT"]
    assert sorted(headings, key=text.index) == headings
    for said in (
        "code 7KQM-2XHD-94TB-WR6N-C: you have used it, and it stays yours",
        "the 15 added days stay",
        "the free service stays",
        "There is good news as well",
        "Dedicated Server, contract K-7",
    ):
        assert said in prose(text)


@pytest.mark.parametrize("language", ["it", "en"])
def test_what_is_not_known_of_a_reversal_is_not_said(language: str) -> None:
    bare = [
        reversal(days=None, ends_on=None),
        reversal("voucher", code=None, amount=None, merchant=None),
        reversal("credit", amount=None),
    ]
    for said in (Content([], bare), Content([], TAKEN[:1], bare)):
        assert "None" not in parts(said, "correction", language)[1]


@pytest.mark.parametrize("broken", [reversal(contract_id=None), reversal("addon", product=None)])
def test_a_reversal_that_does_not_name_its_contract_makes_no_letter(broken: Outcome) -> None:
    with pytest.raises(IncompleteOutcomeError, match="reversal"):
        written(Content([], [broken]), kind="correction")


# ── In a policy's words ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_policys_text_stands_in_place_of_the_opening_in_its_language_and_kind_alone() -> None:
    incident = replace(BOTH, texts={"en": {"announcement": "The lights went out.\n\nWe are sorry."}})
    text = text_of(written(Content(OWED), recipient(locale="en"), kind="announcement", incident=incident))
    assert text.startswith("Dear Mario Rossi,\n\nThe lights went out.\n\nWe are sorry.\n\nAn apology alone")
    assert "hit your services" not in text
    assert "The lights" not in parts(Content(OWED), "announcement", "it", incident)[1]
    assert "The lights" not in parts(Content([voucher()]), "details", "en", incident)[1]


def test_a_policys_text_is_cleaned_escaped_and_wrapped() -> None:
    own = "Dear\u202e <script>alert(1)</script> & \x07friends, =?utf-8?q?x?= " + "long " * 300 + "x" * 300
    incident = replace(INCIDENT, texts={"en": {"details": own}})
    octets = written([voucher()], recipient(locale="en"), incident=incident)
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    assert max(map(len, text_of(octets).split("\n"))) <= 77
    assert "Dear <script>alert(1)</script> & friends, long long" in prose(text_of(octets))
    assert "<script>" not in html_of(octets)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; friends" in prose(html_of(octets))


def test_an_empty_text_leaves_the_services_own_words() -> None:
    incident = replace(INCIDENT, texts={"en": {"details": " \n\n "}})
    assert "We apologise for the outage" in parts(Content([voucher()]), "details", "en", incident)[1]


# ── Drills, and windows ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", ["it", "en"])
@pytest.mark.parametrize(
    ("kind", "said"),
    [("announcement", Content(OWED)), ("details", Content([voucher()])), ("correction", Content([], TAKEN))],
)
def test_a_drills_letter_is_marked_in_its_subject_and_its_text(kind: LetterKind, said: Content, language: str) -> None:
    subject, text, html = parts(said, kind, language, replace(BOTH, drill=True))
    assert subject.startswith("[DRILL] ")
    assert text.startswith("[DRILL] ")
    assert "<b>[DRILL] " in html
    for part in parts(said, kind, language, BOTH):
        assert "DRILL" not in part


def test_every_window_of_an_incident_is_told_the_earliest_first() -> None:
    before = Window(INCIDENT.starts_at - timedelta(days=1), INCIDENT.starts_at - timedelta(hours=20))
    text = parts(Content([voucher()]), "details", incident=replace(INCIDENT, also=(before,)))[1]
    assert "Thursday, 28 April 2011, 04:30–08:30 (UTC+02:00); Friday, 29 April 2011, 04:30–13:00 (UTC+02:00)" in text


@pytest.mark.parametrize(
    ("name", "known"), [("Europe/Rome", True), ("UTC", True), ("Mars/Olympus", False), ("../etc", False), ("", False)]
)
def test_a_zone_that_there_is_not_is_none(name: str, known: bool) -> None:
    assert zone(name) == (name if known else None)
