"""Settings from the environment (`AMENDS_…`), validated when the process starts; no secret has a default.

Each service adds its own fields. Leaves to the service's `app` what is done with them.
"""

from __future__ import annotations

import sys
from typing import Annotated, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


def _address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ValueError(f"{value!r} is no address: write host:port")
    return value


Address = Annotated[str, AfterValidator(_address)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class RuntimeSettings(BaseSettings):
    """What every service needs to know."""

    model_config = SettingsConfigDict(env_prefix="AMENDS_", extra="ignore", frozen=True)

    kafka: Address
    database: SecretStr
    http: Address
    operator_token: SecretStr = Field(min_length=16)
    worker: str = Field(default="1", pattern=r"^[a-z0-9-]{1,40}$")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    batch_records: int = Field(default=5_000, ge=1, le=50_000)
    """At most so many records in one batch, and so in one transaction."""
    pool_size: int = Field(default=8, ge=2, le=64)
    transaction_seconds: Seconds = 60.0
    """A transaction that takes longer is rolled back and tried again."""
    delivery_seconds: Seconds = 30.0
    """A publication that the broker has not acknowledged by then has failed."""
    patience_seconds: Seconds = 600.0
    """How long a broker or database may be away before the process gives up."""
    outbox_kept_days: float = Field(default=90, gt=0)
    """A published outbox row is deleted when it is older: as long as the topics keep their records."""
    quarantine_in_a_row: int = Field(default=500, ge=1)
    quarantine_share: float = Field(default=0.5, gt=0, le=1)
    quarantine_window: int = Field(default=5_000, ge=1)
    """More poison than `share` of the last `window` records, or `in_a_row`, halts the consumer."""


S = TypeVar("S", bound=RuntimeSettings)


def load(settings: type[S]) -> S:
    """Read the settings, or say on stderr which variable is wrong and end the process with 2."""
    try:
        return settings()
    except ValidationError as error:
        for problem in error.errors(include_input=False):
            name = "AMENDS_" + "_".join(str(part) for part in problem["loc"]).upper()
            text = "is not set" if problem["type"] == "missing" else problem["msg"]
            sys.stderr.write(f"{name}: {text}\n")
        raise SystemExit(2) from None
