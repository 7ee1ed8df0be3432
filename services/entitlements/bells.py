"""The bells of entitlements, by name: there is a plan to look at, there are chunks to decide."""

from __future__ import annotations

PLANNED = "plan"
CUT = "chunk"
