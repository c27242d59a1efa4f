"""What obligations does a policy carry, and why does it exist?

1. Cedar checks no annotation, so all are checked here: a name outside `ALLOWED` is refused, never ignored.
2. Every policy has an `@id` (lower-case words with dots and dashes), a `@basis` in plain words and a `@cite`.
3. `@deadline` is a span after receipt, as an ISO 8601 duration in days, hours, minutes and seconds (`P1D`, `PT15M`,
   longer than nothing; years and months have no fixed length), or `duty-table`: the jurisdiction's own row.
4. `@notify_subject` is one of `domain.outcome.Notice`.
5. Only a permit that decides carries obligations: a forbid or a promise that named a deadline would never be heard.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, unique
from typing import Final, Literal

from tiprouter.domain.outcome import Notice

ALLOWED: Final = ("id", "basis", "cite", "deadline", "notify_subject")
DUTY_TABLE: Final = "duty-table"

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)+")
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)


@unique
class Layer(StrEnum):
    """Who a policy belongs to: the platform's guards and core, the tenant, or counsel's two promises about them all."""

    GUARDS = "guards"
    CORE = "core"
    TENANT = "tenant"
    CEILING = "ceiling"
    FLOOR = "floor"


DECIDING: Final = (Layer.GUARDS, Layer.CORE, Layer.TENANT)
"""The layers that decide; the promises only judge them."""


@unique
class Effect(StrEnum):
    """What a policy does when it matches; a forbid wins."""

    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class PolicyNote:
    """What a policy says about itself. `deadline` is a span after receipt, or the duty table's own."""

    id: str
    effect: Effect
    layer: Layer
    basis: str
    cite: str
    deadline: timedelta | Literal["duty-table"] | None
    notify_subject: Notice | None


class AnnotationError(ValueError):
    """An annotation is missing or cannot be read; the text says which."""


def note_of(effect: Effect, layer: Layer, annotations: Mapping[str, str | None]) -> PolicyNote:
    """The note of one policy (rules 1-5). Raises `AnnotationError`."""
    for name in annotations:
        if name not in ALLOWED:
            raise AnnotationError(
                f"@{name} is not an annotation; known are {', '.join('@' + word for word in ALLOWED)}"
            )
    silent = effect is Effect.FORBID or layer not in DECIDING
    if silent and ("deadline" in annotations or "notify_subject" in annotations):
        raise AnnotationError("a forbid carries no @deadline and no @notify_subject, and a promise neither")
    identifier = _required(annotations, "id")
    if not _ID.fullmatch(identifier):
        raise AnnotationError("@id must be lower-case words joined by dots and dashes, such as core.consent")
    return PolicyNote(
        id=identifier,
        effect=effect,
        layer=layer,
        basis=_required(annotations, "basis"),
        cite=_required(annotations, "cite"),
        deadline=_deadline(annotations["deadline"]) if "deadline" in annotations else None,
        notify_subject=_notice(annotations["notify_subject"]) if "notify_subject" in annotations else None,
    )


def _required(annotations: Mapping[str, str | None], name: str) -> str:
    value = annotations.get(name)
    if value is None or not value.strip():
        raise AnnotationError(f"the policy has no @{name}")
    return value


def _deadline(text: str | None) -> timedelta | Literal["duty-table"]:
    if text == DUTY_TABLE:
        return DUTY_TABLE
    match = _DURATION.fullmatch(text or "")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0, 0)
    try:
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        span = timedelta()
    if not span:
        raise AnnotationError("@deadline is neither an ISO 8601 duration such as PT24H nor duty-table")
    return span


def _notice(text: str | None) -> Notice:
    try:
        return Notice(text or "")
    except ValueError as error:
        raise AnnotationError(f"@notify_subject must be one of {', '.join(Notice)}") from error
