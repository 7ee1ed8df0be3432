"""Letters as octets ready for the wire: one per customer, made only from what the events in it say.

A form is rendered once per incident, kind, voice and shape into octets with slots, then filled per customer by one
join. Sections hold any number of rows, so a holder of 300 contracts needs no form of his own. Leaves the words to
`wording`, the dots to `smtp`.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from email.errors import HeaderParseError
from email.header import Header, decode_header
from email.utils import format_datetime
from functools import lru_cache
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from markupsafe import escape

from schemas.events import LetterKind
from services.notifications import wording
from services.notifications.domain import (
    Address,
    Incident,
    Letterhead,
    Recipient,
    clean,
    greeting_name,
)
from services.notifications.lines import Line, Section, given, kept, taken
from services.notifications.news import Content
from services.notifications.wording import Rows, Shape, Slots, Voice, voice_of

FORMS_AT_MOST = 512
ROWS_AT_MOST = 8192
IDENTIFIER_CHARACTERS = 200
SLOT_OCTETS = 600
"""No filled line may pass 998 octets, and a row's line holds a product's name and this."""

BOUNDARY = "=_amends_4f1c7d0a9be2"
"""Slots hold no line breaks and never start a line; what an incident's title holds is looked at when rendering."""
_BOUNDARY_GIVEN = re.compile(rb'boundary="([^"]+)"')

TEXT, HTML = "letter.txt.j2", "letter.html.j2"

# The slots' numbers: the headers', then two each (text, HTML) for the name, the customer's id, the sections' rows.
_TO, _DATE, _ID, _NAME, _CUSTOMER, _ROWS = 0, 1, 2, 3, 5, 7
_SECTIONS = tuple(Section)
_GIVEN = _SECTIONS[:5]
_IN_ORDER = (Section.TAKEN, Section.KEPT, *_GIVEN)
"""What a letter takes back it says first."""
_WORD = "[A-Za-z0-9À-ÖØ-öø-ÿ._:/,()+-]+"
_PLAIN = re.compile(f"{_WORD}(?: {_WORD})*")


class _Form(NamedTuple):
    """A rendered letter: its pieces with a gap after each but the last, and which slots fill the gaps."""

    pieces: list[bytes]
    fill: Callable[[Sequence[bytes]], tuple[bytes, ...]]


class _Row(NamedTuple):
    """A rendered row in both layouts: what stands before and after the contract's id or the code."""

    text_before: bytes
    text_after: bytes
    html_before: bytes
    html_after: bytes


class Writer:
    """Writes the letters of one incident under one letterhead. Make it once per incident and keep it."""

    def __init__(self, head: Letterhead, incident: Incident, fallback: str = wording.FALLBACK) -> None:
        """`fallback` is the language for customers whose locale is absent or not among `wording.LANGUAGES`."""
        self.head = head
        self.incident = incident
        self._fallback = fallback
        self._domain = f"@{head.domain}>".encode()
        self._form = lru_cache(maxsize=FORMS_AT_MOST)(self._render)

    def write(
        self,
        kind: LetterKind,
        letter_id: UUID,
        address: Address,
        recipient: Recipient,
        said: Content,
        dated: datetime,
    ) -> bytes:
        """The letter: headers and both parts, CRLF lines, 8-bit UTF-8, no dot stuffed.

        `dated` is aware; give one instant for many letters. The same arguments give the same octets. Raises
        IncompleteOutcomeError if a part of what is said lacks what must be said of it, ValueError if it holds a date
        or amount that is none.
        """
        voice = voice_of(recipient.locale, self._fallback)
        texts: tuple[list[bytes], ...] = ([], [], [], [], [])
        pages: tuple[list[bytes], ...] = ([], [], [], [], [])
        if kind == "correction":  # the only one that takes back
            texts += ([], [])
            pages += ([], [])
        for section, key, own in _lines(kind, said):
            before, after, html_before, html_after = _row(voice, key)
            own_text, own_html = slot(own, IDENTIFIER_CHARACTERS)
            texts[section].append(before + own_text + after)
            pages[section].append(html_before + own_html + html_after)
        name = greeting_name(recipient.name)
        values = [address.encode("ascii"), _date(dated), str(letter_id).encode() + self._domain]
        values += slot(name, IDENTIFIER_CHARACTERS)
        values += slot(recipient.customer_id, IDENTIFIER_CHARACTERS)
        for rows, html_rows in zip(texts, pages, strict=True):
            values.append(b"\r\n".join(rows))
            values.append(b"\r\n".join(html_rows))
        form = self._form(kind, voice, bool(name), _counts(texts))
        pieces = form.pieces.copy()
        pieces[1::2] = form.fill(values)
        return b"".join(pieces)

    def _render(self, kind: LetterKind, voice: Voice, named: bool, counts: tuple[int, ...]) -> _Form:
        """`counts` says of each section whether it has no row, one, or several (2)."""
        count = dict(zip(_SECTIONS, counts, strict=False))
        shown = [Rows(section, count[section] > 1) for section in _IN_ORDER if count.get(section)]
        shape = Shape(kind, voice, named, tuple(shown))
        text, html = (
            wording.page(layout, shape, self.incident, _slots(second), self.head.company, self.head.contact).replace(
                "\n", "\r\n"
            )
            for second, layout in enumerate((TEXT, HTML))
        )
        boundary = BOUNDARY
        while f"--{boundary}" in text or f"--{boundary}" in html:
            boundary += "_"
        split = (_head(self.head, shape, self.incident, boundary) + _parts(text, html, boundary)).split("\x00")
        static = [piece.encode() for piece in split[0::2]]
        gapped = [static[0]]
        for piece in static[1:]:
            gapped += (b"", piece)
        return _Form(gapped, itemgetter(*map(int, split[1::2])))


