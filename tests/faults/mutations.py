"""Records that no producer should send, made from those that they do: a seed gives the same ones, byte for byte.

Each begins as one of the worked examples or as a row of an invented customer base, with ids of its own (`m-…`, `M-…`),
so that it has nothing to do with a real incident beside it; then one thing is done to it: to its data, its bytes, its
envelope or its key. Leaves to `judgement` whether a service can still process it.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from schemas.examples import examples
from tests.faults.breaking import VALUES, Draft, envelope
from tests.faults.judgement import Sent
from tests.faults.wrapping import BYTES, ENVELOPES, KEYS

SHARES: Mapping[str, tuple[int, tuple[str, ...]]] = {
    "amends.customers.v1": (25, ("customer.changed.v1",)),
    "amends.contracts.v1": (25, ("contract.changed.v1",)),
    "amends.entitlements.v1": (20, ("entitlement.granted.v1", "entitlement.withdrawn.v1")),
    "amends.adjustments.v1": (15, ("adjustment.applied.v1", "adjustment.reversed.v1")),
    "amends.announcements.v1": (10, ("announcement.requested.v1",)),
    "amends.policies.v1": (2, ("policy.published.v1",)),
    "amends.incidents.v1": (
        3,
        tuple(f"incident.{what}.v1" for what in
              ("declared", "amended", "resolved", "retracted", "approved", "paused", "resumed")),
    ),
}  # fmt: skip
"""Topics, how many of a hundred records go into each, and what it carries."""

_SPACE = UUID("6f1c9d0e-6a3f-4c55-9b9d-0a6f3b7d2e11")
_ENTRIES = ("substitutes", "entry_id", "grant_id", "withdraws", "reverses", "addon_id", "voucher_id", "credit_id")
_GIANTS_EVERY = 2_500
_REMEDIES_OF_A_GIANT = (2_000, 10_000, 10_001, 100_000)


def mutated(seed: int, count: int, base: Path) -> Iterator[Sent]:
    """So many records from a seed; `base` is the folder of a customer base (customers.csv, contracts.csv)."""
    chance = random.Random(seed)
    originals = _originals(base)
    topics = [topic for topic, (share, _) in SHARES.items() for _ in range(share)]
    for number in range(count):
        topic = chance.choice(topics)
        kind = chance.choice(SHARES[topic][1])
        data = _own(chance.choice(originals[kind]), number, kind)
        if number % _GIANTS_EVERY == _GIANTS_EVERY // 2:
            yield _giant(number, chance)
            continue
        yield _broken(Draft(number, topic, kind, data), chance)


def _broken(draft: Draft, chance: random.Random) -> Sent:
    """One of the ways to break a record, each family as likely as the others."""
    family: Sequence[Callable[[Draft, random.Random], Sent]] = chance.choice((VALUES, VALUES, BYTES, ENVELOPES, KEYS))
    return chance.choice(family)(draft, chance)


def _giant(number: int, chance: random.Random) -> Sent:
    """One customer with thousands of remedies: absurd, as the schema wants it, and sometimes more than can be answered.

    Their ids count, so that the broker, who sees them compressed, takes even a hundred thousand.
    """
    data = _own(json.loads(examples("entitlement.granted.v1")["every_kind"]), number, "entitlement.granted.v1")
    first = data["remedies"][0]
    data["remedies"] = [
        first | {"entry_id": str(UUID(int=number << 40 | n)), "grant_id": str(UUID(int=number << 40 | 1 << 39 | n))}
        for n in range(_REMEDIES_OF_A_GIANT[number // _GIANTS_EVERY % len(_REMEDIES_OF_A_GIANT)])
    ]
    return envelope(Draft(number, "amends.entitlements.v1", "entitlement.granted.v1", data), "giant", chance)


def _originals(base: Path) -> dict[str, list[dict[str, Any]]]:
    found = {kind: [json.loads(data) for data in examples(kind).values()] for _, ks in SHARES.values() for kind in ks}
    with (base / "customers.csv").open(encoding="utf-8", newline="") as lines:
        rows = [{name: value or None for name, value in row.items()} for row in csv.DictReader(lines)]
    found["customer.changed.v1"] += rows[:200]
    with (base / "contracts.csv").open(encoding="utf-8", newline="") as lines:
        found["contract.changed.v1"] += [
            _contract(row) for row, _ in zip(csv.DictReader(lines), range(200), strict=False)
        ]
    return found


def _contract(row: Mapping[str, str]) -> dict[str, Any]:
    told: dict[str, Any] = {name: row[name] or None for name in row if name not in ("currency", "addons", "attributes")}
    told["monthly_fee"] = {"amount": row["monthly_fee"], "currency": row["currency"]} if row["monthly_fee"] else None
    told["addons"] = [addon for addon in row["addons"].split(";") if addon]
    told["attributes"] = json.loads(row["attributes"] or "{}")
    return told


def _own(data: Any, number: int, kind: str) -> Any:
    """The same event about nobody and nothing that there is."""
    if isinstance(data, list):
        return [_own(part, number, kind) for part in data]
    if not isinstance(data, dict):
        return data
    own: dict[str, Any] = {}
    for name, value in data.items():
        if name in _ENTRIES and isinstance(value, str):
            own[name] = str(uuid5(_SPACE, f"{number}/{value}"))
        elif name == "incident_id":
            own[name] = f"m-{number}"
        elif name == "customer_id":
            own[name] = f"M-{number}"
        elif name == "contract_id":
            own[name] = f"MK-{number}-{value}"
        elif name == "site":
            own[name] = "nowhere"
        elif name == "scope":
            own[name] = {"contract_ids": [f"MK-{number}-none"]}
        elif name == "policy" and kind == "policy.published.v1":
            own[name] = f"m-{number}@1"
        else:
            own[name] = _own(value, number, kind)
    return own
