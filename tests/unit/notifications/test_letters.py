"""What a letter says, in both languages, and how it goes on the wire."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.notifications.domain import Address, Letterhead, letter_id
from services.notifications.letters import Writer, seven_bit
from services.notifications.lines import IncompleteOutcomeError
from services.notifications.news import Content
from tests.unit.notifications.outcomes import (
    DATED,
    HEAD,
    INCIDENT,
    Outcome,
    addon,
    credit,
    extension,
    html_of,
    prose,
    read,
    recipient,
    refused,
    text_of,
    voucher,
    written,
)

EVERYTHING = [extension(), addon(), voucher(), credit(), refused()]


def both(octets: bytes) -> tuple[str, str]:
    """Both parts, line breaks undone, the HTML without its tags' line breaks."""
    return prose(text_of(octets)), prose(html_of(octets).replace("<br>", " "))


def test_the_whole_letter_in_italian() -> None:
    assert text_of(written(EVERYTHING)) == (
        "Gentile Mario Rossi,\n"
        "\n"
        "Le chiediamo scusa per il disservizio che ha colpito i Suoi servizi:\n"
        "«Black-out ad Arezzo», venerdì 29 aprile 2011, ore 04:30–13:00 (UTC+02:00).\n"
        "Lei contava su di noi e in quelle ore non siamo stati all'altezza.\n"
        "\n"
        "Le scuse da sole non bastano: ecco che cosa abbiamo già fatto per Lei. Non\n"
        "deve fare nulla per attivarlo.\n"
        "\n"
        "CONTRATTO PROLUNGATO\n"
        "\n"
        "  * Server Dedicato, contratto K-1\n"
        "    nuova scadenza: 16 dicembre 2011\n"
        "    scadenza precedente: 1 dicembre 2011\n"
        "\n"
        "Il prolungamento è gratuito e riguarda soltanto il contratto indicato qui\n"
        "sopra.\n"
        "\n"
        "UN SERVIZIO GRATUITO\n"
        "\n"
        "  * Business Mail, con il contratto K-2\n"
        "    gratuito, termina da sé il giorno: 13 maggio 2012\n"
        "\n"
        "È un omaggio: non costa nulla, termina da sé nel giorno indicato e non si\n"
        "rinnova mai a pagamento. Non serve disdirlo.\n"
        "\n"
        "UN BUONO PER LEI\n"
        "\n"
        "  * Codice: 7KQM-2XHD-94TB-WR6N-C\n"
        "    valore: 5,00 €, per prodotti Fotoaruba\n"
        "    spese di spedizione: a nostro carico fino a 1,90 €\n"
        "    costi di gestione dell'ordine: a nostro carico\n"
        "    valido fino a: 13 maggio 2012 compreso\n"
        "\n"
        "Il buono si usa una sola volta, entro la data indicata. Non dà diritto a\n"
        "resto e non è convertibile in denaro.\n"
        "\n"
        "UN ACCREDITO SUL SUO CONTO\n"
        "\n"
        "  * 3,00 €\n"
        "\n"
        "CHE COSA NON È STATO POSSIBILE\n"
        "\n"
        "  * Prolungamento: Housing, contratto K-9\n"
        "    non applicato: il contratto era già scaduto\n"
        "\n"
        "Questo gesto non chiude alcuna Sua ulteriore richiesta: ogni Suo diritto\n"
        "resta intatto e non Le chiediamo alcuna rinuncia.\n"
        "\n"
        "Con le nostre scuse e i più cordiali saluti,\n"
        "il Servizio Clienti\n"
        "\n"
        "Codice cliente: C-1\n"
        "Riferimento: aruba-2011-04-29\n"
    )