def _lines(kind: LetterKind, said: Content) -> Iterator[Line]:
    return chain(map(given(kind), said.given), map(taken, said.taken), map(kept, said.kept))


def slot(value: str, limit: int) -> tuple[bytes, bytes]:
    """A value from outside as it may stand in the text part and in the HTML part."""
    if len(value) <= wording.MERCHANT_CHARACTERS and _PLAIN.fullmatch(value):
        plain = value.encode()
        return plain, plain
    shown = clean(value, limit)
    while len(escape(shown).encode()) > SLOT_OCTETS:
        shown = shown[: len(shown) - 2].rstrip() + "…"
    return shown.encode(), escape(shown).encode()


def seven_bit(letter: bytes) -> bytes:
    """A letter of this module's, its parts quoted-printable, for a relay without 8BITMIME."""
    given = _BOUNDARY_GIVEN.search(letter)
    if given is None:
        raise ValueError("no letter of ours: its head names no boundary")
    edge = b"--" + given.group(1)
    head, *parts = letter.split(edge)
    head = head.replace(b"Transfer-Encoding: 8bit", b"Transfer-Encoding: 7bit")
    for index, part in enumerate(parts[:-1]):
        header, body = part.split(b"\r\n\r\n", 1)
        header = header.replace(b"8bit", b"quoted-printable")
        parts[index] = header + b"\r\n\r\n" + binascii.b2a_qp(body, istext=True)
    return edge.join([head, *parts])


def _counts(rows: tuple[list[bytes], ...]) -> tuple[int, ...]:
    if len(rows) > len(_GIVEN):
        return tuple([min(len(section), 2) for section in rows])
    first, second, third, fourth, fifth = rows
    return (
        min(len(first), 2),
        min(len(second), 2),
        min(len(third), 2),
        min(len(fourth), 2),
        min(len(fifth), 2),
    )


def _slots(second: int) -> Slots:
    """The slots of the text part (0) or the HTML part (1)."""
    return Slots(
        name=_gap(_NAME + second),
        customer=_gap(_CUSTOMER + second),
        rows={section: _gap(_ROWS + 2 * index + second) for index, section in enumerate(_SECTIONS)},
    )


def _gap(number: int) -> str:
    return f"\x00{number}\x00"


@lru_cache(maxsize=ROWS_AT_MOST)
def _row(voice: Voice, key: tuple[Any, ...]) -> _Row:
    own = _gap(0) if _has_own(key) else ""
    halves: list[bytes] = []
    for layout in (TEXT, HTML):
        before, _, after = wording.row(layout, voice, key, own).replace("\n", "\r\n").partition(_gap(0))
        halves += (before.encode(), after.encode())
    return _Row(*halves)


def _has_own(key: tuple[Any, ...]) -> bool:
    """Whether the row names something of this customer's; where some do and some do not, the key says so itself."""
    match key:
        case ("addon" | "refusal" | "announced_addon" | "taken_voucher" | "kept_voucher", *_, own):
            return bool(own)
        case ("credit", amount):
            return amount is None
        case ("announced_voucher" | "announced_credit" | "taken_credit" | "kept_credit", *_):
            return False
        case _:
            return True


@lru_cache(maxsize=64)
def _date(instant: datetime) -> bytes:
    return format_datetime(instant).encode("ascii")


def _head(head: Letterhead, shape: Shape, incident: Incident, boundary: str) -> str:
    """The headers, with slots for the recipient's address, the date and the letter's id: names never stand here."""
    return "\r\n".join(
        (
            f"From: {head.sender}",
            f"To: {_gap(_TO)}",
            f"Subject: {_encoded('Subject', wording.subject(shape, incident))}",
            f"Date: {_gap(_DATE)}",
            f"Message-ID: <{_gap(_ID)}",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            f"Content-Language: {shape.voice.language}",
            f'Content-Type: multipart/alternative; boundary="{boundary}"',
            "Content-Transfer-Encoding: 8bit",
            "",
            "",
        )
    )


def _parts(text: str, html: str, boundary: str) -> str:
    parts = (
        f"--{boundary}\r\nContent-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        f"{content}\r\n\r\n"
        for subtype, content in (("plain", text), ("html", html))
    )
    return "".join(parts) + f"--{boundary}--\r\n"


def _encoded(name: str, value: str) -> str:
    """The value as a header may hold it, folded. Raises ValueError if a reader would decode a control character.

    Some readers decode an encoded word first and look for line ends never (CVE-2024-6923): what is decoded is
    checked, not only what was put in.
    """
    encoded = Header(value, "us-ascii" if value.isascii() else "utf-8", header_name=name, maxlinelen=76).encode(
        linesep="\r\n"
    )
    try:
        decoded = "".join(
            part.decode(charset or "ascii") if isinstance(part, bytes) else part
            for part, charset in decode_header(encoded.replace("\r\n", ""))
        )
    except (HeaderParseError, UnicodeDecodeError) as damaged:
        raise ValueError(f"{name} cannot be encoded: {value!r}") from damaged
    if any(ord(char) < 32 or ord(char) == 127 for char in decoded):
        raise ValueError(f"{name} would decode to a control character: {value!r}")
    return encoded
