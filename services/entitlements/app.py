"""Entitlements' composition root: the one place where its parts are wired together."""

from __future__ import annotations

from schemas import topics
from services.entitlements import books, messages, previews
from services.entitlements.catalogue import Catalogue
from services.entitlements.handlers import Handlers
from services.entitlements.metrics import EntitlementsMetrics
from services.entitlements.plan import Planner
from services.entitlements.policy import load_policies
from services.entitlements.settings import Settings
from services.entitlements.worker import Worker
from services.runtime import http, service
from services.runtime.handling import Route

NAME = "entitlements"


async def serve(settings: Settings) -> None:
    """Run the service until it is told to stop; raises `PolicyError` when a policy cannot be read, or was changed."""
    catalogue = Catalogue(load_policies(settings.policies))
    async with service.parts(NAME, settings) as parts:
        await parts.first(catalogue.publish)
        handlers = Handlers(catalogue)
        consumer = parts.consumer(
            {
                topics.INCIDENTS: Route(messages.INCIDENTS, handlers.incidents),
                topics.CONTRACTS: Route(messages.CONTRACTS, handlers.contracts),
            }
        )
        planner = Planner(parts.pool, parts.workbench, catalogue, settings.kafka, settings.chunk_customers)
        metrics = EntitlementsMetrics(parts.metrics.registry)
        worker = Worker(parts.pool, parts.workbench, catalogue, metrics, f"w{settings.worker}")
        parts.relay.restate = catalogue.restate
        app = parts.api()
        operator = http.operator(settings.operator_token)
        books.mount(app, parts.pool, catalogue, operator)
        previews.mount(app, parts.pool, catalogue, operator, settings.chunk_customers)
        await service.run(
            app,
            settings.http,
            [
                consumer.run,
                parts.persistent(planner.run),
                parts.persistent(worker.run),
                parts.persistent(parts.relay.sweep),
            ],
        )