def test_the_letter_in_english_says_the_same() -> None:
    text, html = both(written(EVERYTHING, recipient(locale="en")))
    for said in (
        "Dear Mario Rossi,",
        "“Black-out ad Arezzo”, Friday, 29 April 2011, 04:30–13:00 (UTC+02:00)",
        "Dedicated Server, contract K-1",
        "new end date: 16 December 2011",
        "covers only the contract listed above",
        "Business Mail, with contract K-2",
        "free of charge, ends by itself on 13 May 2012",
        "never renews at a price",
        "Code: 7KQM-2XHD-94TB-WR6N-C",
        "value: €5.00, for Fotoaruba products",
        "shipping: paid by us up to €1.90",
        "order handling: paid by us",
        "valid until 13 May 2012",
        "No change is given, and it cannot be exchanged for cash.",
        "Extension: Housing, contract K-9",
        "not applied: the contract had already expired",
        "This gesture does not close any further claim of yours",
        "Customer number: C-1",
    ):
        assert said in text
        assert said.replace("<", "&lt;") in html.replace("<b>", "").replace("</b>", "")


def test_both_parts_tell_the_same_rows() -> None:
    octets = written([*EVERYTHING, extension("K-3", "2012-01-01", "housing"), refused("terminated", "K-8")])
    html = html_of(octets)
    for line in text_of(octets).split("\n"):
        if line.startswith(("  * ", "    ")):
            assert line[4:].replace("'", "&#39;") in html


@pytest.mark.parametrize(
    ("outcomes", "absent"),
    [
        ([voucher()], ["prolunga", "contratto", "servizio gratuito", "non è stato possibile", "omaggio"]),
        ([extension()], ["omaggio", "buono", "accredito", "non è stato possibile"]),
        ([addon()], ["prolunga", "buono", "scadenza", "non è stato possibile"]),
        ([refused()], ["omaggio", "buono", "fatto per lei", "nulla per attivarlo", "nuova scadenza"]),
    ],
)
def test_a_letter_names_nothing_that_was_not_applied(outcomes: list[Outcome], absent: list[str]) -> None:
    octets = written(outcomes)
    for part in both(octets):
        for word in absent:
            assert word not in part.lower()
    if outcomes == [refused()]:
        assert "fatto per Lei" not in read(octets)["Subject"]


@pytest.mark.parametrize(
    ("reason", "italian", "english"),
    [
        ("expired", "il contratto era già scaduto", "the contract had already expired"),
        ("terminated", "il contratto era già cessato", "the contract had already been terminated"),
        ("open_ended", "non ha una scadenza da spostare", "no end date that could be moved"),
        ("unknown_contract", "non risulta nei nostri archivi", "not in our records"),
        ("a_later_reason", "non è stato possibile applicarlo", "it could not be applied"),
    ],
)
def test_a_refusal_is_said_plainly_with_its_reason(reason: str, italian: str, english: str) -> None:
    assert italian in both(written([voucher(), refused(reason)]))[0]
    assert english in both(written([voucher(), refused(reason)], recipient(locale="en")))[1]


def test_what_came_later_is_an_addition_and_takes_nothing_back() -> None:
    octets = written([extension()], kind="correction")
    assert read(octets)["Subject"] == "In aggiunta alla nostra lettera: Black-out ad Arezzo"
    text, _ = both(octets)
    assert "In aggiunta a quanto Le abbiamo già comunicato, che resta valido" in text
    assert "Server Dedicato, contratto K-1" in text
    assert read(octets)["Message-ID"] != read(written([extension()]))["Message-ID"]


def test_a_holder_of_300_contracts_reads_each_of_them_once_and_in_order() -> None:
    contracts = [f"K-{number:04}" for number in range(300)]
    octets = written([extension(contract) for contract in contracts])
    for part in (text_of(octets), html_of(octets)):
        positions = [part.index(f"contratto {contract}") for contract in contracts]
        assert positions == sorted(positions)
        assert part.count("16 dicembre 2011") == 300
    assert "riguarda soltanto i contratti elencati" in both(octets)[0]
    assert html_of(octets).count("<tr>") == html_of(octets).count("</tr>") == 300


