"""The values of the notifications service: recipients, incidents, letters, and what a relay said of one.

Says how a letter is named, which states it goes through, and how a text from outside is made harmless. Leaves what a
letter says to `news`, `lines` and `wording`, the decisions to `decide`, the transport to `smtp` and `mailer`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, NewType
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas import ids
from schemas.events import LetterKind

Address = NewType("Address", str)
"""An e-mail address that went through `addresses.usable`: ASCII, one mailbox, nothing to inject."""


class State(StrEnum):
    """Where a letter is: waiting → pending → sending → one of the others, which are final."""

    WAITING = "waiting"
    PENDING = "pending"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    IN_DOUBT = "in_doubt"
    SUPPRESSED = "suppressed"
    NO_ADDRESS = "no_address"


class Cancelled(StrEnum):
    """Why a letter that had not left does not leave. News can bring it back."""

    WITHDRAWN = "withdrawn"
    RETRACTED = "retracted"
    OVERTAKEN = "overtaken"

    @property
    def note(self) -> str:
        """The reason in words, as it is kept with the letter."""
        return {
            Cancelled.WITHDRAWN: "nothing is left to tell: it was withdrawn before the letter left",
            Cancelled.RETRACTED: "the incident was retracted before the letter left",
            Cancelled.OVERTAKEN: "the details left before the announcement",
        }[self]


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a letter is for, as the CRM wrote it: name, address and locale are untrusted text."""

    customer_id: str
    name: str | None = None
    email: str | None = None
    locale: str | None = None


class Window(NamedTuple):
    """A half-open window [starts_at, ends_at); no end while it lasts."""

    starts_at: datetime
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Incident:
    """What happened, and what its policy says of the letters about it.

    Its window is [starts_at, ends_at), `also` are further ones; they are told in the zone (IANA name), or without one
    in the offset that they carry. `letters` are the kinds that the policy wants, `texts` its own opening paragraphs by
    language and kind.
    """

    incident_id: str
    title: str
    starts_at: datetime
    ends_at: datetime | None = None
    time_zone: str | None = None
    also: tuple[Window, ...] = ()
    drill: bool = False
    letters: tuple[str, ...] = ("details",)
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def windows(self) -> list[Window]:
        """All windows, the earliest first."""
        return sorted([Window(self.starts_at, self.ends_at), *self.also], key=lambda window: window.starts_at)


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes: the envelope's and the From header's address, and how the letter is signed."""

    sender: Address
    company: str = ""
    contact: str = ""

    @property
    def domain(self) -> str:
        """The right-hand side of the letters' Message-IDs."""
        return self.sender.rpartition("@")[2]


# ── What the relay said ──────────────────────────────────────────────────────────────────────────────────────────


class Sent(NamedTuple):
    """The relay took the letter: its reply, such as `250 2.0.0 Ok: queued as 4Xy`."""

    reply: str


class Failed(NamedTuple):
    """The relay refused the letter for good (5xx)."""

    reply: str


class Deferred(NamedTuple):
    """The letter was certainly not taken and may be tried again: a 4xx reply, or trouble before the final dot.

    `tried` is false if the relay could not be reached at all: that says nothing against the letter.
    """

    reason: str
    tried: bool = True


class InDoubt(NamedTuple):
    """The final dot was handed over and no reply came: nobody knows, so it is never sent again by itself."""

    reason: str


Result = Sent | Failed | Deferred | InDoubt


class SettledLetter(NamedTuple):
    """A letter that has come to its end, one way or another."""

    letter_id: str
    incident_id: str
    customer_id: str
    kind: LetterKind
    state: str
    drill: bool = False
    is_cancelled: bool = False


# ── Ids ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def letter_id(incident_id: str, customer_id: str, kind: LetterKind, which: str = "") -> UUID:
    """The id of a letter: UUIDv5(incident, customer, kind), so that a replay writes the same letter.

    `which` tells apart several letters of one kind, for later additions (their entry ids, say).
    """
    return UUID(ids.letter_id(incident_id, customer_id, kind, which))


# ── Text from outside ────────────────────────────────────────────────────────────────────────────────────────────

NAME_CHARACTERS = 80
_ENCODED_WORD = re.compile(r"=\?[^?\s]*\?[bBqQ]\?[^?\s]*\?=")
_SPACES = frozenset(("Zs", "Zl", "Zp"))
_UNWANTED = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))


def clean(text: str, limit: int) -> str:
    """The text on one line, without control, format, bidirectional and unassigned characters, cut to `limit`.

    Encoded words are taken out, so that no reader decodes one into something that was not checked.
    """
    kept = []
    for char in unicodedata.normalize("NFC", text[: limit * 4]):
        category = unicodedata.category(char)
        if category in _SPACES or char in "\t\r\n\v\f":
            kept.append(" ")
        elif category not in _UNWANTED:
            kept.append(char)
    line = _ENCODED_WORD.sub("", "".join(kept))
    while "=?" in line:
        line = line.replace("=?", "")
    line = " ".join(line.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def greeting_name(name: str | None) -> str:
    """The name by which to greet, or "" for a neutral greeting: an empty name, or one that carries a link."""
    if not name:
        return ""
    line = clean(name, NAME_CHARACTERS)
    return "" if "://" in line else line


def zone(name: str) -> str | None:
    """The time zone's IANA name, None if there is no such zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    return name
