"""All hand-made bugs, part by part: what the tests are for is what they notice when it is gone."""

from __future__ import annotations

from tests.sabotage import (
    bugs_billing,
    bugs_edges,
    bugs_entitlements,
    bugs_notifications,
    bugs_plans,
    bugs_runtime,
)
from tests.sabotage.bug import Bug

BUGS: tuple[Bug, ...] = (
    *bugs_runtime.BUGS,
    *bugs_entitlements.BUGS,
    *bugs_plans.BUGS,
    *bugs_billing.BUGS,
    *bugs_notifications.BUGS,
    *bugs_edges.BUGS,
)