def test_one_form_serves_any_number_of_contracts() -> None:
    writer = Writer(HEAD, INCIDENT)
    to = recipient()
    for many in (2, 3, 50):
        letter = letter_id("i", str(many), "details")
        writer.write("details", letter, Address("a@b.it"), to, Content([extension()] * many), DATED)
    assert writer._form.cache_info().misses == 1


@pytest.mark.parametrize(
    ("locale", "language", "date"),
    [
        ("it", "it", "16 dicembre 2011"),
        ("it-CH", "it", "16 dicembre 2011"),
        ("IT_it", "it", "16 dicembre 2011"),
        ("en", "en", "16 December 2011"),
        ("en_US", "en", "December 16, 2011"),
        ("en-zz", "en", "16 December 2011"),
        ("de", "en", "16 December 2011"),
        (None, "en", "16 December 2011"),
        ("", "en", "16 December 2011"),
        ("it\r\nBcc: x@y", "en", "16 December 2011"),
        ("en_../../etc", "en", "16 December 2011"),
    ],
)
def test_the_locale_chooses_language_and_dates(locale: str | None, language: str, date: str) -> None:
    octets = written([extension()], recipient(locale=locale))
    assert read(octets)["Content-Language"] == language
    assert date in text_of(octets)


def test_the_fallback_language_is_the_writers_choice() -> None:
    letter = letter_id("i", "c", "details")
    octets = Writer(HEAD, INCIDENT, "it").write(
        "details", letter, Address("a@b.it"), recipient(locale=None), Content([voucher()]), DATED
    )
    assert read(octets)["Content-Language"] == "it"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"time_zone": "Europe/Rome"}, "venerdì 29 aprile 2011, ore 04:30–13:00 (UTC+02:00)"),
        ({"time_zone": "UTC"}, "venerdì 29 aprile 2011, ore 02:30–11:00 (UTC+00:00)"),
        ({"ends_at": None}, "da venerdì 29 aprile 2011, ore 04:30 (UTC+02:00)"),
        (
            {"ends_at": INCIDENT.starts_at + timedelta(days=1)},
            "da venerdì 29 aprile 2011, ore 04:30 (UTC+02:00), a sabato 30 aprile 2011, ore 04:30 (UTC+02:00)",
        ),
    ],
)
def test_the_window_is_told_in_the_incidents_zone(change: dict[str, object], told: str) -> None:
    incident = replace(INCIDENT, **change)  # type: ignore[arg-type]
    assert told in both(written([voucher()], incident=incident))[0]


@pytest.mark.parametrize(
    ("terms", "said", "unsaid"),
    [
        ({"shipping_cap": None}, "spese di spedizione: non comprese", "1,90"),
        ({"handling_covered": False}, "costi di gestione dell'ordine: non compresi", "ordine: a nostro"),
        (
            {"amount": None, "shipping_cap": None, "merchant": None},
            "valido fino a: 13 maggio 2012",
            "spedizione",
        ),
        ({"amount": {"amount": "1500", "currency": "JPY"}}, "valore: 1.500 JPY", "1.500,00"),
    ],
)
def test_a_vouchers_terms_are_those_of_the_voucher(terms: dict[str, object], said: str, unsaid: str) -> None:
    text, _ = both(written([voucher(**terms)]))
    assert said in text
    assert unsaid not in text


def test_an_unknown_product_is_shown_by_its_id() -> None:
    assert "Turbo Mail Xl, con il contratto K-2" in text_of(written([addon(product="turbo-mail-xl")]))


def test_an_addon_without_a_contract_and_a_credit_without_an_amount_are_still_named() -> None:
    text = text_of(written([addon(contract=None), credit(amount=None)]))
    assert "  * Business Mail\n    gratuito" in text
    assert "  * Accredito c4\n" in text


@pytest.mark.parametrize(
    "outcome",
    [
        extension(ends_on=None),
        extension(contract=None),  # type: ignore[arg-type]
        voucher(code=None),
        voucher(code=""),
        voucher(valid_until=None),
        credit(amount=None, credit_id=None),
        {"kind": "extension", "outcome": "applied"},
        {"kind": "towel", "outcome": "applied"},
    ],
)
def test_an_outcome_that_lacks_what_must_be_said_makes_no_letter(outcome: Outcome) -> None:
    with pytest.raises(IncompleteOutcomeError, match=outcome["kind"]):
        written([outcome])


