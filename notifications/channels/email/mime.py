"""The text of a mail as SMTP carries it. Django's and the standard library's builders cost more than the sending."""

from __future__ import annotations

import binascii
import re
from email.header import Header
from email.utils import formatdate, quote
from functools import cache, lru_cache
from time import time
from typing import NamedTuple

from notifications.channels.email.address import parse_sender

LINE_END = re.compile(r"\r\n|\r|\n")
SPECIALS = re.compile(r'[][()<>@,:;.\\"]')  # what a display name may have in quotes alone (RFC 5322 3.2.3)
MAX_LINE = 998  # RFC 5322
MAX_PLAIN = 255  # characters of a header that is written as it stands
MAX_ENCODED = 72  # of a line with encoded words; RFC 2047 allows 76
AUTOMATIC = "auto-generated"  # RFC 3834: no vacation notice in return


class Mail(NamedTuple):
    """One mail to one receiver."""

    sender: str  # as people write it: a display name in any script, the address in ASCII
    receiver: str  # in ASCII
    subject: str
    text: str
    html: str
    message_id: str
    unsubscribe: str = ""  # an https address without a space


def mime(mail: Mail) -> bytes:
    """Returns the mail in ASCII. Its lines end in CRLF (RFC 5321 2.3.8) and have at most 998 characters."""
    more = "".join([f"{name}: {value}\r\n" for name, value in unsubscribing(mail)])
    head = (
        f"From: {from_header(mail.sender)}\r\nTo: {mail.receiver}\r\nSubject: {header('Subject', mail.subject)}\r\n"
        f"Date: {_date(int(time()))}\r\nMessage-ID: {mail.message_id}\r\nAuto-Submitted: {AUTOMATIC}\r\n"
        f"{more}MIME-Version: 1.0\r\n"
    ).encode("ascii")
    text = _part(mail.text, b"plain")
    if not mail.html:
        return head + text
    boundary = b"=_" + mail.message_id[1:].partition("@")[0].encode()  # has random bits nobody knew before
    parts = b"".join(b"--%b\r\n%b" % (boundary, part) for part in (text, _part(mail.html, b"html")))
    kind = b'Content-Type: multipart/alternative; boundary="%b"\r\n\r\n' % boundary
    return b"%b%b%b--%b--\r\n" % (head, kind, parts, boundary)


@lru_cache(maxsize=1)  # hundreds of mails are written in a second
def _date(second: int) -> str:
    return formatdate(second)


def unsubscribing(mail: Mail) -> tuple[tuple[str, str], ...]:
    """Returns the headers by which mail programs unsubscribe their reader in one click (RFC 8058), where it has any."""
    if not mail.unsubscribe:
        return ()
    return (("List-Unsubscribe", f"<{mail.unsubscribe}>"), ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))


def written_sender(name: str, address: str) -> str:
    """Returns the sender as people write it, the name in quotes where it must be."""
    if not name:
        return address
    return f'"{quote(name)}" <{address}>' if SPECIALS.search(name) else f"{name} <{address}>"


@cache
def address_of(sender: str) -> str:
    """Returns the bare address, for MAIL FROM."""
    return parse_sender(sender)[1]


@cache
def from_header(sender: str) -> str:
    """Returns the value of From. A name that has to be encoded stands on lines of its own."""
    name, address = parse_sender(sender)
    encoded = header("From", name)
    return written_sender(name, address) if encoded == name else f"{encoded}\r\n <{address}>"


def header(name: str, text: str) -> str:
    """Returns the value of a header, encoded and folded where it cannot stand as it is (RFC 2047)."""
    if text.isascii() and text.isprintable() and "=?" not in text and len(text) <= MAX_PLAIN:
        return text
    return Header(text, "utf-8", maxlinelen=MAX_ENCODED, header_name=name).encode(linesep="\r\n")


def _part(text: str, kind: bytes) -> bytes:
    data = LINE_END.sub("\r\n", text).encode() + b"\r\n"
    encoding = b"7bit"
    if not data.isascii() or b"\x00" in data or max(map(len, data.split(b"\r\n"))) > MAX_LINE:
        data, encoding = binascii.b2a_qp(data), b"quoted-printable"
    return b"Content-Type: text/%b; charset=utf-8\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (kind, encoding, data)
