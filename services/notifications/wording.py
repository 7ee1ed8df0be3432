"""The words of the letters: languages, dates, money, products, and the templates rendered with slots in them.

What comes out is text with `\\x00N\\x00` where a customer's own value goes (N is the slot's number). Leaves the
turning of that into octets, the headers and the filling to `letters`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import yaml
from babel.core import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.numbers import format_currency
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from services.notifications.domain import Incident, Window, clean
from services.notifications.lines import Section

TEMPLATES = Path(__file__).parent / "templates"
LANGUAGES: Mapping[str, str] = {"it": "it_IT", "en": "en_GB"}
"""The languages there are letters in, and how each writes dates when the customer's locale names no country."""
FALLBACK = "en"
DRILL = "[DRILL]"
"""How a drill's letters are marked, whatever their language."""
COLUMNS = 76
_LONG_WORD = re.compile(rf"\S{{{COLUMNS}}}(?=\S)")
TITLE_CHARACTERS = 120
PRODUCT_CHARACTERS = 60
MERCHANT_CHARACTERS = 80
TEXT_CHARACTERS = 2000


class Voice(NamedTuple):
    """In which language to speak, and by which locale (Babel's name) to write dates and money."""

    language: str
    locale: str


class Rows(NamedTuple):
    """One section of a letter: where its rows go (a slot), and whether there are several."""

    section: Section
    many: bool


class Shape(NamedTuple):
    """What letters of one form share: the kind, the voice, whether the greeting has a name, the sections."""

    kind: str
    voice: Voice
    named: bool
    sections: tuple[Rows, ...]

    @property
    def gifts(self) -> bool:
        """Whether anything is given."""
        return any(rows.section not in (Section.REFUSALS, Section.TAKEN, Section.KEPT) for rows in self.sections)

    @property
    def takes(self) -> bool:
        """Whether anything is taken back."""
        return any(rows.section is Section.TAKEN for rows in self.sections)


@dataclass(frozen=True, slots=True)
class Slots:
    """What stands in for a customer's own values while a letter is rendered."""

    name: str
    customer: str
    rows: Mapping[Section, str]


@lru_cache(maxsize=1024)
def voice_of(locale: str | None, fallback: str = FALLBACK) -> Voice:
    """The voice for a customer's locale such as `it`, `it-CH`, `en_US`; the fallback's for any other or none."""
    parts = (locale or "").replace("-", "_").split("_")
    language = parts[0].strip().lower()
    if language not in LANGUAGES:
        return Voice(fallback, LANGUAGES[fallback])
    country = parts[-1].strip().upper()
    if len(parts) > 1 and len(country) == 2 and country.isascii() and country.isalpha():
        try:
            return Voice(language, str(Locale(language, country)))
        except UnknownLocaleError:
            pass
    return Voice(language, LANGUAGES[language])


@lru_cache(maxsize=8192)
def day(voice: Voice, iso: str) -> str:
    """An ISO date in words: `2011-05-16` is `16 maggio 2011`. Raises ValueError if it is none."""
    return format_date(date.fromisoformat(iso), format="long", locale=voice.locale)


@lru_cache(maxsize=1024)
def money(voice: Voice, amount: str, currency: str) -> str:
    """An amount as people write it: `5,00 €`, with the currency's own decimals."""
    return format_currency(Decimal(amount), currency, locale=voice.locale).replace("\xa0", " ")


@lru_cache(maxsize=1024)
def product_name(language: str, product: str) -> str:
    """A product's trade name; its id, words capitalised, where none is known."""
    known = _products().get(product)
    if known is not None:
        return known[language]
    return clean(product.replace("-", " ").title(), PRODUCT_CHARACTERS)


@lru_cache(maxsize=1)
def _products() -> dict[str, dict[str, str]]:
    names: dict[str, dict[str, str]] = yaml.safe_load((TEMPLATES / "products.yaml").read_text("utf-8"))
    return names


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, COLUMNS, break_long_words=False, break_on_hyphens=False)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda name: name is not None and name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["wrapped"] = _wrapped
    return templates


def _lines(language: str, phrase: str, *arguments: object) -> list[str]:
    """The lines of one phrase: plain text, whichever layout they go into escapes what it must."""
    macro: Any = getattr(_templates().get_template(f"{language}.j2").module, phrase)
    return [line for line in str(macro(*arguments)).split("\n") if line]


def _phrase(language: str, phrase: str, *arguments: object) -> str:
    return " ".join(_lines(language, phrase, *arguments))


def _laid_out(layout: str, macro: str, argument: object) -> str:
    page: Any = _templates().get_template(layout).module
    return str(getattr(page, macro)(argument)).strip("\n")


def subject(shape: Shape, incident: Incident) -> str:
    """The subject, on one line, with nothing in the incident's title that a header could mistake."""
    title = clean(incident.title, TITLE_CHARACTERS)
    line = _phrase(shape.voice.language, "subject", shape.kind, shape.gifts, shape.takes, title)
    return f"{DRILL} {line}" if incident.drill else line


def window(voice: Voice, incident: Incident) -> str:
    """When it happened, told in the incident's zone, or else in the offset that the instants carry."""
    return "; ".join(_window(voice, window, incident.time_zone) for window in incident.windows)


