"""Notifications' composition root: the one place where its parts are wired together."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import structlog

from schemas import topics
from services.notifications import books, handlers, messages
from services.notifications.addresses import usable
from services.notifications.domain import Letterhead
from services.notifications.journal import DamagedJournalError, Journal
from services.notifications.letters import seven_bit
from services.notifications.mailer import Mailer
from services.notifications.relay import Deadlines, Relay
from services.notifications.sender import Sender
from services.notifications.settings import Settings
from services.runtime import http, service
from services.runtime.consumer import Route

log = structlog.get_logger()

NAME = "notifications"


async def serve(settings: Settings) -> None:
    """Run the service until it is told to stop; raises `JournalError` while another worker has its journal."""
    worker = f"w{settings.worker}"
    head = _letterhead(settings)
    with _journal(settings.state, worker) as journal:
        async with service.parts(NAME, settings) as parts, _mailer(settings, journal) as mailer:
            consumer = parts.consumer(
                {
                    topics.INCIDENTS: Route(messages.INCIDENTS, handlers.incidents),
                    topics.CUSTOMERS: Route(messages.CUSTOMERS, handlers.customers),
                    topics.ADJUSTMENTS: Route(messages.ADJUSTMENTS, handlers.adjustments),
                }
            )
            sender = Sender(
                parts.workbench,
                mailer,
                journal,
                head,
                language=settings.language,
                worker=worker,
                at_most=settings.letters_in_hand,
                abandoned_after=timedelta(seconds=settings.abandoned_after_seconds),
            )
            app = parts.api()
            books.mount(app, parts.pool, head, settings.language, http.operator(settings.operator_token))
            await service.run(
                app,
                settings.http,
                [
                    consumer.run,
                    parts.persistent(sender.run),
                    parts.persistent(sender.tidy),
                    parts.persistent(parts.relay.sweep),
                ],
            )


def _journal(folder: Path, worker: str) -> Journal:
    """The worker's journal. A damaged one is moved aside: without it, all letters in hand will be in doubt."""
    try:
        return Journal.open(folder, worker)
    except DamagedJournalError as damage:
        kept = Journal.set_aside(folder, worker)
        log.error("the journal is damaged: letters in hand are in doubt", damage=str(damage), kept=str(kept))
        return Journal.open(folder, worker)


def _letterhead(settings: Settings) -> Letterhead:
    sender = usable(settings.mail_from)
    assert sender is not None, "the settings were validated"
    return Letterhead(sender, settings.company, settings.contact)


def _mailer(settings: Settings, journal: Journal) -> Mailer:
    host, _, port = settings.smtp.rpartition(":")
    deadlines = Deadlines(reply=settings.smtp_reply_seconds, dot=settings.smtp_dot_seconds)
    relay = Relay(host, int(port), _letterhead(settings).domain, deadlines, seven_bit)
    return Mailer(relay, journal, settings.smtp_connections)
