"""Entitlements' settings: the runtime's, and how a plan is cut."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from services.entitlements.policy import SHIPPED
from services.runtime.settings import RuntimeSettings


class Settings(RuntimeSettings):
    """What entitlements needs to know."""

    policies: Path = Path(SHIPPED)
    """The folder of the policies, `name@version.yaml` each."""
    chunk_customers: int = Field(default=2_500, ge=1, le=50_000)
    """So many customers are decided in one transaction."""