def _window(voice: Voice, window: Window, time_zone: str | None) -> str:
    def told(instant: datetime) -> tuple[str, str, str]:
        local = instant if time_zone is None else instant.astimezone(ZoneInfo(time_zone))
        offset = f"UTC{local.strftime('%z')[:3]}:{local.strftime('%z')[3:5]}"
        return format_date(local.date(), format="full", locale=voice.locale), local.strftime("%H:%M"), offset

    start_day, start_time, start_offset = told(window.starts_at)
    end_day, end_time, end_offset = told(window.ends_at) if window.ends_at else ("", "", "")
    given = {
        "start_day": start_day,
        "start_time": start_time,
        "start_offset": start_offset,
        "end_day": end_day,
        "end_time": end_time,
        "end_offset": end_offset,
    }
    return _phrase(voice.language, "window", given)


def _opening(shape: Shape, incident: Incident, title: str) -> list[str]:
    """The opening paragraphs: what happened, in the policy's own words where it has some, and what follows."""
    language = shape.voice.language
    own = incident.texts.get(language, {}).get(shape.kind, "")
    first = own_words(own) or _lines(language, "opening", shape.kind, shape.takes, title, window(shape.voice, incident))
    details_follow = "details" in incident.letters
    return first + _lines(language, "lead", shape.kind, shape.gifts, shape.takes, details_follow)


def own_words(text: str) -> list[str]:
    """The paragraphs of a policy's text, cleaned; a blank line separates two. A word too long for a line is broken."""
    paragraphs = [clean(paragraph, TEXT_CHARACTERS) for paragraph in re.split(r"\n\s*\n", text)]
    return [_LONG_WORD.sub(r"\g<0> ", paragraph).strip() for paragraph in paragraphs if paragraph]


def page(layout: str, shape: Shape, incident: Incident, slots: Slots, company: str = "", contact: str = "") -> str:
    """The whole letter in one layout (`letter.txt.j2`, `letter.html.j2`), with slots for what is a customer's own."""
    language = shape.voice.language
    title = clean(incident.title, TITLE_CHARACTERS)
    sections = [
        {
            "heading": _phrase(language, "heading", section.value, many, shape.kind),
            "rows": slots.rows[section],
            "note": _phrase(language, "note", section.value, many, shape.kind),
        }
        for section, many in shape.sections
    ]
    letter = {
        "language": language,
        "subject": subject(shape, incident),
        "greeting": _phrase(language, "greeting", slots.name if shape.named else ""),
        "drill": _phrase(language, "drill", DRILL) if incident.drill else "",
        "opening": _opening(shape, incident, title),
        "sections": sections,
        "closing": _lines(language, "closing", clean(contact, TITLE_CHARACTERS), shape.gifts or not shape.takes),
        "farewell": _lines(language, "farewell", clean(company, TITLE_CHARACTERS)),
        "references": _lines(language, "references", slots.customer, clean(incident.incident_id, 200)),
    }
    return _laid_out(layout, "letter", letter)


def row(layout: str, voice: Voice, key: tuple[Any, ...], own: str) -> str:
    """One row of a section in one layout; `key` is a `domain.Line`'s, `own` the slot of the contract or code."""
    return _laid_out(layout, "row", _lines(voice.language, key[0], own, *_arguments(voice, key)))


def _arguments(voice: Voice, key: tuple[Any, ...]) -> tuple[object, ...]:
    """The key's values as the customer reads them."""
    match key:
        case ("extension", product, before, after):
            return product_name(voice.language, product), day(voice, before), day(voice, after)
        case ("addon", product, ends_on, _):
            return product_name(voice.language, product), day(voice, ends_on)
        case ("voucher", amount, merchant, shipping_cap, handling, valid_until):
            return (
                amount and money(voice, *amount),
                merchant and clean(merchant, MERCHANT_CHARACTERS),
                shipping_cap and money(voice, *shipping_cap),
                handling,
                day(voice, valid_until),
            )
        case ("credit", amount):
            return (amount and money(voice, *amount),)
        case ("refusal", kind, product, reason, _):
            return kind, product and product_name(voice.language, product), reason
        case ("announced_extension", product, days):
            return product_name(voice.language, product), days
        case ("announced_addon", product, _):
            return (product_name(voice.language, product),)
        case ("announced_voucher", amount, merchant, shipping_cap, handling):
            return (
                amount and money(voice, *amount),
                merchant and clean(merchant, MERCHANT_CHARACTERS),
                shipping_cap and money(voice, *shipping_cap),
                handling,
            )
        case ("announced_credit", amount):
            return (amount and money(voice, *amount),)
        case ("taken_extension" | "taken_addon" | "kept_extension" | "kept_addon", product, days, after):
            return product_name(voice.language, product), days, after and day(voice, after)
        case ("taken_voucher" | "taken_credit" | "kept_voucher" | "kept_credit", amount, merchant, _):
            return amount and money(voice, *amount), merchant and clean(merchant, MERCHANT_CHARACTERS)
        case _:
            raise AssertionError(f"no row for {key!r}")
