"""What is said of an event that is not the schema: field by field, and never the value: it may be a name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from schemas.events import EVENTS
from services.runtime.envelope import complaints

NAME = "Ermenegilda"


class Card(BaseModel):
    kind: Literal["card"]
    number: int


class Cash(BaseModel):
    kind: Literal["cash"]


class Person(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    age: int = 0
    initials: Annotated[str, Field(max_length=2)] = ""
    code: Annotated[str, Field(pattern="^[0-9]+$")] = "0"
    mood: Literal["good", "bad"] = "good"
    paid_with: Annotated[Card | Cash, Field(discriminator="kind")] | None = None
    word: str = ""

    @field_validator("word", mode="before")
    @classmethod
    def _is_the_word(cls, value: Any) -> Any:
        if value != "":
            raise ValueError(f"{value!r} is not the word")
        return value


def told(model: Any, value: object) -> str:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(model).validate_python(value)
    return complaints(raised.value)


@pytest.mark.parametrize(
    "value",
    [
        NAME,
        {"age": NAME},
        {"initials": NAME},
        {"code": NAME},
        {"mood": NAME},
        {"paid_with": {"kind": NAME}},
        {"paid_with": {"kind": "card", "number": NAME}},
        {"word": NAME},
        {"word": [NAME]},
        {"word": {"name": NAME}},
    ],
)
def test_a_complaint_never_contains_the_value(value: object) -> None:
    assert NAME not in told(Person, value)


@pytest.mark.parametrize("type_name", sorted(EVENTS))
@pytest.mark.parametrize(
    "wrong", [f"{NAME} \0", [NAME], {"amount": NAME, "currency": NAME, "kind": NAME}, {"starts_at": NAME}]
)
def test_no_event_of_ours_repeats_a_value_that_it_refuses(type_name: str, wrong: object) -> None:
    model = EVENTS[type_name]
    assert NAME not in told(model, dict.fromkeys(model.model_fields, wrong))


def test_a_complaint_names_the_field_and_says_what_would_be_right() -> None:
    assert told(Person, {"age": "x"}) == "age: Input should be a valid integer"
    assert told(Person, {"paid_with": {"kind": "card", "number": "x"}}).startswith("paid_with.card.number: ")
    assert told(Person, 7).startswith("value: ")


def test_words_of_the_schema_are_kept() -> None:
    assert told(Person, {"word": 7}) == "word: Value error, … is not the word"


def test_many_complaints_are_cut_short() -> None:
    found = told(list[int], ["x"] * 12)
    assert found.count(";") == 5
    assert found.endswith("; and 7 more")
