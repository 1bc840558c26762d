"""What is wrong with a body that the typed decoder refused: all of it, by field, in words for the caller."""

from __future__ import annotations

from typing import Any

import msgspec

from notifications.messages.words import PRIORITIES

Errors = dict[str, list[str]]

_decode_anything = msgspec.json.Decoder().decode

WRONG_TYPE = {
    "Expected `str`": "Must be a string.",
    "Expected `datetime": "Must be a time such as 2030-01-31T12:00:00Z, with its zone.",
    "Invalid RFC3339": "Must be a time such as 2030-01-31T12:00:00Z, with its zone.",
    "Invalid enum value": f"Must be one of {', '.join(PRIORITIES)}.",
}


def explain(body: Any, error: Exception, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """All complaints about a body that the typed decoder refused at its first one."""
    said, malformed = _object_in(body, "Must be a JSON object.")
    if malformed:
        return malformed
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    errors: Errors = {_shown(name): ["Unknown field."] for name in said if name not in fields}
    for name, field in fields.items():
        if name not in said:
            if field.required:
                errors[name] = ["This field is required."]
            continue
        try:
            msgspec.convert(said[name], field.type)
        except msgspec.ValidationError as wrong:
            errors[name] = [_reword(str(wrong))]
        except RecursionError:
            errors[name] = ["Is nested too deeply."]
    return errors or {"detail": str(error), "code": "malformed"}


def explain_batch(body: bytes, error: Exception) -> dict[str, Any]:
    """The same for the frame of a batch: an object with a list."""
    said, malformed = _object_in(body, "Must be a JSON object with a list of notifications.")
    if malformed:
        return malformed
    errors: Errors = {_shown(name): ["Unknown field."] for name in said if name != "notifications"}
    if "notifications" not in said:
        errors["notifications"] = ["This field is required."]
    elif not isinstance(said["notifications"], list):
        errors["notifications"] = ["Must be a list."]
    return errors or {"detail": str(error), "code": "malformed"}


def _object_in(body: Any, must: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON object in a body, or {} and the complaint."""
    try:
        said = _decode_anything(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return {}, _malformed(error)
    return (said, {}) if isinstance(said, dict) else ({}, {"detail": must, "code": "malformed"})


def _malformed(error: Exception) -> dict[str, Any]:
    if isinstance(error, RecursionError):
        return {"detail": "The JSON is nested too deeply.", "code": "malformed"}
    if isinstance(error, UnicodeDecodeError):
        return {"detail": "The body is not valid UTF-8.", "code": "malformed"}
    return {"detail": f"The body is not valid JSON: {error}.", "code": "malformed"}


def _reword(wrong: str) -> str:
    return next((why for start, why in WRONG_TYPE.items() if wrong.startswith(start)), f"{wrong}.")


def _shown(name: str) -> str:
    """An unknown field's name, cut so that an error stays readable."""
    return name if len(name) <= 100 else f"{name[:100]}…"
