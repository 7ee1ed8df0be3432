"""Billing's composition root: the one place where its parts are wired together."""

from __future__ import annotations

from schemas import topics
from services.billing import books, messages
from services.billing.handlers import Handlers
from services.billing.settings import Settings
from services.billing.vouchers import Codes
from services.runtime import service
from services.runtime.consumer import Route

NAME = "billing"


async def serve(settings: Settings) -> None:
    """Run the service until it is told to stop."""
    async with service.parts(NAME, settings) as parts:
        handlers = Handlers(Codes(settings.secret))
        consumer = parts.consumer({topics.ENTITLEMENTS: Route(messages.ENTITLEMENTS, handlers.entitlements)})
        app = parts.api()
        books.mount(app, parts.pool)
        await service.run(app, settings.http, [consumer.run, parts.persistent(parts.relay.sweep)])
