"""How far an incident has come, in customers, entries and letters: from what the services say, and when it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.cli.asking import Services, part
from services.cli.hold import hold
from services.cli.orders import now

_SETTLED = ("sent", "failed", "in_doubt", "suppressed", "no_address")
Totals = Mapping[str, int]
"""A service's running totals of an incident, by name."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How far an incident has come.

    `customers` are those of the last run; all else counts what was done since the incident began. `asked` are the
    entries that entitlements has granted or withdrawn, `booked` those that billing has answered for; `unannounced` how
    many announcements notifications has not heard of yet.
    """

    planned: bool
    customers: int
    considered: int
    entitled: int
    answered: int
    taken_in: int
    letters: int
    settled: int
    asked: int = 0
    booked: int = 0
    unannounced: int = 0
    state: str = "done"
    run: tuple[int, int] = (1, 1)
    hold: str | None = None
    drill: bool = False
    entries: int = 0

    @property
    def is_done(self) -> bool:
        """Every customer was considered, every entry answered for, every answer taken in, every letter settled."""
        return (
            self.planned
            and self.considered >= self.customers
            and self.asked == self.booked
            and self.answered == self.taken_in
            and not self.unannounced
            and self.letters == self.settled
        )


NOTHING = Standing(False, 0, 0, 0, 0, 0, 0, 0, state="waiting")
"""Of an incident that is only just declared."""


def standing(services: Services, incident_id: str) -> Standing:
    """Ask the services how far they are; raises `CommandError` for an incident that nobody declared."""
    incident = services.incident(incident_id)
    totals = (
        services.get(service, f"/tally/{part(incident_id)}") for service in ("entitlements", "billing", "notifications")
    )
    return reckoned(incident, *totals)


def reckoned(incident: Mapping[str, Any], entitlements: Totals, billing: Totals, notifications: Totals) -> Standing:
    """How far it is, from what entitlements says of an incident and what all three have counted."""
    entitled = entitlements.get("entitled", 0)
    announced = notifications.get("announcements", 0)
    return Standing(
        planned=incident["state"] == "done",
        customers=incident["customers"],
        considered=entitlements.get("considered", 0),
        entitled=entitled,
        answered=billing.get("answers", 0),
        taken_in=notifications.get("answers", 0) + notifications.get("reversals", 0),
        letters=notifications.get("letters", 0),
        settled=sum(notifications.get(status, 0) for status in _SETTLED),
        asked=entitlements.get("remedies", 0) + entitlements.get("withdrawals", 0),
        booked=billing.get("applied", 0) + billing.get("refused", 0) + billing.get("withdrawals", 0),
        unannounced=entitled - announced if "announcement" in incident.get("letters", ()) else 0,
        state=incident["state"],
        run=(incident["revision"], incident["run"] or 0),
        hold=hold(incident, now()),
        drill=incident["drill"],
        entries=incident["audit"]["entries"],
    )
