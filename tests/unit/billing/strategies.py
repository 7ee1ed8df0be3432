"""Events for the ledger's properties: incidents that give, and take back, over contracts that run or are over.

What is judged by a date depends on the contract as it stands. So no declaration lies between a contract's own end and
the end that extensions gave it: the tests that say what happens there are not properties.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias

from hypothesis import strategies as st

from schemas.events import AddonRemedy, EntitlementGranted, EntitlementWithdrawn, ExtensionRemedy, Remedy
from tests.unit.billing.builders import (
    addon,
    contract,
    credit,
    event,
    extension,
    in_its_place,
    voucher,
    withdrawal,
    withdrawn,
)

FIRST_DECLARED, LAST_DECLARED = date(2011, 5, 1), date(2011, 5, 31)
LONG_AFTER = date(2019, 1, 1)
"""No contract runs until then, however it was extended."""

Event: TypeAlias = EntitlementGranted | EntitlementWithdrawn


def ends(at_earliest: date, at_latest: date) -> st.SearchStrategy[str]:
    return st.dates(at_earliest, at_latest).map(date.isoformat)


over = ends(FIRST_DECLARED - timedelta(days=400), FIRST_DECLARED - timedelta(days=1))
running = ends(LAST_DECLARED + timedelta(days=2), LAST_DECLARED + timedelta(days=400))
contracts = st.lists(
    st.builds(contract, ends_on=st.one_of(st.none(), over, running), terminated_on=st.one_of(st.none(), over, running)),
    min_size=1,
    max_size=4,
).map(lambda made: {f"K-{n}": one._replace(contract_id=f"K-{n}") for n, one in enumerate(made)})
names = st.sampled_from([f"K-{n}" for n in range(5)])  # some of them nobody's


@st.composite
def entitlements(draw: st.DrawFn) -> list[EntitlementGranted]:
    """Events of up to six incidents, each declared on some day of May, each with up to four remedies."""
    made = []
    for number in range(draw(st.integers(1, 6))):
        incident = f"incident-{number}"
        remedies: dict[str, Remedy] = {}
        for kind, name, days in draw(
            st.lists(st.tuples(st.integers(0, 3), names, st.integers(1, 40)), min_size=1, max_size=4)
        ):
            remedy: Remedy
            match kind:
                case 0:
                    remedy = extension(name, days, incident=incident)
                case 1:
                    remedy = addon(name, incident=incident)
                case 2:
                    remedy = voucher(incident=incident)
                case _:
                    remedy = credit(incident=incident)
            remedies.setdefault(remedy.entry_id, remedy)
        day = draw(st.dates(FIRST_DECLARED, LAST_DECLARED))
        declared = datetime(day.year, day.month, day.day, draw(st.integers(3, 21)), tzinfo=UTC)
        made.append(event(*remedies.values(), incident=incident, declared_at=declared))
    return made


def cut(events: Sequence[Event], sizes: Sequence[int]) -> list[Sequence[Event]]:
    """The events in batches of these sizes, the last one with what is left."""
    batches, start = [], 0
    for size in (*sizes, len(events)):
        batches.append(events[start : start + size])
        start += size
    return batches


@st.composite
def lives(draw: st.DrawFn) -> list[Event]:
    """Entitlements, and a later revision of some of their incidents that withdraws some of what they gave."""
    made: list[Event] = []
    for granted in draw(entitlements()):
        remedies = tuple(_with_a_substitute(one) if draw(st.booleans()) else one for one in granted.remedies)
        drill = draw(st.integers(0, 4)) == 0
        made.append(granted.model_copy(update={"remedies": remedies, "drill": drill}))
        if taken := draw(st.lists(st.sampled_from(remedies), unique=True, max_size=4)):
            honoured = draw(st.booleans())
            late = draw(st.sampled_from([LAST_DECLARED + timedelta(days=1), LONG_AFTER]))
            made.append(
                withdrawn(
                    *[withdrawal(one, honoured=honoured) for one in taken],
                    incident=granted.incident_id,
                    declared_at=datetime(late.year, late.month, late.day, 10, tzinfo=UTC),
                    drill=drill,
                )
            )
    return made


def _with_a_substitute(remedy: Remedy) -> Remedy:
    if not isinstance(remedy, ExtensionRemedy | AddonRemedy):
        return remedy
    stead = in_its_place(remedy, ["expired", "unknown_contract", "open_ended"], as_voucher=remedy.kind == "addon")
    return remedy.model_copy(update={"substitutes": (stead,)})
