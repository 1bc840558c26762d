"""What is wrong with a body that the typed decoder refused: all of it, by field, in words for the caller."""

from __future__ import annotations

import re
from typing import Any, TypeVar, get_args

import msgspec

Errors = dict[str, Any]  # sentences by field; or `detail` and `code`, where no field is to blame
S = TypeVar("S", bound=msgspec.Struct)

_decode_anything = msgspec.json.Decoder().decode

TIME = "Must be a time such as 2030-01-31T12:00:00Z, with its zone."
WRONG_TYPE = {
    re.compile(r"Expected `str` of length <= (\d+)"): "Must have at most {:,} characters.",
    re.compile(r"Expected `str` of length >= "): "Must not be empty.",
    re.compile(r"Expected `str`"): "Must be a string.",
    re.compile(r"Expected `datetime|Invalid RFC3339"): TIME,
}
ONLY_LENGTH = "Expected `str` of length "


class Invalid(Exception):
    """Refused input; `errors` is the body of the 400, in DRF's shape."""

    def __init__(self, errors: dict[str, Any]) -> None:
        super().__init__(str(errors))
        self.errors = errors


class Unavailable(Exception):
    """Neither Kafka nor the outbox could take it; `retry_after` in seconds."""

    retry_after = 5


def explain(body: Any, error: Exception, kind: type[S]) -> tuple[S | None, Errors]:
    """Returns all that is wrong with a body that the typed decoder refused at its first fault.

    Where nothing but lengths is wrong, the struct comes with it, so that the rules can add what they find.
    """
    found, malformed = _object_in(body, "Must be a JSON object.")
    if malformed:
        return None, malformed
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    errors: Errors = {}
    if kind.__struct_config__.forbid_unknown_fields:
        errors = {_shown(name): ["Unknown field."] for name in found if name not in fields}
    values = {}
    for name, field in fields.items():
        if name not in found:
            errors |= {name: ["This field is required."]} if field.required else {}
            continue
        try:
            values[name] = msgspec.convert(found[name], field.type)
        except msgspec.ValidationError as wrong:
            errors[name] = [_reword(str(wrong), field.type)]
            if str(wrong).startswith(ONLY_LENGTH):
                values[name] = found[name]
        except RecursionError:
            errors[name] = ["Is nested too deeply."]
    if not errors:
        return None, {"detail": str(error), "code": "malformed"}
    named = {fields[name].name: value for name, value in values.items()}
    return (kind(**named) if values.keys() >= errors.keys() else None), errors


def explain_batch(body: bytes, error: Exception) -> Errors:
    """Returns the same for the frame of a batch: an object with a list."""
    found, malformed = _object_in(body, "Must be a JSON object with a list of notifications.")
    if malformed:
        return malformed
    errors: Errors = {_shown(name): ["Unknown field."] for name in found if name != "notifications"}
    if "notifications" not in found:
        errors["notifications"] = ["This field is required."]
    elif not isinstance(found["notifications"], list):
        errors["notifications"] = ["Must be a list."]
    return errors or {"detail": str(error), "code": "malformed"}


def first_of(errors: Errors) -> str:
    """Returns the first of the errors as one sentence, behind its field where it has one."""
    if "detail" in errors:
        return str(errors["detail"])
    field, why = next(iter(errors.items()))
    return f"{field}: {why[0]}"


def _object_in(body: Any, must: str) -> tuple[dict[str, Any], Errors]:
    """Returns the JSON object in a body, or {} and what is wrong."""
    try:
        found = _decode_anything(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return {}, _malformed(error)
    return (found, {}) if isinstance(found, dict) else ({}, {"detail": must, "code": "malformed"})


def _malformed(error: Exception) -> Errors:
    if isinstance(error, RecursionError):
        return {"detail": "The JSON is nested too deeply.", "code": "malformed"}
    if isinstance(error, UnicodeDecodeError):
        return {"detail": "The body is not valid UTF-8.", "code": "malformed"}
    return {"detail": f"The body is not valid JSON: {error}.", "code": "malformed"}


def _reword(wrong: str, type: Any) -> str:
    if wrong.startswith("Invalid enum value"):
        return f"Must be one of {', '.join(map(str, get_args(type)))}."
    for pattern, why in WRONG_TYPE.items():
        if found := pattern.match(wrong):
            return why.format(*map(int, found.groups()))
    return f"{wrong}."


def _shown(name: str) -> str:
    """Returns an unknown field's name, cut so that an error stays readable."""
    return name if len(name) <= 100 else f"{name[:100]}…"
