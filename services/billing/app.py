"""Billing's composition root: the one place where its parts are wired together."""

from __future__ import annotations

from schemas import topics
from services.billing import books, messages, redemptions, trials
from services.billing.handlers import Handlers, restate
from services.billing.metrics import BillingMetrics
from services.billing.settings import Settings
from services.billing.vouchers import Codes
from services.runtime import http, service
from services.runtime.handling import Route

NAME = "billing"


async def serve(settings: Settings) -> None:
    """Run the service until it is told to stop."""
    async with service.parts(NAME, settings) as parts:
        codes, metrics = Codes(settings.secret), BillingMetrics(parts.metrics.registry)
        handlers = Handlers(codes, metrics)
        consumer = parts.consumer({topics.ENTITLEMENTS: Route(messages.ENTITLEMENTS, handlers.entitlements)})
        parts.relay.restate = restate
        app = parts.api()
        operator = http.operator(settings.operator_token)
        books.mount(app, parts.pool)
        redemptions.mount(app, parts.pool, codes, metrics, operator)
        trials.mount(app, parts.pool, operator)
        await service.run(app, settings.http, [consumer.run, parts.persistent(parts.relay.sweep)])
