"""The values of the notifications service: recipients, incidents, letters, and what a relay said of one.

Says how a letter is named, which states it goes through, and how a text from outside is made harmless. Leaves the
words to `wording` and the templates, the decisions to `decide`, the transport to `smtp` and `mailer`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, NewType
from uuid import UUID

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


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom a letter is for, as the CRM wrote it: name, address and locale are untrusted text."""

    customer_id: str
    name: str | None = None
    email: str | None = None
    locale: str | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """What happened: its window [starts_at, ends_at) and the zone (IANA name) in which to tell it.

    Without a zone the window is told in the offset that `starts_at` carries.
    """

    incident_id: str
    title: str
    starts_at: datetime
    ends_at: datetime | None = None
    time_zone: str | None = None


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


# ── What a letter says of one outcome ────────────────────────────────────────────────────────────────────────────


class IncompleteOutcomeError(ValueError):
    """An outcome lacks what the letter must say of it, such as the new date of an extended contract."""


class Section(StrEnum):
    """The parts of a letter that list something, in the order of the letter."""

    EXTENSIONS = "extensions"
    ADDONS = "addons"
    VOUCHERS = "vouchers"
    CREDITS = "credits"
    REFUSALS = "refusals"


class Line(NamedTuple):
    """One line of a letter: what many customers' lines share (`key`, hashable), and what is this one's own.

    `key` is the name of the templates' macro and its arguments; `own` is the contract's id or the voucher's code.
    """

    section: int
    key: tuple[Any, ...]
    own: str


def line(outcome: Mapping[str, Any]) -> Line:
    """What a letter says of one outcome of `adjustment.applied.v1`, given as the JSON object on the wire.

    Raises IncompleteOutcomeError if something is missing that the letter must name.
    """
    try:
        if outcome["outcome"] == "refused":
            contract = outcome.get("contract_id") or ""
            key = ("refusal", outcome["kind"], outcome.get("product"), outcome["reason"], bool(contract))
            return Line(4, key, contract)
        return _APPLIED[outcome["kind"]](outcome)
    except (KeyError, TypeError) as missing:
        raise IncompleteOutcomeError(
            f"outcome {outcome.get('entry_id')} of kind {outcome.get('kind')} lacks {missing}"
        ) from missing


def _extension(outcome: Mapping[str, Any]) -> Line:
    dates = outcome["ends_on"]
    key = ("extension", outcome["product"], dates["before"], dates["after"])
    return Line(0, key, _given(outcome, "contract_id"))


def _addon(outcome: Mapping[str, Any]) -> Line:
    contract = outcome.get("contract_id") or ""
    return Line(1, ("addon", outcome["product"], _given(outcome, "ends_on"), bool(contract)), contract)


def _voucher(outcome: Mapping[str, Any]) -> Line:
    terms = (
        _money(outcome.get("amount")),
        outcome.get("merchant"),
        _money(outcome.get("shipping_cap")),
        bool(outcome.get("handling_covered")),
    )
    return Line(2, ("voucher", *terms, _given(outcome, "valid_until")), _given(outcome, "code"))


def _credit(outcome: Mapping[str, Any]) -> Line:
    amount = _money(outcome.get("amount"))
    return Line(3, ("credit", amount), "" if amount else _given(outcome, "credit_id"))


def _given(outcome: Mapping[str, Any], field: str) -> str:
    value = outcome[field]
    if not isinstance(value, str) or not value:
        raise KeyError(field)
    return value


def _money(value: Mapping[str, str] | None) -> tuple[str, str] | None:
    return None if value is None else (value["amount"], value["currency"])


_APPLIED = {"extension": _extension, "addon": _addon, "voucher": _voucher, "credit": _credit}
