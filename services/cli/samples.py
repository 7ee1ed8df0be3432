"""Sample letters: what customers of a preview would be written, by billing's trial and notifications' own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import yaml

from services.cli.asking import Services, part

DETAILS = ["details"]

Told = Mapping[str, Any]
"""A policy as notifications knows it: the data of `policy.published.v1`."""


def told_of(services: Services, key: str, text: str | None = None) -> Told:
    """What notifications is to know of a policy: of the one published under this key, or of a file's text."""
    body = services.get("entitlements", f"/policies/{part(key)}")["body"] if text is None else yaml.safe_load(text)
    return {
        "policy": key,
        "title": body["title"],
        "time_zone": body["time_zone"],
        "letters": body.get("letters", DETAILS),
        "texts": body.get("texts", {}),
    }


def letters(
    services: Services,
    declaration: Mapping[str, Any],
    samples: Sequence[Mapping[str, Any]],
    policy: Told,
    count: int,
    language: str,
) -> list[dict[str, Any]]:
    """`count` letters of each kind that the policy wants: to whom, subject and text."""
    found = []
    for kind, sample in product(policy["letters"], samples[:count]):
        granted = sample["granted"]
        details = kind == "details"
        asked = {
            "declaration": declaration,
            "kind": kind,
            "policy": policy,
            "granted": None if details else granted,
            "applied": services.ask("billing", "/trials", granted) if details else None,
            "language": language,
        }
        written = services.ask("notifications", "/samples", asked)
        found.append({"kind": kind, "customer_id": sample["customer_id"], **written})
    return found
