"""The time zones that count for a person: their own, or else those of their number, or else the site's."""

from __future__ import annotations

from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from phonenumbers import NumberParseException, parse
from phonenumbers.timezone import time_zones_for_number

NO_PLACE = frozenset({"Factory", "localtime"})  # "nobody has set it", and whatever this machine has


def zones_of(own: str | None, number: str | None, site: str) -> tuple[ZoneInfo, ...]:
    """Returns the zones of somebody who stored this name (or none) and is reached at this number (or at none).

    There is always one: at last `site`, which is DEFAULT_TIME_ZONE. Several are those of a number that tells no more,
    and it must be a good time in all of them. A name that the database does not know, or no longer, counts as none.
    """
    mine = known_zone(own) if own else None
    if mine:
        return (mine,)
    return (_zones_of_number(number) if number else ()) or (ZoneInfo(site),)


@lru_cache(maxsize=1024)
def known_zone(name: str) -> ZoneInfo | None:
    """Returns the zone of this name in the IANA database, or None. Any text may be asked for: it opens no file."""
    return ZoneInfo(name) if name in zone_names() else None


@cache
def zone_names() -> frozenset[str]:
    """Returns the names of all zones; reads the whole database for that, once: 30 ms."""
    return frozenset(available_timezones() - NO_PLACE)


@lru_cache(maxsize=8192)
def _zones_of_number(number: str) -> tuple[ZoneInfo, ...]:
    """Returns the zones where a number in E.164 may be, none where nobody knows. Costs 40 µs where it is not cached."""
    try:
        names = time_zones_for_number(parse(number))
    except NumberParseException:  # it is no number, or no country has such a calling code
        return ()
    return tuple(zone for zone in map(known_zone, names) if zone)
