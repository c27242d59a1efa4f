"""What obligations does a policy carry, and why does it exist?

1. Cedar checks no annotation, so all are checked here: a name outside `ALLOWED` is refused, never ignored.
2. Every policy has an `@id` (lower-case words with dots and dashes), a `@basis` in plain words and a `@cite`.
3. `@deadline` is a span after receipt, as an ISO 8601 duration in days, hours, minutes and seconds (`P1D`, `PT15M`,
   longer than nothing; years and months have no fixed length).
4. `@notify_subject` is one of `domain.outcome.Notice`; `@channel` one of `ReportChannel`; `@written` a span as duty
   tables write it: `48h`, `5d`, or `3bd` for business days.
5. Only a permit that decides carries obligations: a forbid or a promise that named a deadline would never be heard.
6. `@second_person` names data categories, separated by spaces: where the policy has a part in a hold, a release of any
   of them takes a second reviewer, whoever is told. It only adds to what the house asks for (`domain/review.py`,
   rule 6). It too stands on a permit that decides alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum, unique
from typing import Final, TypeVar

from tiprouter.domain.duty import Span
from tiprouter.domain.outcome import Notice
from tiprouter.domain.vocabulary import Category, ReportChannel
from tiprouter.policy.spans import span_of

OBLIGATIONS: Final = ("deadline", "notify_subject", "channel", "written")
RESERVED: Final = ("duty", "policy", "reviewer", "router", "signaler")
"""First words of ids that are generated, or stand in a decision where no policy decided."""

SECOND_PERSON: Final = "second_person"
_ON_PERMITS: Final = (*OBLIGATIONS, SECOND_PERSON)
ALLOWED: Final = ("id", "basis", "cite", *_ON_PERMITS)

WORD = TypeVar("WORD", bound=StrEnum)

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)+")
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?", re.ASCII)


@unique
class Layer(StrEnum):
    """Who a policy belongs to: the platform, the duty table, the tenant, or counsel's two promises about them all."""

    GUARDS = "guards"
    CORE = "core"
    STATE = "state"
    TENANT = "tenant"
    CEILING = "ceiling"
    FLOOR = "floor"


DECIDING: Final = (Layer.GUARDS, Layer.CORE, Layer.STATE, Layer.TENANT)
"""The layers that decide; the promises only judge them."""

WRITTEN_BY_HAND: Final = (Layer.GUARDS, Layer.CORE, Layer.TENANT)
"""The deciding layers that are files; the state layer is generated (`policy/slices.py`)."""


@unique
class Effect(StrEnum):
    """What a policy does when it matches; a forbid wins."""

    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class PolicyNote:
    """What a policy says about itself. `deadline` and `written` are spans after receipt.

    `second_person` is what a release lets leave only on a second reviewer's word.
    """

    id: str
    effect: Effect
    layer: Layer
    basis: str
    cite: str
    deadline: timedelta | None
    notify_subject: Notice | None
    channel: ReportChannel | None = None
    written: Span | None = None
    second_person: frozenset[Category] = frozenset()


class AnnotationError(ValueError):
    """An annotation is missing or cannot be read; the text says which."""


def note_of(effect: Effect, layer: Layer, annotations: Mapping[str, str | None]) -> PolicyNote:
    """The note of one policy (rules 1-6). Raises `AnnotationError`."""
    for name in annotations:
        if name not in ALLOWED:
            raise AnnotationError(
                f"@{name} is not an annotation; known are {', '.join('@' + word for word in ALLOWED)}"
            )
    silent = effect is Effect.FORBID or layer not in DECIDING
    if silent and any(name in annotations for name in _ON_PERMITS):
        raise AnnotationError(f"a forbid carries no @{', no @'.join(_ON_PERMITS)}, and a promise neither")
    identifier = _required(annotations, "id")
    if not _ID.fullmatch(identifier):
        raise AnnotationError("@id must be lower-case words joined by dots and dashes, such as core.consent")
    if layer is not Layer.STATE and identifier.partition(".")[0] in RESERVED:
        raise AnnotationError(f"@id must not begin with {', '.join(RESERVED)}: these are the router's own")
    return PolicyNote(
        id=identifier,
        effect=effect,
        layer=layer,
        basis=_required(annotations, "basis"),
        cite=_required(annotations, "cite"),
        deadline=_deadline(annotations["deadline"]) if "deadline" in annotations else None,
        notify_subject=_word("notify_subject", annotations, Notice),
        channel=_word("channel", annotations, ReportChannel),
        written=_span(annotations["written"]) if "written" in annotations else None,
        second_person=_categories(annotations[SECOND_PERSON]) if SECOND_PERSON in annotations else frozenset(),
    )


def _required(annotations: Mapping[str, str | None], name: str) -> str:
    value = annotations.get(name)
    if value is None or not value.strip():
        raise AnnotationError(f"the policy has no @{name}")
    return value


def _deadline(text: str | None) -> timedelta:
    match = _DURATION.fullmatch(text or "")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0, 0)
    try:
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        span = timedelta()
    if not span:
        raise AnnotationError("@deadline is not an ISO 8601 duration such as PT24H")
    return span


def _span(text: str | None) -> Span:
    span = span_of(text or "")
    if span is None:
        raise AnnotationError("@written is not a span such as 48h, 5d or 3bd")
    return span


def _categories(text: str | None) -> frozenset[Category]:
    words = (text or "").split()
    try:
        found = frozenset(map(Category, words))
    except ValueError:
        found = frozenset()
    if not found:
        raise AnnotationError(f"@{SECOND_PERSON} must name some of {', '.join(Category)}, separated by spaces")
    return found


def _word(name: str, annotations: Mapping[str, str | None], vocabulary: type[WORD]) -> WORD | None:
    if name not in annotations:
        return None
    try:
        return vocabulary(annotations[name] or "")
    except ValueError as error:
        raise AnnotationError(f"@{name} must be one of {', '.join(vocabulary)}") from error
