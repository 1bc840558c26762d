"""The countries that texts may go to: SMS_COUNTRIES, or the one of the number they come from.

Texts to far countries and to premium numbers are what a stolen API key is used for, since somebody earns by them.
"""

from __future__ import annotations

from functools import cache

from django.conf import settings
from phonenumbers import (
    NumberParseException,
    PhoneNumber,
    PhoneNumberFormat,
    PhoneNumberType,
    format_number,
    number_type,
    parse,
    region_code_for_country_code,
    region_code_for_number,
)

NOWHERE = "001"  # libphonenumber's code for numbers of no country, such as satellite telephones


def problem(number: str) -> str | None:
    """Returns why no text may go to this number in E.164, or None. Costs 40 µs where countries are restricted."""
    allowed = settings.SMS_COUNTRIES or _home(settings.TWILIO_FROM)
    if not allowed:
        return None
    parsed = _parsed(number)
    country = _country_of(parsed) if parsed else NOWHERE
    if country not in allowed:
        where = "of no country" if country == NOWHERE else f"of {country}"
        return f"Is a number {where}; texts go to {', '.join(allowed)} alone (SMS_COUNTRIES)."
    if parsed and number_type(parsed) == PhoneNumberType.PREMIUM_RATE:
        return "Is a premium number."
    return None


def in_full(digits: str, country: str) -> str:
    """Returns digits as somebody in this country dials them, as a number in E.164; "" where they are none there."""
    if not country:
        return ""
    try:
        return format_number(parse(digits, country), PhoneNumberFormat.E164)
    except NumberParseException:
        return ""


@cache
def _home(sender: str) -> tuple[str, ...]:
    """Returns the country of the number that texts come from; none for a short code, a name or a messaging service."""
    parsed = _parsed(sender)
    country = _country_of(parsed) if parsed else NOWHERE
    return () if country == NOWHERE else (country,)


def _country_of(number: PhoneNumber) -> str:
    """Returns two letters. A number that no country's plan knows counts as one of the first with its calling code."""
    return region_code_for_number(number) or region_code_for_country_code(number.country_code or 0)


def _parsed(number: str) -> PhoneNumber | None:
    try:
        return parse(number) if number.startswith("+") else None
    except NumberParseException:  # no country has such a calling code
        return None