def test_a_date_that_is_none_makes_no_letter() -> None:
    with pytest.raises(ValueError, match="isoformat"):
        written([extension(after="16/12/2011")])


def test_the_signature_and_the_contact_are_the_letterheads() -> None:
    head = Letterhead(HEAD.sender, company="Aruba S.p.A.", contact="https://assistenza.example")
    text, html = both(written([voucher()], head=head))
    for part in (text, html):
        assert "il Servizio Clienti Aruba S.p.A." in part
        assert "ci scriva: https://assistenza.example" in part


# ── On the wire ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_headers_are_exactly_these() -> None:
    message = read(written(EVERYTHING))
    letter = letter_id(INCIDENT.incident_id, "C-1", "details")
    assert [(name, str(value)) for name, value in message.items()] == [
        ("From", "assistenza@amends.example"),
        ("To", "mario.rossi@example.it"),
        ("Subject", "Le nostre scuse e quanto abbiamo fatto per Lei: Black-out ad Arezzo"),
        ("Date", "Sat, 30 Apr 2011 09:00:00 +0000"),
        ("Message-ID", f"<{letter}@amends.example>"),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
        ("Content-Language", "it"),
        ("Content-Type", 'multipart/alternative; boundary="=_amends_4f1c7d0a9be2"'),
        ("Content-Transfer-Encoding", "8bit"),
    ]
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert [part.get_content_charset() for part in message.walk()][1:] == ["utf-8", "utf-8"]


def test_the_same_arguments_give_the_same_octets() -> None:
    assert written(EVERYTHING) == written(EVERYTHING)


@pytest.mark.parametrize("locale", ["it", "en"])
@pytest.mark.parametrize("many", [1, 300])
def test_lines_end_in_crlf_and_are_short_enough(locale: str, many: int) -> None:
    long = extension("𝕂" * 200, product="p" * 200)
    octets = written([*EVERYTHING, long, extension('"' * 200)] * many, recipient("&" * 300, locale, "<" * 200))
    assert octets.endswith(b"\r\n")
    lines = octets.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not any(b"\r" in line or b"\n" in line or b"\x00" in line for line in lines)


def test_static_text_is_set_at_76_columns() -> None:
    for locale in ("it", "en"):
        text = text_of(written(EVERYTHING, recipient(locale=locale)))
        assert max(map(len, text.split("\n"))) <= 76


def test_the_html_loads_nothing_and_sets_no_colour_but_a_grey_rule() -> None:
    html = html_of(written(EVERYTHING))
    for forbidden in ("src=", "href=", "url(", "<script", "<link", "@import", "background", "color:", "http"):
        assert forbidden not in html.replace("color-scheme", "scheme")
    assert '<meta name="color-scheme" content="light dark">' in html


def test_a_seven_bit_letter_reads_the_same() -> None:
    octets = written(EVERYTHING, recipient("Zoë 🎉 " + "à" * 60))
    plain = seven_bit(octets)
    assert plain.isascii()
    assert max(map(len, plain.split(b"\r\n"))) <= 78
    assert b"\n" not in plain.replace(b"\r\n", b"")
    assert text_of(plain) == text_of(octets)
    assert html_of(plain) == html_of(octets)
    assert read(plain)["Content-Transfer-Encoding"] == "7bit"
    for name in ("To", "Subject", "Message-ID", "Date"):
        assert read(plain)[name] == read(octets)[name]


def test_the_date_is_the_instant_that_was_given() -> None:
    letter = letter_id("i", "c", "details")
    instant = datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC)
    octets = Writer(HEAD, INCIDENT).write(
        "details", letter, Address("a@b.it"), recipient(), Content([voucher()]), instant
    )
    assert read(octets)["Date"].datetime == instant
