"""What exactly does a page say?

1. A page is made here alone, from ids, the reason's fixed sentences, and times; `PageBody` is what the sender accepts
   beside a redacted disclosure, and nobody else can make one.
2. What is not shaped like one of our ids is left out, whatever it is: a name that somebody else gave never leaves.
   A reason that the table does not have is told as `other`.
3. The webhook's body is the event `notice.raised` (Standard Webhooks 1.0), one notice each.
4. A letter is plain ASCII text: one notice, or a digest of several, the earliest due first.

It does not promise to be read; that is what acknowledging is for.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tiprouter.domain.notice import REASONS, Severity, due_at, reason_of
from tiprouter.domain.redaction import stamp
from tiprouter.errors import TiprouterError

EVENT: Final = "notice.raised"
OTHER: Final = "other"
_ID: Final = re.compile(r"[a-z]{2,5}_[0-9A-Z]{26}", re.ASCII)
_MINT: Final = object()


class NotComposedError(TiprouterError):
    """A page was not made by this module."""


class PageBody:
    """Bytes that `compose` made, and nobody else could have: `body` (UTF-8 JSON) and its SHA-256 `digest` (hex)."""

    __slots__ = ("_body", "_digest")

    def __init__(self, body: bytes, mint: object) -> None:
        if mint is not _MINT:
            raise NotComposedError
        self._body = body
        self._digest = hashlib.sha256(body).hexdigest()

    @property
    def body(self) -> bytes:
        """The bytes to sign and send."""
        return self._body

    @property
    def digest(self) -> str:
        """The SHA-256 of the bytes, in hex."""
        return self._digest


@dataclass(frozen=True, slots=True)
class Told:
    """A notice as pages tell it; `repeat` counts from 0."""

    notice_id: str
    reason: str
    subject: str | None
    record_id: str | None
    deadline: datetime | None
    raised_at: datetime
    repeat: int = 0

    @property
    def severity(self) -> Severity:
        """How pressing it is."""
        return reason_of(self.reason).severity

    @property
    def due_at(self) -> datetime:
        """When somebody should have looked."""
        return due_at(self.reason, self.raised_at, self.deadline)

    @property
    def look_at(self) -> str:
        """The path of the API to look at; the notices themselves where an id is missing."""
        known = {"subject": _id(self.subject), "record": _id(self.record_id)}
        template = reason_of(self.reason).look_at
        wanted = re.findall(r"\{(\w+)\}", template)
        return template.format(**known) if all(known[name] for name in wanted) else "/v1/notices"


@dataclass(frozen=True, slots=True)
class Letter:
    """An e-mail's subject and text."""

    subject: str
    text: str


def compose(told: Told) -> PageBody:
    """The webhook's body (rule 3)."""
    reason = reason_of(told.reason)
    data = {
        "notice_id": _id(told.notice_id),
        "reason": _reason(told),
        "severity": told.severity.value,
        "subject": _id(told.subject),
        "record": _id(told.record_id),
        "deadline": None if told.deadline is None else stamp(told.deadline),
        "due_at": stamp(told.due_at),
        "raised_at": stamp(told.raised_at),
        "repeat": told.repeat,
        "what_happened": reason.happened,
        "what_to_do": reason.to_do,
        "look_at": told.look_at,
    }
    message = {"type": EVENT, "timestamp": stamp(told.raised_at), "data": data}
    return PageBody(json.dumps(message, sort_keys=True, separators=(",", ":")).encode(), _MINT)


def letter(everything: Sequence[Told]) -> Letter:
    """The e-mail about one notice, or a digest of several (rule 4)."""
    ordered = sorted(everything, key=lambda told: (told.due_at, told.notice_id))
    first = ordered[0]
    if len(ordered) == 1:
        again = f", repeated {told_times(first.repeat)}" if first.repeat else ""
        return Letter(f"[tiprouter] {first.severity}: {_reason(first)}{again}", f"{_paragraph(first)}\n{_FOOT}")
    text = f"{len(ordered)} notices in one letter, the earliest due first.\n\n"
    text += "\n".join(_paragraph(told) for told in ordered)
    return Letter(f"[tiprouter] {first.severity}: {len(ordered)} notices", f"{text}\n{_FOOT}")


def told_times(number: int) -> str:
    """`once`, or so many times."""
    return "once" if number == 1 else f"{number} times"


_FOOT: Final = (
    "-- \nThis letter holds no personal data; do not answer it. To say that you have seen a notice:\n"
    "POST /v1/notices/{id}/acknowledge\n"
)


def _paragraph(told: Told) -> str:
    reason = reason_of(told.reason)
    lines = [
        reason.happened,
        reason.to_do,
        "",
        f"notice:   {_id(told.notice_id)}",
        f"reason:   {_reason(told)} ({told.severity})",
        f"about:    {_id(told.subject) or '-'}",
        f"record:   {_id(told.record_id) or '-'}",
        f"deadline: {'-' if told.deadline is None else stamp(told.deadline)}",
        f"due:      {stamp(told.due_at)}",
        f"raised:   {stamp(told.raised_at)}",
        f"look at:  {told.look_at}",
    ]
    return "\n".join(lines) + "\n"


def _reason(told: Told) -> str:
    return told.reason if told.reason in REASONS else OTHER


def _id(value: str | None) -> str | None:
    """Rule 2."""
    return value if value is not None and _ID.fullmatch(value) else None
