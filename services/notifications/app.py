"""Notifications' composition root: the one place where its parts are wired together."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import structlog

from services.notifications import books, samples
from services.notifications.addresses import usable
from services.notifications.domain import Letterhead
from services.notifications.handlers import Handlers
from services.notifications.journal import DamagedJournalError, Journal
from services.notifications.letters import seven_bit
from services.notifications.mailer import Mailer
from services.notifications.metrics import LetterMetrics
from services.notifications.relay import Deadlines, Relay
from services.notifications.retractions import Retractions
from services.notifications.sender import Sender
from services.notifications.settings import Settings
from services.runtime import http, service

log = structlog.get_logger()

NAME = "notifications"


async def serve(settings: Settings) -> None:
    """Run the service until it is told to stop; raises `JournalError` while another worker has its journal."""
    worker = f"w{settings.worker}"
    head = _letterhead(settings)
    with _journal(settings.state, worker) as journal:
        async with service.parts(NAME, settings) as parts, _mailer(settings, journal) as mailer:
            metrics = LetterMetrics(parts.metrics.registry)
            consumer = parts.consumer(Handlers(metrics).routes())
            sender = Sender(
                parts.workbench,
                mailer,
                journal,
                head,
                metrics,
                language=settings.language,
                worker=worker,
                at_most=settings.letters_in_hand,
                abandoned_after=timedelta(seconds=settings.abandoned_after_seconds),
            )
            app = parts.api()
            operator = http.operator(settings.operator_token)
            books.mount(app, parts.pool, head, settings.language, operator)
            samples.mount(app, head, settings.language, operator)
            await service.run(
                app,
                settings.http,
                [
                    consumer.run,
                    parts.persistent(sender.run),
                    parts.persistent(sender.tidy),
                    parts.persistent(Retractions(parts.workbench, metrics).run),
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
