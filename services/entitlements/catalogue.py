"""The catalogue: policies as they were published, kept in the database for as long as anything was decided by them.

A policy is published when the service that has its file starts. From then on it is never changed: a file that says
something else under the same name and version stops the service, and a file that is gone changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog

from schemas import topics
from services.entitlements import messages
from services.entitlements.policy import Policies, Policy, policy_from_body
from services.entitlements.policy_errors import PolicyError
from services.entitlements.store import SQL
from services.runtime.database import Connection
from services.runtime.relay import Page
from services.runtime.work import Transaction

log = structlog.get_logger()


class Catalogue:
    """The policies that may be named: those of the files, and whatever was published before."""

    def __init__(self, files: Policies) -> None:
        self._known: dict[str, Policy] = dict(files)

    async def publish(self, transaction: Transaction) -> None:
        """Publish what is new; raises `PolicyError` for a file that says something else than what was published."""
        changed = []
        for key, policy in self._known.items():
            if await transaction.connection.fetchval(SQL["publish_policy"], key, policy.digest, policy.body()):
                transaction.publish(topics.POLICIES, messages.policy_published(policy))
                log.info("published", policy=key)
            elif (await transaction.connection.fetchrow(SQL["policy"], key))["digest"] != policy.digest:
                changed.append(
                    f"{key}.yaml: says something else than {key} as it was published: put it back, and write what has "
                    f"changed as {policy.name}@{policy.version + 1}.yaml"
                )
        if changed:
            raise PolicyError(changed)

    async def restate(self, connection: Connection, _: str) -> Page:
        """Every policy that was published: their topic keeps them for ever."""
        rows = await connection.fetch(SQL["policies"])
        records = [record for row in rows for record in messages.policy_published(policy_from_body(row["body"]))]
        return {topics.POLICIES: records} if records else {}, None

    async def named(self, connection: Connection, key: str) -> Policy:
        """The policy of that name; raises `PolicyError` with the names that are known when there is none."""
        policy = self._known.get(key)
        if policy is None:
            row = await self.published(connection, key)
            if row is None:
                return Policies(self._known).named(key)  # it says which policies there are
            policy = self._known[key] = policy_from_body(row["body"])
        return policy

    async def published(self, connection: Connection, key: str) -> Mapping[str, Any] | None:
        """A policy as it was published: its digest, its body, and when."""
        row: Mapping[str, Any] | None = await connection.fetchrow(SQL["policy"], key)
        return row
