"""How pressing is what a human must look at, and what are they told of it?

1. A notice's severity and its words follow from its reason alone: the table of `domain/notice_reasons.py` is the whole
   answer. A reason that the table does not have is urgent, because nobody has said that it can wait.
2. A notice is due when its deadline is, and no later than its severity allows; never before it was raised.
3. The words are fixed sentences. Nothing in them comes from a record, an agency or a caller.

How often and through which channels it is told is `domain/repeating.py`'s.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from tiprouter.domain.notice_reasons import REASONS, UNDELIVERED, PageChannel, Reason, Severity

__all__ = [
    "FAILING",
    "OTHERWISE",
    "REASONS",
    "REPEAT_EVERY",
    "UNDELIVERED",
    "UNDELIVERED_AFTER",
    "PageChannel",
    "Reason",
    "Severity",
    "due_at",
    "reason_of",
]

UNDELIVERED_AFTER: Final = timedelta(minutes=5)
REPEAT_EVERY: Final = timedelta(minutes=15)
OTHERWISE: Final = Reason(
    Severity.URGENT,
    "Something needs a person, for a reason that this page does not know.",
    "Look at the notice by its id.",
)
FAILING: Final[Mapping[PageChannel, str]] = MappingProxyType(
    {reason.fails: name for name, reason in REASONS.items() if reason.fails is not None}
)
"""The reason of a notice about each channel."""

_WITHIN: Final[Mapping[Severity, timedelta]] = MappingProxyType(
    {Severity.IMMINENT: REPEAT_EVERY, Severity.URGENT: timedelta(hours=1), Severity.ROUTINE: timedelta(hours=24)}
)


def reason_of(name: str) -> Reason:
    """What a reason means (rule 1)."""
    return REASONS.get(name, OTHERWISE)


def due_at(name: str, raised_at: datetime, deadline: datetime | None) -> datetime:
    """When somebody should have looked at a notice with this reason (rule 2)."""
    latest = raised_at + _WITHIN[reason_of(name).severity]
    return latest if deadline is None else max(raised_at, min(deadline, latest))
