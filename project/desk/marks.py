"""Shows the characters that change the direction of text, so that they change nothing."""

from __future__ import annotations

import re
from typing import TypeVar

from django.http import HttpResponse
from django.template.response import SimpleTemplateResponse

# Unicode's Bidi_Control (UAX 9): with U+202E a name that ends in "exe.live" reads "evil.exe".
_CONTROLS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

R = TypeVar("R", bound=HttpResponse)


def marked(text: str) -> str:
    """Returns the text with each direction control as its number, such as ⟨U+202E⟩."""
    return _CONTROLS.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def mark_when_rendered(response: R) -> R:
    """Marks a whole page and returns it. Only for pages without fields, because a field posts its marks back."""
    if isinstance(response, SimpleTemplateResponse):
        response.add_post_render_callback(_mark)
    return response


def _mark(response: SimpleTemplateResponse) -> None:
    response.content = marked(response.content.decode()).encode()
