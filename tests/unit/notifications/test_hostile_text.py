"""Names, titles and ids from outside come out harmless."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from email import message_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifications.domain import clean, greeting_name
from services.notifications.letters import seven_bit
from tests.unit.notifications.outcomes import (
    INCIDENT,
    extension,
    html_of,
    prose,
    read,
    recipient,
    text_of,
    voucher,
    written,
)

HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Auto-Submitted",
    "MIME-Version",
    "Content-Language",
    "Content-Type",
    "Content-Transfer-Encoding",
]


def assert_harmless(octets: bytes) -> None:
    """Exactly the expected headers, one recipient, two parts, whichever of Python's readers looks at it."""
    for ready in (octets, seven_bit(octets)):
        message = read(ready)
        assert list(message.keys()) == HEADERS
        assert list(message_from_bytes(ready).keys()) == HEADERS
        assert [address.addr_spec for address in message["To"].addresses] == ["mario.rossi@example.it"]
        assert message.get_all("To") == ["mario.rossi@example.it"]
        assert [part.get_content_type() for part in message.walk()] == [
            "multipart/alternative",
            "text/plain",
            "text/html",
        ]
        again = read(message.as_bytes())
        assert list(again.keys()) == HEADERS
        for part in (text_of(ready), html_of(ready)):
            bad = {char for char in part if unicodedata.category(char) in ("Cc", "Cf", "Cs") and char != "\n"}
            assert not bad


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        ("Mario Rossi", "Mario Rossi"),
        ("  Mario \t Rossi ", "Mario Rossi"),
        ("Mario\r\nBcc: x@y.it", "Mario Bcc: x@y.it"),
        ("\r\nBcc: x@y.it", "Bcc: x@y.it"),
        ("\n.\nMAIL FROM:<x@y.it>", ". MAIL FROM:<x@y.it>"),
        ("=?utf-8?q?=0d=0aBcc:_x@y.it?= Mario", "Mario"),
        ("=?utf-8?B?DQpCY2M6IHhAeS5pdA==?=", ""),
        ("==??utf-8?q?x?=", "utf-8?q?x?="),
        ("\u202eoiraM\u202c", "oiraM"),
        ("Ma\u200brio\ufeff \u2066Rossi\u2069", "Mario Rossi"),
        ("Mario\x00\x07\x1b[31mRossi\x85\u2028x", "Mario[31mRossi x"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("{{ 7*7 }}{% raw %}", "{{ 7*7 }}{% raw %}"),
        ("%s %(x)s {0}", "%s %(x)s {0}"),
        ("Zoë 🎉", "Zoë 🎉"),
        ("Ren\u0065\u0301", "René"),
        ("محمد", "محمد"),
        ("x" * 300, "x" * 79 + "…"),
        ("Vinci su https://truffa.example", ""),
        ("\ud800Mario", "Mario"),
        ("", ""),
        (" \r\n ", ""),
        ("\u202e", ""),
        (None, ""),
    ],
)
def test_a_hostile_name_comes_out_harmless(name: str | None, greeting: str) -> None:
    assert greeting_name(name) == greeting
    octets = written([voucher()], recipient(name))
    expected = f"Gentile {greeting}," if greeting else "Gentile cliente,"
    assert text_of(octets).split("\n")[0] == expected
    shown = expected.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert f"<p>{shown}</p>" in html_of(octets)
    assert_harmless(octets)


@pytest.mark.parametrize(
    "title",
    [
        "Black-out\r\nBcc: x@y.it",
        "=?utf-8?q?=0d=0aBcc:_x@y.it?=",
        "=?utf-8?q?=0d=0aBcc:_x@y.it?= à",
        "Interruzione à è ì " * 10,
        "\u202eevil à\x00\x0b",
        "x" * 300,
        "à" * 300,
        "{{ 7*7 }} {% endmacro %} <b>grasso</b>",
        "a --=_amends_4f1c7d0a9be2 b " * 4,
        "\x003\x00",
        "🎉 " * 100,
    ],
)
def test_an_incidents_title_cannot_break_out_of_the_subject_or_the_text(title: str) -> None:
    octets = written([voucher()], incident=replace(INCIDENT, title=title, incident_id="i\r\n<b>"))
    assert_harmless(octets)
    subject = read(octets)["Subject"]
    assert subject == "Le nostre scuse e quanto abbiamo fatto per Lei: " + clean(title, 120)
    assert not any(ord(char) < 32 for char in subject)
    assert octets.split(b"\r\n\r\n", 1)[0].isascii()
    assert clean(title, 120) in prose(text_of(octets))
    assert "<b>grasso" not in html_of(octets)


@pytest.mark.parametrize("own", ['K"><img src=x>', "K\r\nBcc: x", "K{{x}}", "K&amp;", "\u202eK", "\x005\x00"])
def test_contracts_and_codes_are_shown_and_never_obeyed(own: str) -> None:
    octets = written([extension(own), voucher(code=own)], recipient(customer=own))
    assert_harmless(octets)
    assert f"contratto {clean(own, 200)}\n" in text_of(octets)
    assert "<img" not in html_of(octets)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=400), st.text(min_size=1, max_size=200), st.text(min_size=1, max_size=300))
def test_no_text_whatsoever_breaks_a_letter(name: str, own: str, title: str) -> None:
    incident = replace(INCIDENT, title=title)
    assert_harmless(written([extension(own), voucher()], recipient(name, customer=own), incident=incident))
