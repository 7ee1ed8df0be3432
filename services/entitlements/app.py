"""Entitlements' composition root: the one place where its parts are wired together."""

from __future__ import annotations

from schemas import topics
from services.entitlements import books, messages
from services.entitlements.handlers import Handlers
from services.entitlements.plan import Planner, Worker
from services.entitlements.policy import load_policies
from services.entitlements.settings import Settings
from services.runtime import http, service
from services.runtime.consumer import Route

NAME = "entitlements"


async def serve(settings: Settings) -> None:
    """Run the service until it is told to stop; raises `PolicyError` when a policy cannot be read."""
    policies = load_policies(settings.policies)
    async with service.parts(NAME, settings) as parts:
        handlers = Handlers(policies)
        consumer = parts.consumer(
            {
                topics.INCIDENTS: Route(messages.INCIDENTS, handlers.incidents),
                topics.CONTRACTS: Route(messages.CONTRACTS, handlers.contracts),
            }
        )
        planner = Planner(parts.pool, parts.workbench, settings.kafka, settings.chunk_customers)
        worker = Worker(parts.pool, parts.workbench, policies, f"w{settings.worker}")
        app = parts.api()
        books.mount(app, parts.pool, policies, http.operator(settings.operator_token))
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
