"""Billing's settings: the runtime's, and the secret that voucher codes are derived with."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from services.runtime.settings import RuntimeSettings


def _secret(value: SecretStr) -> SecretStr:
    try:
        long_enough = len(bytes.fromhex(value.get_secret_value())) >= 32
    except ValueError:
        long_enough = False
    if not long_enough:
        raise ValueError("is no secret: write at least 32 random bytes as hexadecimal digits")
    return value


class Settings(RuntimeSettings):
    """What billing needs to know."""

    voucher_secret: Annotated[SecretStr, AfterValidator(_secret)]
    """Change it and a replay would make other codes: it lives as long as the vouchers."""

    @property
    def secret(self) -> bytes:
        """The voucher secret's bytes."""
        return bytes.fromhex(self.voucher_secret.get_secret_value())
