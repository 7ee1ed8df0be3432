"""Notifications' settings: the runtime's, the relay, and who writes the letters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from services.notifications.addresses import usable
from services.notifications.wording import FALLBACK
from services.runtime.settings import Address, RuntimeSettings, Seconds


def _mailbox(value: str) -> str:
    if usable(value) is None:
        raise ValueError(f"{value!r} is no e-mail address")
    return value


class Settings(RuntimeSettings):
    """What notifications needs to know."""

    smtp: Address
    mail_from: Annotated[str, AfterValidator(_mailbox)]
    state: Path
    """A folder for the worker's journal: it must be the same one when the worker comes back."""
    company: str = Field(default="", max_length=100)
    contact: str = Field(default="", max_length=200)
    language: str = FALLBACK
    """For customers whose own is not among ours."""
    smtp_connections: int = Field(default=4, ge=1, le=100)
    smtp_reply_seconds: Seconds = 60.0
    smtp_dot_seconds: Seconds = 120.0
    letters_in_hand: int = Field(default=1_000, ge=1, le=20_000)
    """So many letters are claimed in one transaction, and so many are settled in one."""
    abandoned_after_seconds: Seconds = 3_600.0
    """A letter that a worker has claimed and not settled for so long is in doubt."""
