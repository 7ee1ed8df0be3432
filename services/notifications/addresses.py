"""Which e-mail addresses a letter can be sent to.

Stricter than the mail standards on purpose: what is let through stands in a header and in an SMTP command as it is.
Says nothing of whether the mailbox exists: that is the relay's to say.
"""

from __future__ import annotations

import re
from functools import lru_cache

import idna

from services.notifications.domain import Address

LOCAL_OCTETS = 64
DOMAIN_OCTETS = 253
ADDRESS_OCTETS = 254

# RFC 5321 dot-string, less "!" and "%": relays have read them as routes to somebody else's mailbox.
_LOCAL = re.compile(r"[A-Za-z0-9#$&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9#$&'*+/=?^_`{|}~-]+)*", re.ASCII)
_LABEL = r"(?!xn--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PLAIN_DOMAIN = re.compile(rf"(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}", re.ASCII)
_ENCODED_DOMAIN = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+(?![0-9]+\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII
)


def usable(email: str | None) -> Address | None:
    """The address as it goes into a header and an envelope, its domain IDNA-encoded; None if there is none.

    Refused: control characters, spaces inside, quotes, angle brackets, comments, several addresses, encoded words,
    address literals, a domain of one label, a local part outside ASCII (it would need SMTPUTF8), too long ones.
    """
    if not email:
        return None
    local, at, domain = email.strip(" ").rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or len(local) > LOCAL_OCTETS or "=?" in local:
        return None
    domain = domain.lower()
    if not _PLAIN_DOMAIN.fullmatch(domain):
        domain = _encoded(domain)
    if not domain or len(domain) > DOMAIN_OCTETS or len(local) + 1 + len(domain) > ADDRESS_OCTETS:
        return None
    return Address(f"{local}@{domain}")


@lru_cache(maxsize=4096)
def _encoded(domain: str) -> str:
    """The domain in ASCII as IDNA 2008 has it, or "" if it is none."""
    if len(domain) > DOMAIN_OCTETS or not domain.isprintable() or domain.endswith("."):
        return ""
    try:
        encoded = idna.encode(domain, uts46=True).decode("ascii")
    except idna.IDNAError:
        return ""
    return encoded if _ENCODED_DOMAIN.fullmatch(encoded) else ""
