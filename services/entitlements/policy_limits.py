"""What holds a run back: a budget per currency, and a canary of some customers first.

Leaves to `gates` what may go by itself, and to the plan that nothing goes before it may.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PlainValidator, WithJsonSchema, model_validator
from pydantic.json_schema import JsonSchemaValue

from services.entitlements.policy_fields import (
    Currency,
    Part,
    Portion,
    Positive,
    at_the_exponent,
    read_length,
    written_length,
)


class Budget(Part):
    """What an incident may cost in one currency, and up to which share of that nobody is asked."""

    currency: Currency
    ceiling: Positive
    approval_above: Portion | None = None
    """The share of the ceiling above which a second person must approve; "0 %": always."""

    @model_validator(mode="before")
    @classmethod
    def _at_the_exponent(cls, data: Any) -> Any:
        return at_the_exponent(data, "ceiling")


def _then(value: Any) -> Literal["approval"] | timedelta:
    if value == "approval":
        return "approval"
    if isinstance(value, timedelta):
        return value
    try:
        return read_length(value)
    except ValueError:
        raise ValueError(f'{value!r} is nothing to wait for: write approval, or a text such as "30 minutes"') from None


class Canary(Part):
    """So many customers first, and the rest after an approval or a delay."""

    customers: Annotated[int, Field(ge=1, le=1_000_000, strict=True)]
    then: Annotated[
        Literal["approval"] | timedelta,
        PlainValidator(_then),
        PlainSerializer(lambda then: then if then == "approval" else written_length(then)),
        WithJsonSchema({"type": "string", "examples": ["approval", "30 minutes"]}),
    ] = "approval"

    @model_validator(mode="before")
    @classmethod
    def _a_number_alone(cls, data: Any) -> Any:
        if isinstance(data, int) and not isinstance(data, bool):
            return {"customers": data}
        if not isinstance(data, dict | Canary):
            raise ValueError(  # noqa: TRY004  # pydantic reports a ValueError and lets a TypeError pass
                f"{data!r} is no canary: write a number of customers such as 1000, or "
                "{customers: 1000, then: 30 minutes}"
            )
        return data

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> JsonSchemaValue:
        """As written: the number alone will do."""
        return {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 1_000_000}, handler(core_schema)]}
