"""Through which channels is a notice told, and how often again until somebody acts?

1. Which channels a severity goes to is the operator's routing. A notice that a channel fails goes through the others.
2. An imminent notice that nobody acknowledged is repeated every 15 minutes: to every channel there is for the first 8
   times, and then no more; but one about something that has not arrived goes on through its own channels for a day.
3. A review or a duty whose time is over is told again until somebody claims or discharges it, through the channels of
   its severity: after 15 minutes, then each time after twice as long as before, and at least once a day without end.
   Acknowledging such a notice gives a day of quiet, and no more: to have seen it is not to have done it.
4. A notice about a review waits for whoever claims it: while a claim stands it is not repeated.

Whether the thing itself is still undone is not known here (`workflow/alarm.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from tiprouter.domain.notice import REPEAT_EVERY, UNDELIVERED, PageChannel, Severity, reason_of

ESCALATIONS_MAX: Final = 8
REPEATS_MAX: Final = 96
TRY_FOR: Final = timedelta(hours=24)
WIDEST: Final = timedelta(hours=24)

REVIEW_WANTED: Final = "review.wanted-imminent"
REVIEW_OVERDUE: Final = "review.overdue"
DUTY_OVERDUE: Final = "duty.overdue"
UNTIL_DONE: Final = frozenset({REVIEW_OVERDUE, DUTY_OVERDUE})
"""What is told again until it is done (rule 3)."""


def give_up_at(name: str, made_at: datetime) -> datetime:
    """When trying a page ends: an imminent one's when its repeat takes its place, any other's after a day."""
    imminent = reason_of(name).severity is Severity.IMMINENT
    return made_at + (REPEAT_EVERY if imminent else TRY_FOR)


@dataclass(frozen=True, slots=True)
class Routing:
    """Which channels there are, which of them each severity goes to, and how many routine mails a minute may hold."""

    channels: frozenset[PageChannel] = frozenset()
    by_severity: Mapping[Severity, frozenset[PageChannel]] = field(default_factory=dict)
    mails_max: int = 10

    def first(self, name: str) -> tuple[PageChannel, ...]:
        """The channels a notice with this reason goes to when it is raised (rule 1)."""
        reason = reason_of(name)
        wanted = self.by_severity.get(reason.severity, self.channels) if reason.fails is None else self.channels
        return self._there(wanted - {reason.fails})

    def again(self, name: str, repeat: int) -> tuple[PageChannel, ...]:
        """The channels of a repeat, counted from 1 (rules 2, 3)."""
        everywhere = name not in UNTIL_DONE and repeat <= ESCALATIONS_MAX
        return self._there(self.channels) if everywhere else self.first(name)

    def _there(self, wanted: frozenset[PageChannel | None]) -> tuple[PageChannel, ...]:
        return tuple(channel for channel in PageChannel if channel in wanted and channel in self.channels)


def repeat_after(name: str, repeats: int) -> timedelta | None:
    """How long after its last telling a notice that was repeated so often is told again; None for never (rules 2, 3).

    Nothing is said of what is imminent and has been repeated as often as it may: None too.
    """
    if name in UNTIL_DONE:
        return min(REPEAT_EVERY * (1 << min(repeats, 16)), WIDEST)
    return REPEAT_EVERY if repeats < repeats_max(name) else None


def repeats_max(name: str) -> int:
    """How often an imminent notice is repeated while nobody acknowledges it (rule 2); 0 for what is not imminent."""
    if reason_of(name).severity is not Severity.IMMINENT:
        return 0
    return REPEATS_MAX if name == UNDELIVERED else ESCALATIONS_MAX
