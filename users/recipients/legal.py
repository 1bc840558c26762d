"""The hours in which the law lets promotional texts go to a number: a table by place, each row with its source.

A number's area code stands for the state, as several of these laws presume. No exemption of any law is looked for, such
as an earlier purchase, so the hours are rather too few than too many. Holidays are not known here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time
from functools import cached_property, lru_cache
from zoneinfo import ZoneInfo

from phonenumbers import PhoneNumber, region_code_for_number

from users.recipients.quiet import Quiet, Window

VERSION = "2026-11-30"
"""When the table was last changed or found to be right."""

Hours = tuple[int, int]  # from, until; in full hours
UNITED_STATES = frozenset({"US", "AS", "GU", "MP", "PR", "VI"})  # with its territories: 47 U.S.C. 153(58)


@dataclass(frozen=True)
class Law:
    """What one place allows, on clocks there: hours for each weekday, Monday first, None where it allows none.

    `areas` are the area codes of the place, separated by blanks. `source` is the law, and where its words were read.
    """

    place: str
    hours: tuple[Hours | None, ...]
    areas: str
    source: str
    read: date

    @cached_property
    def windows(self) -> tuple[Window, ...]:
        """The windows outside these hours."""
        days: defaultdict[tuple[int, int], set[int]] = defaultdict(set)
        for day, hours in enumerate(self.hours):
            opens, closes = hours or (12, 12)
            days[0, opens].add(day)
            days[closes, 0].add(day)
        return tuple(Window(time(start), time(end), frozenset(days[start, end])) for start, end in sorted(days))


def legal_quiets(number: str, zones: Iterable[ZoneInfo]) -> tuple[Quiet, ...]:
    """Returns the windows in which the law lets no promotional text go to this number in E.164, in each of these zones.

    There are none where the table has no law for the number.
    """
    law = law_of(number)
    return tuple(Quiet(window, zone) for window in law.windows for zone in zones) if law else ()


def law_of(number: str) -> Law | None:
    """Returns the law for texts to this number: its state's, or that of the United States where no state's is known."""
    return _law_in(number[2:5]) if number.startswith("+1") else None


@lru_cache(maxsize=1024)
def _law_in(area: str) -> Law | None:
    if area in STATES:
        return STATES[area]
    some = PhoneNumber(country_code=1, national_number=int(f"{area}2000100")) if area.isdecimal() else None
    country = region_code_for_number(some) if some else None
    return FEDERAL if country is None or country in UNITED_STATES else None


def _week(weekdays: Hours | None, saturday: Hours | None, sunday: Hours | None) -> tuple[Hours | None, ...]:
    return (*[weekdays] * 5, saturday, sunday)


def _daily(opens: int, closes: int) -> tuple[Hours | None, ...]:
    return _week((opens, closes), (opens, closes), (opens, closes))


READ = date(2026, 11, 30)
QUOTED = "quoted in github.com/meydayapp/fieldquo@d1c5045 lib/sales/callingRules.js"

FEDERAL = Law(
    "US",
    _daily(8, 21),
    "",
    "47 CFR 64.1200(c)(1), nwdebtresolution.com/post/telephone-consumer-protection-act-call-time-restrictions",
    READ,
)

STRICTER = (
    Law(
        "Alabama",
        _week((8, 20), (8, 20), None),
        "205 251 256 334 659 938",
        f"Ala. Admin. Code r. 770-X-5-.17(2), {QUOTED}",
        READ,
    ),
    Law("Connecticut", _daily(9, 20), "203 475 860 959", f"Conn. Gen. Stat. 42-288a(c), {QUOTED}", READ),
    Law(
        "Florida",
        _daily(8, 20),
        "239 305 321 324 352 386 407 448 561 645 656 689 727 728 754 772 786 813 850 863 904 941 954",
        "Fla. Stat. 501.616(6)(a), lawserver.com/law/state/florida/statutes/florida_statutes_501-616",
        READ,
    ),
    Law("Kentucky", _daily(10, 21), "270 364 502 606 859", f"KRS 367.46955(16), {QUOTED}", READ),
    Law(
        "Louisiana",
        _week((8, 20), (8, 20), None),
        "225 318 337 504 985",
        "La. R.S. 45:811(2) and (3), lawserver.com/?p=30183792",
        READ,
    ),
    Law("Maryland", _daily(8, 20), "227 240 301 410 443 667", f"Md. Code, Com. Law 14-4502(c), {QUOTED}", READ),
    Law("Massachusetts", _daily(8, 20), "339 351 413 508 617 774 781 857 978", f"M.G.L. c. 159C s. 3, {QUOTED}", READ),
    Law(
        "Michigan",
        _daily(9, 21),
        "231 248 269 313 517 586 616 734 810 906 947 989",
        f"MCL 750.540e(1)(f), {QUOTED}",
        READ,
    ),
    Law("Minnesota", _daily(9, 21), "218 320 507 612 651 763 952", f"Minn. Stat. 325E.30, {QUOTED}", READ),
    Law(
        "Mississippi",
        _week((9, 20), (9, 20), None),  # it says 8 to 8 in Central Standard Time, which in summer is 9 to 9
        "228 601 662 769",
        f"Miss. Code 77-3-723(1), {QUOTED}",
        READ,
    ),
    Law(
        "New Mexico",
        _daily(9, 21),
        "505 575",
        "NMSA 57-12-22(B)(5), law.justia.com/codes/new-mexico/2006/nmrc/jd_57-12-22-13117.html",
        READ,
    ),
    Law("Oklahoma", _daily(8, 20), "405 539 572 580 918", "15 O.S. 775C.4, mondaq.com/article/news/1251310", READ),
    Law("Oregon", _daily(8, 20), "458 503 541 971", f"ORS 646.563(1)(b), {QUOTED}", READ),
    Law(
        "Pennsylvania",
        _week((9, 19), (9, 19), None),
        "215 223 267 272 412 445 484 570 582 610 717 724 814 835 878",
        f"73 P.S. 2245(a)(1) as amended by Act 47 of 2026, {QUOTED}",
        READ,
    ),
    Law(
        "Rhode Island",
        _week((9, 18), (10, 17), None),
        "401",
        "R.I. Gen. Laws 5-61-3.6 and 5-61-2(2), "
        "instalawyer.io/laws/rhode-island-general-laws/section-5-61-2-definitions",
        READ,
    ),
    Law(
        "South Dakota",
        _week((9, 21), None, None),
        "605",
        "SDCL 37-30-28, legis.state.sd.us/statutes/DisplayStatute.aspx?Type=Statute&Statute=37-30-28",
        READ,
    ),
    Law(
        "Texas",
        _week((9, 21), (9, 21), (12, 21)),
        "210 214 254 281 325 346 361 409 430 432 469 512 682 713 726 737 806 817 830 832 903 915 936 940 945 956 972 "
        "979",
        "Tex. Bus. & Com. Code 301.051(b)(2), springboardlegal.com/texas-text-message-marketing",
        READ,
    ),
    Law("Utah", _week((8, 21), (8, 21), None), "385 435 801", f"Utah Code 13-25a-103(3), {QUOTED}", READ),
    Law(
        "Washington",
        _daily(8, 20),
        "206 253 360 425 509 564",
        "RCW 19.158.040(2), app.leg.wa.gov/RCW/default.aspx?cite=19.158.040",
        READ,
    ),
    Law("Wyoming", _daily(8, 20), "307", f"Wyo. Stat. 40-12-302(d), {QUOTED}", READ),
)
STATES = {area: law for law in STRICTER for area in law.areas.split()}
