"""Outcomes, recipients and incidents to write letters about, and a letter as a mail reader sees it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from schemas.events import LetterKind
from services.notifications.addresses import usable
from services.notifications.domain import Address, Incident, Letterhead, Recipient, letter_id
from services.notifications.letters import Writer
from services.notifications.news import Content

ROME = timezone(timedelta(hours=2))
INCIDENT = Incident(
    "aruba-2011-04-29",
    "Black-out ad Arezzo",
    datetime(2011, 4, 29, 4, 30, tzinfo=ROME),
    datetime(2011, 4, 29, 13, 0, tzinfo=ROME),
)
HEAD = Letterhead(Address("assistenza@amends.example"))
DATED = datetime(2011, 4, 30, 9, 0, tzinfo=UTC)
Outcome = dict[str, Any]


def extension(
    contract: str = "K-1", after: str = "2011-12-16", product: str = "dedicated-server", **more: Any
) -> Outcome:
    """A contract whose end moved from 1 December 2011."""
    return {
        "entry_id": "e1",
        "grant_id": "g1",
        "kind": "extension",
        "outcome": "applied",
        "contract_id": contract,
        "product": product,
        "ends_on": {"before": "2011-12-01", "after": after},
        **more,
    }


def addon(contract: str | None = "K-2", product: str = "business-mail") -> Outcome:
    """A free add-on until 13 May 2012."""
    return {
        "entry_id": "e2",
        "grant_id": "g2",
        "kind": "addon",
        "outcome": "applied",
        "contract_id": contract,
        "addon_id": "a2",
        "product": product,
        "ends_on": "2012-05-13",
    }


def voucher(**more: Any) -> Outcome:
    """The case's voucher."""
    return {
        "entry_id": "e3",
        "grant_id": "g3",
        "kind": "voucher",
        "outcome": "applied",
        "voucher_id": "v3",
        "code": "7KQM-2XHD-94TB-WR6N-C",
        "valid_until": "2012-05-13",
        "amount": {"amount": "5.00", "currency": "EUR"},
        "merchant": "Fotoaruba",
        "shipping_cap": {"amount": "1.90", "currency": "EUR"},
        "handling_covered": True,
        **more,
    }


def credit(**more: Any) -> Outcome:
    """Three euros on the account."""
    amount = {"amount": "3.00", "currency": "EUR"}
    return {
        "entry_id": "e4",
        "grant_id": "g4",
        "kind": "credit",
        "outcome": "applied",
        "credit_id": "c4",
        "amount": amount,
        **more,
    }


def refused(reason: str = "expired", contract: str = "K-9", kind: str = "extension") -> Outcome:
    """Something that billing could not apply."""
    return {
        "entry_id": "e9",
        "grant_id": "g9",
        "kind": kind,
        "outcome": "refused",
        "reason": reason,
        "contract_id": contract,
        "product": "housing",
    }


def remedy(kind: str = "extension", entry: str = "e1", **more: Any) -> Outcome:
    """What is owed, as an announcement has it."""
    by_kind: dict[str, Outcome] = {
        "extension": {"contract_id": "K-1", "product": "dedicated-server", "days": 15},
        "addon": {"contract_id": "K-2", "product": "business-mail", "ends_on": "2012-05-13"},
        "voucher": {
            "amount": {"amount": "5.00", "currency": "EUR"},
            "merchant": "Fotoaruba",
            "shipping_cap": {"amount": "1.90", "currency": "EUR"},
            "handling_covered": True,
            "valid_until": "2012-05-13",
        },
        "credit": {"amount": {"amount": "3.00", "currency": "EUR"}},
    }
    return {"entry_id": entry, "grant_id": f"g-{entry}", "rule": "r", "kind": kind, **by_kind[kind], **more}


def reversal(kind: str = "extension", reverses: str = "e1", reason: str | None = None, **more: Any) -> Outcome:
    """What became of what is no longer owed: taken back, or refused for that reason."""
    by_kind: dict[str, Outcome] = {
        "extension": {
            "contract_id": "K-1",
            "product": "dedicated-server",
            "days": 15,
            "ends_on": {"before": "2011-12-16", "after": "2011-12-01"},
        },
        "addon": {"contract_id": "K-2", "product": "business-mail"},
        "voucher": {
            "amount": {"amount": "5.00", "currency": "EUR"},
            "merchant": "Fotoaruba",
            "code": "7KQM-2XHD-94TB-WR6N-C",
        },
        "credit": {"amount": {"amount": "3.00", "currency": "EUR"}},
    }
    what = {"outcome": "applied"} if reason is None else {"outcome": "refused", "reason": reason}
    told = {"entry_id": f"w-{reverses}", "grant_id": f"g-{reverses}", "kind": kind, "reverses": reverses, **what}
    return {**told, **by_kind[kind], **more}


def recipient(name: str | None = "Mario Rossi", locale: str | None = "it", customer: str = "C-1") -> Recipient:
    """Somebody with a good address."""
    return Recipient(customer, name, "mario.rossi@example.it", locale)


def written(
    outcomes: list[Outcome] | Content,
    to: Recipient | None = None,
    *,
    kind: LetterKind = "details",
    incident: Incident = INCIDENT,
    head: Letterhead = HEAD,
) -> bytes:
    """A letter's octets."""
    to = to or recipient()
    address = usable(to.email)
    assert address is not None
    letter = letter_id(incident.incident_id, to.customer_id, kind)
    said = outcomes if isinstance(outcomes, Content) else Content(outcomes)
    return Writer(head, incident).write(kind, letter, address, to, said, DATED)


def read(octets: bytes) -> EmailMessage:
    """The letter as Python's mail reader sees it, without a defect anywhere."""
    message = message_from_bytes(octets, policy=policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert part.defects == []
    return message


def text_of(octets: bytes) -> str:
    """The plain-text part."""
    part = read(octets).get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def html_of(octets: bytes) -> str:
    """The HTML part."""
    part = read(octets).get_body(("html",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def prose(text: str) -> str:
    """The text with its line breaks undone."""
    return " ".join(text.split())
